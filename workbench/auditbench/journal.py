"""The journal of a run: one record a line, each with its length and sha256, appended and synced.

Reading stops at the first line that does not check; what a kill left of a line is cut off before the next is written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditbench.errors import RunFolderError


class Journal:
    """What finished in a run, on disk and in memory."""

    def __init__(self, path: Path, records: list[dict[str, Any]]) -> None:
        self._path = path
        self._records = records

    @classmethod
    def create(cls, path: Path, key: Mapping[str, str]) -> Journal:
        """Start the journal of a run with this key."""
        journal = cls(path, [])
        journal._append({"kind": "run", "key": dict(key)})
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """The journal at this path without its torn tail; None when there is none that begins with a key."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        records: list[dict[str, Any]] = []
        kept = 0
        for line in content.splitlines(keepends=True):
            record = _parse(line)
            if record is None:
                break
            records.append(record)
            kept += len(line)
        if not records or records[0].get("kind") != "run":
            return None
        if kept < len(content):
            os.truncate(path, kept)
        return cls(path, records)

    @property
    def key(self) -> dict[str, str]:
        """The key of the run."""
        return dict(self._records[0]["key"])

    def add_result(self, analyzer: str, key: str, result: Mapping[str, Any], seconds: float) -> None:
        """Record the finished result of an analyzer; `key` says under which parameters and version."""
        self._append({"kind": "result", "analyzer": analyzer, "key": key, "result": result, "seconds": seconds})

    def add_chunk(self, analyzer: str, key: str, chunk: Mapping[str, Any]) -> None:
        """Record a finished chunk: its `step`, number `chunk`, `file` and `sha256`."""
        self._append({"kind": "chunk", "analyzer": analyzer, "key": key, **chunk})

    def add_rendered(self, file: str) -> None:
        """Record that a renderer's file belongs to the run."""
        if file not in self.rendered():
            self._append({"kind": "rendered", "file": file})

    def result(self, analyzer: str, key: str) -> tuple[dict[str, Any], float] | None:
        """The last finished result of an analyzer under this key and the seconds it took, or None."""
        for record in reversed(self._of("result")):
            if record["analyzer"] == analyzer and record["key"] == key:
                return dict(record["result"]), float(record["seconds"])
        return None

    def chunks(self, analyzer: str, key: str) -> list[dict[str, Any]]:
        """The finished chunks of an analyzer under this key."""
        return [record for record in self._of("chunk") if record["analyzer"] == analyzer and record["key"] == key]

    def chunk_files(self, analyzer: str) -> list[str]:
        """Files of all chunks of an analyzer, under whatever key."""
        return [str(record["file"]) for record in self._of("chunk") if record["analyzer"] == analyzer]

    def rendered(self) -> list[str]:
        """Files that renderers wrote."""
        return [str(record["file"]) for record in self._of("rendered")]

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self._records if record.get("kind") == kind]

    def _append(self, record: dict[str, Any]) -> None:
        body = json.dumps(record, allow_nan=False, separators=(",", ":")).encode()
        line = b"%d %s %s\n" % (len(body), hashlib.sha256(body).hexdigest().encode(), body)
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                if os.write(handle, line) != len(line):
                    raise OSError("only a part of the record was written")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise RunFolderError(
                "the journal cannot be written", where=str(self._path), found=str(error.strerror or error)
            ) from error
        self._records.append(record)


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
