"""Locks of run folders and of files: held by the kernel for a process, and gone when the process is, however it ends.

The holder signs the file and wipes it when it comes to its end, so that a signature nobody holds is that of a process that
did not.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import socket
from collections.abc import Callable
from pathlib import Path

from auditbench.errors import AuditbenchError, RunFolderError

LOCK = ".lock"
_SIGNED = b"process "


def lock_folder(folder: Path) -> int:
    """Lock a folder for this process until the file descriptor that is returned is closed.

    A holder may remove the file before it closes it; what was locked is then checked to be the file that is there.

    Raises:
        RunFolderError: Another process holds the lock; the message names it. Or the file is something else.
        OSError: The file cannot be written.
    """
    return lock_file(folder / LOCK, busy=lambda holder: _busy(folder, holder), foreign=lambda: _foreign(folder))


def lock_file(path: Path, *, busy: Callable[[str], AuditbenchError], foreign: Callable[[], AuditbenchError]) -> int:
    """Lock a file for this process, as `lock_folder` does; it is made where it is not there.

    Args:
        busy: The error where another process holds the lock, from what that signed it with.
        foreign: The error where the file is none that a holder has signed.

    Raises:
        OSError: The file cannot be written.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(handle, path):
                if os.pread(handle, len(_SIGNED), 0) not in (b"", _SIGNED):
                    raise foreign()
                _sign(handle)
                return handle
        except BlockingIOError as error:
            holder = os.pread(handle, 500, 0).decode("utf-8", "replace")
            os.close(handle)
            raise busy(holder or "its process is not known") from error
        except (OSError, AuditbenchError):
            os.close(handle)
            raise
        os.close(handle)


def unlock_folder(handle: int, *, ended: bool) -> None:
    """Release a lock.

    Args:
        ended: Whether to wipe the signature; without it the folder says that a process did not come to its end.
    """
    if ended:
        wipe_signature(handle)
    os.close(handle)


def wipe_signature(handle: int) -> None:
    """Leave no word of this process in a lock that it holds."""
    os.ftruncate(handle, 0)


def unfinished(folder: Path) -> str:
    """Who is at work in the folder, or was and did not come to its end; empty when nobody.

    Raises:
        OSError: The lock file cannot be read.
    """
    try:
        text = (folder / LOCK).read_bytes()[:500]
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return text.decode("utf-8", "replace") if text.startswith(_SIGNED) else ""


def is_signed(folder: Path) -> bool:
    """Whether the folder has a lock file that a process of ours has signed."""
    try:
        with (folder / LOCK).open("rb") as file:
            return file.read(len(_SIGNED)) == _SIGNED
    except OSError:
        return False


def _busy(folder: Path, holder: str) -> RunFolderError:
    return RunFolderError(
        "another audit is at work in this folder",
        where=str(folder),
        found=holder,
        fix="wait for it, or choose another folder with --out",
    )


def _foreign(folder: Path) -> RunFolderError:
    return RunFolderError(
        "the output folder holds a file of the lock's name that is something else",
        where=str(folder / LOCK),
        fix="choose another folder with --out",
    )


def _is_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode(), 0)
