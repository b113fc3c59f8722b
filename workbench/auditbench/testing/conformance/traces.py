"""What something leaves changed: a value as one comparable thing, and the files of a folder."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any


def fingerprint(value: Any) -> Hashable:
    """A value as nested tuples that are equal when the values are: records, mappings, sequences and arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple((field.name, fingerprint(getattr(value, field.name))) for field in dataclasses.fields(value))
    if isinstance(value, Mapping):
        return tuple((repr(key), fingerprint(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(fingerprint, value))
    if hasattr(value, "tobytes"):
        return str(value.dtype), tuple(value.shape), value.tobytes()
    return repr(value)


def folder_state(folder: Path) -> frozenset[tuple[str, str]]:
    """Every file and folder below a folder, or the one file, by its path from there, with a digest of its content."""
    paths = [folder] if folder.is_file() else list(folder.rglob("*"))
    return frozenset(
        (str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in paths
    )
