"""The run folder: one writer at a time, durable writes, and a journal of what finished.

```
run.json   manifest.json   journal.jsonl   arrays/   chunks/   logs/   .lock
```
A folder is new, empty, or a run's: it holds a run's journal, or a manifest with the digest of the run.json beside it, and
nothing that the two do not know. Anything else is refused and left as it was. An audit of the same key goes on where the
last one stopped and reuses what finished; the record and the reports of the last one are removed before it starts. An
audit of another key is refused, naming what differs, unless it is told not to resume: then the old run is removed first.
A record that nothing was evaluated stands in nobody's way, and leaves the finished results of another run where they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditbench.errors import HostError, RunFolderError, RunWriteError
from auditbench.folder_lock import LOCK, is_signed, lock_folder, unlock_folder, wipe_signature
from auditbench.journal import Journal
from auditbench.manifest import ARRAYS, MANIFEST, RECORD, digest_of_file, manifest_bytes, read_manifest

JOURNAL, CHUNKS, LOGS = "journal.jsonl", "chunks", "logs"
_OWN = frozenset({RECORD, MANIFEST, JOURNAL, LOCK, ARRAYS, CHUNKS, LOGS})
_NOTHING = {"evaluated": "nothing"}
_ANOTHER = "choose another folder with --out"
_GO_ON = "make room, then give the same command again to go on"


class RunFolder:
    """An output folder, locked by this process until `close`.

    Attributes:
        path: The folder, absolute.
    """

    def __init__(self, path: Path, *, way_on: str = _ANOTHER) -> None:
        """Make and lock the folder.

        Args:
            way_on: What a refusal advises.

        Raises:
            RunFolderError: It is no folder, cannot be written, holds other files, or another audit is at work in it.
        """
        self.path = path.absolute()
        self._journal: Journal | None = None
        self._lock = -1
        self._way_on = way_on
        with _told("the output folder cannot be used", self.path):
            self._unfinished = is_signed(self.path)
            if not self._unfinished:
                self._refuse_foreign_files()  # before a lock is left in a folder that is not ours
            self._before = self._names()
            self._made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = lock_folder(self.path)
                self._refuse_foreign_files()
            except BaseException:
                self.abandon()
                raise

    def begin(self, key: Mapping[str, str], *, resume: bool, replace: bool = False) -> None:
        """Start a run, or go on with the one of the same key.

        Args:
            key: Everything that results depend on, by name; digests and versions.
            resume: Whether to go on with a run of the same key; otherwise it is removed.
            replace: Whether a run of another key is removed instead of refused.

        Raises:
            RunFolderError: The folder holds the run of another key and is to resume, or it cannot be written.
        """
        old = self._old_journal(resume=resume, replace=replace)
        known = None if old is None or old.key == _NOTHING else old.key
        if known is not None and known != dict(key):
            if not replace:
                names = ", ".join(sorted(name for name in {*known, *key} if known.get(name) != key.get(name)))
                raise self._in_the_way("the output folder holds the run of another audit", f"another {names}")
            known = None
        self._start(old if known else None, key)

    def begin_nothing(self, *, resume: bool) -> None:
        """Start a run that evaluates nothing. Results of a run that is there are kept for it, its record is not.

        Args:
            resume: Whether to keep them.

        Raises:
            RunFolderError: The folder cannot be written, or holds a run without a readable journal and is to resume.
        """
        self._start(self._old_journal(resume=resume, replace=False), _NOTHING)

    @property
    def journal(self) -> Journal:
        """What finished in this run; there after `begin`."""
        if self._journal is None:
            raise RunFolderError("this run has not begun", where=str(self.path))
        return self._journal

    @property
    def begun(self) -> bool:
        """Whether a run has begun, so that the folder holds more than the last one left."""
        return self._journal is not None

    def folder(self, name: str) -> Path:
        """One of the folders of a run, made if it is not there."""
        path = self.path / name
        with _told(f"the folder {name} cannot be made", self.path, self._kind):
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, name: str, content: bytes) -> None:
        """Write one file of the run durably; it is the old file or the new one, never a part.

        Raises:
            RunWriteError: It cannot be written.
        """
        write_atomic(self.path / name, content)

    def forget_chunks(self, analyzer: str) -> None:
        """Remove the chunks of an analyzer whose result is safe."""
        with _told("chunks cannot be removed", self.path, RunWriteError):
            for file in self.journal.chunk_files(analyzer):
                path = self.path / file
                path.unlink(missing_ok=True)
                for folder in (path.parent, path.parent.parent):
                    _remove_if_empty(folder)
            _remove_if_empty(self.path / CHUNKS)

    def withdraw(self) -> None:
        """Remove the reports, the manifest and the record, which are no longer, or not yet, those of this run."""
        with _told("the last reports cannot be removed", self.path, RunWriteError):
            reports = {*self.journal.rendered(), *(_manifested(self.path) - _OWN)}
            for name in (MANIFEST, RECORD, *sorted(reports)):
                (self.path / name).unlink(missing_ok=True)
        self.journal.add_withdrawn()

    def complete(self, record: bytes) -> None:
        """Write the manifest, then the finished record as the last file.

        Args:
            record: Bytes of run.json with status `complete`.

        Raises:
            RunWriteError: One of them cannot be written, or a file of the run cannot be read.
        """
        with _told("a file of the run cannot be read", self.path, RunWriteError):
            digests = {
                name: digest_of_file(path) for name, path in self._files() if name not in (RECORD, MANIFEST, LOCK)
            }
        digests[RECORD] = hashlib.sha256(record).hexdigest()
        self.write(MANIFEST, manifest_bytes(digests))
        self.write(RECORD, record)

    def reopen(self) -> None:
        """Go on with the journal that is there, so that reports can be added to a finished run.

        If that is cut short, the record is still that of the last audit: no signature says otherwise.
        """
        wipe_signature(self._lock)
        self._journal = Journal.read(self.path / JOURNAL)
        if self._journal is None:
            self._journal = Journal.create(self.path / JOURNAL, {"journal": "written after the run"})
            for name in sorted(_manifested(self.path) - _OWN):
                self._journal.add_rendered(name, "")

    def remove_empty_logs(self) -> None:
        """Remove the logs of workers in which nothing was written."""
        logs = self.path / LOGS
        with _told("logs cannot be removed", self.path, RunWriteError):
            for file in logs.glob(_LOG_FILES):
                if not file.stat().st_size:
                    file.unlink()
            _remove_if_empty(logs)

    def abandon(self, *, failed: bool = False) -> None:
        """Release the folder; unless a run has begun, what was made for it is removed first.

        Args:
            failed: Whether the audit was neither finished nor refused. The record of an earlier run, if one is there,
                then stands beside the signature of an audit that did not come to its end; that of one before stays.
        """
        stale = (failed or self._unfinished) and not self.begun and self._lock >= 0 and RECORD in self._before
        if not self.begun:
            with contextlib.suppress(OSError, HostError):
                made = {LOGS, *(() if stale else (LOCK,))} - set(self._before) if self._lock >= 0 else ()
                for name in made:
                    _remove(self.path / name)
                self.remove_empty_logs()
                for folder in self._made:
                    folder.rmdir()
        self._release(ended=not stale)

    def close(self) -> None:
        """Release the lock. The kernel does the same when the process dies."""
        self._release(ended=True)

    @property
    def _kind(self) -> type[HostError]:
        """What a failed write is: a refusal before the run has begun, and a loss after."""
        return RunWriteError if self.begun else RunFolderError

    def _release(self, *, ended: bool) -> None:
        if self._lock >= 0:
            unlock_folder(self._lock, ended=ended)
            self._lock = -1

    def _start(self, old: Journal | None, key: Mapping[str, str]) -> None:
        """Begin with what the journal of an earlier run holds, or with nothing."""
        try:
            with _told("the last run cannot be removed", self.path):
                if old is None:
                    self._clear()
                for path in list(self.path.rglob(f"{_TEMPORARY}*")):
                    _remove(path)
            self._journal = old or Journal.create(self.path / JOURNAL, key)
            self.withdraw()
        except RunWriteError as error:
            self._journal = None
            raise RunFolderError(str(error), problems=error.problems) from error

    def _old_journal(self, *, resume: bool, replace: bool) -> Journal | None:
        """The journal to go on with; None when there is none, or when what is there is to be removed."""
        if not resume:
            return None
        old = Journal.read(self.path / JOURNAL)
        if old is None and not replace and not _is_unused(self.path, self._names()):
            raise self._in_the_way("the run in the output folder has no readable journal", JOURNAL)
        return old

    def _in_the_way(self, message: str, found: str) -> RunFolderError:
        fix = f"{self._way_on}, or replace that run with --no-resume"
        return RunFolderError(message, where=str(self.path), found=found, fix=fix)

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.path.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.path).as_posix(), path

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []

    def _refuse_foreign_files(self) -> None:
        """Refuse a folder that is in use and not known to be a run's.

        Raises:
            RunFolderError: It holds files, and neither a run's journal nor a manifest that fits its run.json knows them.
        """
        names = self._names()
        if _is_unused(self.path, names):
            return
        journal = Journal.read(self.path / JOURNAL)
        known = _manifested(self.path) | (set(journal.rendered()) if journal else set())
        if journal or known:
            known |= _OWN
        known.add(LOCK)
        foreign = [name for name in names if name not in known and not (journal and name.startswith(_TEMPORARY))]
        if foreign:
            raise RunFolderError(
                "the output folder holds files that are not known to be a run's",
                where=str(self.path),
                found=", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else ""),
                fix=self._way_on,
            )

    def _clear(self) -> None:
        """Remove a run; the lock and the logs of the workers that are already at work stay."""
        for name in self._names():
            if name not in (LOCK, LOGS):
                _remove(self.path / name)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file through a temporary one in the same folder, both synced to disk, readable by this user only.

    Raises:
        RunWriteError: The disk is full, or the folder cannot be written.
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
        message = f"{path.name} cannot be written ({len(content):,} bytes)"
        raise _failure(RunWriteError, message, path.parent, error) from error


def arrays_are_whole(document: Any, folder: Path) -> bool:
    """Whether every stored array in a record, as JSON types, is in the folder byte for byte."""
    if isinstance(document, Mapping):
        if document.keys() >= {"path", "dtype", "sha256"}:
            try:
                return digest_of_file(folder / str(document["path"])) == str(document["sha256"])
            except OSError:
                return False
        return all(arrays_are_whole(item, folder) for item in document.values())
    if isinstance(document, list):
        return all(arrays_are_whole(item, folder) for item in document)
    return True


def is_report_name(name: str) -> bool:
    """Whether a renderer may call a file so: a plain name that is none of the run's own, in whatever case, and that
    means a file on every system.
    """
    plain = re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_-])?", name) is not None
    return plain and name.casefold() not in _OWN and not _DEVICES.fullmatch(name.partition(".")[0])


def report_files(folder: Path) -> list[Path]:
    """The reports of the run in a folder: what its journal says was rendered from its record, and is there."""
    journal = Journal.read(folder / JOURNAL)
    return [file for name in (journal.rendered() if journal else ()) if (file := folder / name).is_file()]


def file_part(text: str) -> str:
    """A name as part of a file name: itself where that is safe, else what is safe of it and a hash."""
    safe = re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip(".-")[:48]
    if text and safe == text:
        return text
    return f"{safe or 'x'}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


_TEMPORARY = ".writing-"
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)
_LOG_FILES = "worker-*.log"


def _is_unused(folder: Path, names: list[str]) -> bool:
    """Whether a folder is empty but for what an audit leaves that was killed before it began: a lock, workers' logs."""
    if not set(names) <= {LOCK, LOGS} or (LOGS in names and LOCK not in names):
        return False
    logs = folder / LOGS
    return LOGS not in names or set(logs.iterdir()) == set(logs.glob(_LOG_FILES))


def _manifested(folder: Path) -> set[str]:
    """Names in a folder that a manifest knows whose digest of run.json is that of the file; empty without one.

    A report counts when its own digest fits as well.
    """
    files = read_manifest(folder)
    try:
        if files.get(RECORD) != digest_of_file(folder / RECORD):
            return set()
        return {
            name for name in files if "/" not in name and (name in _OWN or digest_of_file(folder / name) == files[name])
        }
    except OSError:
        return set()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextlib.contextmanager
def _told(message: str, folder: Path, kind: type[HostError] = RunFolderError) -> Iterator[None]:
    """Turn an error of the operating system into one of ours."""
    try:
        yield
    except OSError as error:
        raise _failure(kind, message, folder, error) from error


def _failure(kind: type[HostError], message: str, folder: Path, error: OSError) -> HostError:
    fix = _GO_ON if kind is RunWriteError else _ANOTHER
    return kind(message, where=str(folder), found=str(error.strerror or error), fix=fix)
