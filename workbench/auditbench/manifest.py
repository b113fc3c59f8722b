"""The manifest of a finished run: the sha256 of every file, and whether the files are still those that were written.

It shows damage and careless edits. Whoever edits the manifest as well is not found out.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from auditbench.errors import RecordError

RECORD, MANIFEST, ARRAYS = "run.json", "manifest.json", "arrays"
_LISTED = 5


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """The content of a manifest.

    Args:
        digests: sha256 of each file, by its path in the folder.
    """
    return (json.dumps({"schema": 1, "files": dict(sorted(digests.items()))}, indent=1) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, str]:
    """Digest of each file by its path in the folder; empty when there is no readable manifest."""
    try:
        files = dict(json.loads((folder / MANIFEST).read_bytes())["files"])
        return {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def digest_of_file(path: Path) -> str:
    """The sha256 of a file's content.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    if not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_altered(folder: Path, *, status: str, reports: Iterable[Path] = ()) -> None:
    """Refuse a run whose record, arrays or reports are not those that its manifest lists.

    Args:
        status: Of the record. One that is not `complete` was written without a manifest and may have none.
        reports: Files that are shown as reports of this run.

    Raises:
        RecordError: Naming the files that differ or are gone.
    """
    digests = read_manifest(folder)
    if not digests and status != "complete":
        return
    if RECORD not in digests:
        raise RecordError(
            "the record cannot be checked against the manifest of its run",
            where=str(folder),
            found=f"no readable {MANIFEST}" if not digests else f"a {MANIFEST} without {RECORD}",
            fix="name the whole folder that the audit wrote, or run the audit again",
        )
    arrays = [name for name in digests if name.startswith(f"{ARRAYS}/")]
    shown = [file.relative_to(folder).as_posix() for file in reports]
    altered = [name for name in [RECORD, *sorted(arrays), *shown] if not _is_whole(folder / name, digests.get(name))]
    if altered:
        raise RecordError(
            f"these files are not those that the audit wrote, by {MANIFEST}",
            where=str(folder),
            found=", ".join(altered[:_LISTED]) + (", …" if len(altered) > _LISTED else ""),
            fix="run the audit again; where only a report differs, `auditbench render` writes it from the record",
        )


def _is_whole(path: Path, digest: str | None) -> bool:
    try:
        return digest_of_file(path) == digest
    except OSError:
        return False
