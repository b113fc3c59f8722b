"""The run folder: one writer at a time, durable writes, and a journal of what finished.

```
run.json   manifest.json   journal.jsonl   arrays/   chunks/   logs/   .lock
```
A folder is new, empty, or a run's. An audit of the same key goes on where the last one stopped and reuses what finished.
An audit of another key is refused, naming what differs, unless it is told not to resume: then the old run is removed
first. A folder that holds anything but a run's own files is never touched.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditbench.errors import RunFolderError
from auditbench.journal import Journal

RECORD, MANIFEST, JOURNAL, LOCK = "run.json", "manifest.json", "journal.jsonl", ".lock"
ARRAYS, CHUNKS, LOGS = "arrays", "chunks", "logs"
_OWN = frozenset({RECORD, MANIFEST, JOURNAL, LOCK, ARRAYS, CHUNKS, LOGS})
_ANOTHER = "choose another folder with --out"


class RunFolder:
    """An output folder, locked by this process until `close`.

    Attributes:
        path: The folder, absolute.
    """

    def __init__(self, path: Path) -> None:
        """Make and lock the folder.

        Raises:
            RunFolderError: It is no folder, cannot be written, holds other files, or another audit is at work in it.
        """
        self.path = path.absolute()
        self._made = not self.path.exists()
        self._journal: Journal | None = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(self.path)
        except OSError as error:
            raise _refused("the output folder cannot be used", self.path, error) from error
        try:
            self._refuse_foreign_files()
        except RunFolderError:
            self.close()
            raise

    def begin(self, key: Mapping[str, str], *, resume: bool) -> None:
        """Start a run, or go on with the one of the same key.

        Args:
            key: Everything that results depend on, by name; digests and versions.

        Raises:
            RunFolderError: The folder holds the run of another key and `resume` is set.
        """
        old = Journal.read(self.path / JOURNAL)
        known = old.key if old else None
        if resume and known is not None and known != dict(key):
            names = ", ".join(sorted(name for name in {*known, *key} if known.get(name) != key.get(name)))
            raise RunFolderError(
                "the output folder holds the run of another audit",
                where=str(self.path),
                found=f"another {names}",
                fix=f"{_ANOTHER}, or replace that run with --no-resume",
            )
        if known is None or not resume:
            self._clear()
            old = None
        (self.path / RECORD).unlink(missing_ok=True)
        self._journal = old or Journal.create(self.path / JOURNAL, key)

    @property
    def journal(self) -> Journal:
        """What finished in this run; there after `begin`."""
        if self._journal is None:
            raise RunFolderError("this run has not begun", where=str(self.path))
        return self._journal

    def folder(self, name: str) -> Path:
        """One of the folders of a run, made if it is not there."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, name: str, content: bytes) -> None:
        """Write one file of the run durably; it is the old file or the new one, never a part.

        Raises:
            RunFolderError: It cannot be written.
        """
        write_atomic(self.path / name, content)

    def forget_chunks(self, analyzer: str) -> None:
        """Remove the chunks of an analyzer whose result is safe."""
        for file in self.journal.chunk_files(analyzer):
            (self.path / file).unlink(missing_ok=True)
        _remove_if_empty(self.path / CHUNKS)

    def complete(self, record: bytes) -> None:
        """Write the manifest, then the finished record as the last file.

        Args:
            record: Bytes of run.json with status `complete`.
        """
        digests = {name: _digest(path) for name, path in self._files() if name not in (RECORD, MANIFEST, LOCK)}
        digests[RECORD] = hashlib.sha256(record).hexdigest()
        manifest = {"schema": 1, "files": dict(sorted(digests.items()))}
        self.write(MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        self.write(RECORD, record)

    def reopen(self) -> None:
        """Go on with the journal that is there, so that reports can be added to a finished run."""
        self._journal = Journal.read(self.path / JOURNAL) or Journal.create(self.path / JOURNAL, {})

    def remove_empty_logs(self) -> bool:
        """Remove logs in which nothing was written; says whether others are left."""
        logs = self.path / LOGS
        for file in logs.iterdir() if logs.is_dir() else ():
            if not file.stat().st_size:
                file.unlink()
        _remove_if_empty(logs)
        return logs.is_dir()

    def abandon(self) -> None:
        """Release the folder after a refusal; one that was made for this audit and holds nothing is removed."""
        begun = self._journal is not None
        self.close()
        if self._made and not begun:
            shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Release the lock. The kernel does the same when the process dies."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.path.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.path).as_posix(), path

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())

    def _refuse_foreign_files(self) -> None:
        journal = Journal.read(self.path / JOURNAL)
        own = _OWN | (set(journal.rendered()) if journal else set())
        foreign = [name for name in self._names() if name not in own and not name.startswith(_TEMPORARY)]
        if foreign:
            raise RunFolderError(
                "the output folder holds files that are not a run's",
                where=str(self.path),
                found=", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else ""),
                fix=_ANOTHER,
            )

    def _clear(self) -> None:
        """Remove a run; the lock and the logs of the workers that are already at work stay."""
        for name in self._names():
            path = self.path / name
            if name in (LOCK, LOGS):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file through a temporary one in the same folder, both synced to disk, readable by this user only.

    Raises:
        RunFolderError: The disk is full, or the folder cannot be written.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise _refused(f"{path.name} cannot be written ({len(content):,} bytes)", path.parent, error) from error


def arrays_are_whole(document: Any, folder: Path) -> bool:
    """Whether every stored array in a record, as JSON types, is in the folder byte for byte."""
    if isinstance(document, Mapping):
        if document.keys() >= {"path", "dtype", "sha256"}:
            path = folder / str(document["path"])
            return path.is_file() and _digest(path) == document["sha256"]
        return all(arrays_are_whole(item, folder) for item in document.values())
    if isinstance(document, list):
        return all(arrays_are_whole(item, folder) for item in document)
    return True


def is_report_name(name: str) -> bool:
    """Whether a renderer may call a file so: a plain name that is none of the run's own."""
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name)) and name not in _OWN


def file_part(text: str) -> str:
    """A name as part of a file name: itself where that is safe, else what is safe of it and a hash."""
    safe = re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip(".-")[:48]
    if text and safe == text:
        return text
    return f"{safe or 'x'}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


_TEMPORARY = ".writing-"


def _lock(folder: Path) -> int:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 500, 0).decode("utf-8", "replace")
        os.close(handle)
        raise RunFolderError(
            "another audit is at work in this folder",
            where=str(folder),
            found=holder or "its process is not known",
            fix=f"wait for it, or {_ANOTHER}",
        ) from error
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode(), 0)
    return handle


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _refused(message: str, folder: Path, error: OSError) -> RunFolderError:
    return RunFolderError(message, where=str(folder), found=str(error.strerror or error), fix=_ANOTHER)
