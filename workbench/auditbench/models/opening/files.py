"""Reading a file that a stranger may have made: regular files only, limits first, once through one descriptor."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from auditbench.errors import ModelError
from auditbench.machine_memory import machine_memory_bytes
from auditbench.models.opening.json_text import parse_strictly
from auditbench.models.opening.limits import MAX_FILE_BYTES

_AGAIN = "copy the file again, or train the model again: auditbench train CONFIG"


class Damage(ValueError):  # noqa: N818 - a state of the file, told to the user as one
    """What is wrong with the bytes of a file, before it is known which file that is.

    Attributes:
        found: What is there, shortened.
        allowed: What could stand there instead.
        fix: The next step.
    """

    def __init__(self, message: str, *, found: str = "", allowed: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message, self.found, self.allowed, self.fix = message, found, allowed, fix


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Say of which file a damage is, and which one there is too little memory for.

    Raises:
        ModelError: In place of `Damage` and `MemoryError`.
    """
    try:
        yield
    except Damage as damage:
        raise ModelError(
            f"{path.name} {damage.message}",
            where=str(path),
            found=damage.found,
            allowed=damage.allowed,
            fix=damage.fix or "copy the file again from where it was made",
        ) from damage
    except MemoryError as error:
        raise _too_large_for_memory(path, str(error) or "no memory left for what is in it") from error


def read_file(path: Path, *, most: int | None = None, fix: str = "") -> bytes:
    """The bytes of a regular file; links, pipes and devices are refused before anything is read.

    Args:
        most: Largest size in bytes; without it, `MAX_FILE_BYTES`.
        fix: What to do where no such file is there, or no regular one; without it, what `[model]` needs.

    Raises:
        ModelError: There is no such file, it is not a regular file, it is too large for the limit or for memory, it
            begins with zeros as no model does, or it changed while it was read.
    """
    most = MAX_FILE_BYTES if most is None else most
    with os.fdopen(_open(path, fix), "rb") as handle:
        state = os.fstat(handle.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise _irregular(path, _KINDS.get(stat.S_IFMT(state.st_mode), "no file"), fix)
        if state.st_size > most:
            raise ModelError(
                f"{path.name} is too large",
                where=str(path),
                found=f"{state.st_size:,} bytes",
                allowed=f"at most {most:,} bytes",
                fix="check that this is the file you meant",
            )
        if state.st_size > (memory := machine_memory_bytes()):
            raise _too_large_for_memory(path, f"it needs {state.st_size:,} bytes, and this machine has {memory:,}")
        content = _read(handle, state.st_size, path, fix)
    if len(content) != state.st_size:
        raise ModelError(
            f"{path.name} changed while it was read",
            where=str(path),
            found=f"{len(content):,} bytes after {state.st_size:,}",
            allowed="a file that nobody writes to",
            fix="wait until it is complete, then give the same command again",
        )
    return content


def sha256_of(content: bytes) -> str:
    """The digest by which a file is trusted, in hex."""
    return hashlib.sha256(content).hexdigest()


def parse_json(content: bytes, path: Path, *, fix: str = _AGAIN) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        fix: The next step where it is none.

    Raises:
        ModelError: It is no JSON object, or one of its names stands there twice.
    """
    try:
        document = parse_strictly(content)
    except ValueError as error:
        raise ModelError(
            f"{path.name} is not valid JSON",
            where=str(path),
            found=str(error)[:160],
            allowed="a JSON object",
            fix=fix,
        ) from error
    if not isinstance(document, dict):
        raise ModelError(
            f"{path.name} holds no object",
            where=str(path),
            found=type(document).__name__,
            allowed="a JSON object",
            fix=fix,
        )
    return document


_BEGINNING = 4096
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}


def _open(path: Path, fix: str) -> int:
    """A descriptor of what is no link; a device is never opened, since that alone can act."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
        if kind != stat.S_IFREG:
            raise _irregular(path, _KINDS.get(kind, "no file"), fix)
        return os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, fix) from error


def _read(handle: BinaryIO, size: int, path: Path, fix: str) -> bytes:
    """The bytes of a file, and one more where it has grown; a file of holes is told by its beginning."""
    try:
        head = os.pread(handle.fileno(), _BEGINNING, 0)
        if size > len(head) == _BEGINNING and not head.strip(b"\0"):
            raise ModelError(
                f"{path.name} holds no model",
                where=str(path),
                found=f"{size:,} bytes that begin with {_BEGINNING:,} zeros",
                allowed="a file that was copied completely",
                fix="copy the file again from where it was made",
            )
        return handle.read(size + 1) or b""  # nothing at all where reading would have to wait
    except OSError as error:
        raise _unreadable(path, error, fix) from error
    except MemoryError as error:
        raise _too_large_for_memory(path, f"it needs {size:,} bytes") from error


def _too_large_for_memory(path: Path, found: str) -> ModelError:
    return ModelError(
        f"{path.name} needs more memory than there is",
        where=str(path),
        found=found,
        allowed="a few times the size of the file",
        fix="raise limits.memory_gib, or take a machine with more memory",
    )


def _unreadable(path: Path, error: OSError | ValueError, fix: str) -> ModelError:
    return ModelError(
        f"there is no {path.name} that can be read",
        where=str(path),
        found=getattr(error, "strerror", None) or str(error),
        allowed="a regular file",
        fix=fix or "check model.path, or train the model: auditbench train CONFIG",
    )


def _irregular(path: Path, found: str, fix: str) -> ModelError:
    return ModelError(
        f"{path.name or path} is not a regular file",
        where=str(path),
        found=found,
        allowed="a regular file",
        fix=fix or "name the file itself in model.path",
    )
