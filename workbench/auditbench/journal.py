"""The journal of a run: one record a line, each with its length and sha256, appended and synced.

Reading changes nothing and stops at the first line that does not check; what follows it, such as the part of a line that
a kill left, is cut off before the next record is written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditbench.errors import RunFolderError, RunWriteError


class Journal:
    """What finished in a run, on disk and in memory."""

    def __init__(self, path: Path, records: list[dict[str, Any]], size: int) -> None:
        self._path = path
        self._records = records
        self._size = size

    @classmethod
    def create(cls, path: Path, key: Mapping[str, str]) -> Journal:
        """Start the journal of a run with this key; a file that is there is replaced."""
        journal = cls(path, [], 0)
        journal._append({"kind": "run", "key": dict(key)})
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """The journal at this path; None when there is none, or none that begins with a key.

        Raises:
            RunFolderError: There is one, and it cannot be read.
        """
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RunFolderError(
                "the journal cannot be read",
                where=str(path),
                found=str(error.strerror),
                fix="choose another folder, or make the file readable",
            ) from error
        records: list[dict[str, Any]] = []
        size = 0
        for line in content.splitlines(keepends=True):
            record = _parse(line)
            if record is None:
                break
            records.append(record)
            size += len(line)
        if not records or records[0].get("kind") != "run":
            return None
        return cls(path, records, size)

    @property
    def key(self) -> dict[str, str]:
        """The key of the run."""
        return dict(self._records[0]["key"])

    def add_result(
        self, analyzer: str, key: str, result: Mapping[str, Any], seconds: float, *, host: str | None = None
    ) -> None:
        """Record the finished result of an analyzer.

        Args:
            key: Under which parameters and version it was made.
            host: Digest of the machine that measured it; None when it is the same on every machine.
        """
        self._append(
            {"kind": "result", "analyzer": analyzer, "key": key, "host": host, "result": result, "seconds": seconds}
        )

    def add_chunk(self, analyzer: str, key: str, chunk: Mapping[str, Any]) -> None:
        """Record a finished chunk: its `step`, number `chunk`, `file` and `sha256`."""
        self._append({"kind": "chunk", "analyzer": analyzer, "key": key, **chunk})

    def add_batch(self, analyzer: str, key: str, use: Mapping[str, Any]) -> None:
        """Record in which batches an analyzer had the model evaluated: `rows`, `began_with` and `halvings`."""
        self._append({"kind": "batch", "analyzer": analyzer, "key": key, "use": dict(use)})

    def add_logged(self, analyzer: str, key: str, warnings: Sequence[Mapping[str, Any]]) -> None:
        """Record what the run says of what an analyzer logged, or used that goes away; nothing is written for nothing."""
        if warnings or self.logged(analyzer, key):
            self._append({"kind": "logged", "analyzer": analyzer, "key": key, "warnings": list(warnings)})

    def add_rendered(self, file: str, renderer: str) -> None:
        """Record that a renderer is about to write a file of the run."""
        if self.rendered().get(file) != renderer:
            self._append({"kind": "rendered", "file": file, "renderer": renderer})

    def add_withdrawn(self) -> None:
        """Record that every file of a renderer was removed."""
        if self.rendered():
            self._append({"kind": "withdrawn"})

    def result(self, analyzer: str, key: str, *, host: str) -> tuple[dict[str, Any], float] | None:
        """The last finished result of an analyzer under this key and the seconds it took, or None.

        Args:
            host: Digest of this machine; what another one measured is not given.
        """
        for record in reversed(self._of("result")):
            if (record["analyzer"], record["key"]) == (analyzer, key) and record.get("host") in (None, host):
                return dict(record["result"]), float(record["seconds"])
        return None

    def chunks(self, analyzer: str, key: str) -> list[dict[str, Any]]:
        """The finished chunks of an analyzer under this key."""
        return [record for record in self._of("chunk") if record["analyzer"] == analyzer and record["key"] == key]

    def batch(self, analyzer: str, key: str) -> dict[str, Any] | None:
        """The last batches of an analyzer under this key, as `add_batch` recorded them."""
        found = [r["use"] for r in self._of("batch") if r["analyzer"] == analyzer and r["key"] == key]
        return dict(found[-1]) if found else None

    def logged(self, analyzer: str, key: str) -> list[dict[str, Any]]:
        """What the run last said of an analyzer under this key, as `add_logged` recorded it."""
        found = [r["warnings"] for r in self._of("logged") if r["analyzer"] == analyzer and r["key"] == key]
        return list(found[-1]) if found else []

    def chunk_files(self, analyzer: str) -> list[str]:
        """Files of all chunks of an analyzer, under whatever key."""
        return [str(record["file"]) for record in self._of("chunk") if record["analyzer"] == analyzer]

    def rendered(self) -> dict[str, str]:
        """The renderer of each file that renderers wrote and that was not withdrawn, in the order of writing."""
        files: dict[str, str] = {}
        for record in self._records:
            if record.get("kind") == "rendered":
                files[str(record["file"])] = str(record.get("renderer", ""))
            elif record.get("kind") == "withdrawn":
                files = {}
        return files

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self._records if record.get("kind") == kind]

    def _append(self, record: dict[str, Any]) -> None:
        body = json.dumps(record, allow_nan=False, separators=(",", ":")).encode()
        line = b"%d %s %s\n" % (len(body), hashlib.sha256(body).hexdigest().encode(), body)
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if os.fstat(handle).st_size > self._size:
                    os.ftruncate(handle, self._size)
                if os.write(handle, line) != len(line):
                    raise OSError("only a part of the record was written")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise RunWriteError(
                "the journal cannot be written",
                where=str(self._path),
                found=error.strerror or str(error),
                fix="make room, then give the same command again to go on",
            ) from error
        self._records.append(record)
        self._size += len(line)


def _parse(line: bytes) -> dict[str, Any] | None:
    length, _, rest = line.rstrip(b"\n").partition(b" ")
    digest, _, body = rest.partition(b" ")
    if not line.endswith(b"\n") or not length.isdigit() or int(length) != len(body):
        return None
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
