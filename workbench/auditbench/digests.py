"""Digests of plain data and of code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_COMPILED = (".pyc", ".pyo")


def digest_of(document: Mapping[str, Any] | Sequence[Any]) -> str:
    """sha256 of JSON types, independent of the order of keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_of_files(files: Mapping[str, Path]) -> str:
    """sha256 over the names and contents of files; empty when there are none."""
    if not files:
        return ""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = path.read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def package_files(module: ModuleType) -> dict[str, Path]:
    """The files of an imported package, by name within it, without what Python compiles; of a module, its own file."""
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    if not folders and getattr(module, "__file__", None):
        path = Path(str(module.__file__))
        return {path.name: path} if path.is_file() else {}
    return {
        path.relative_to(folder).as_posix(): path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in _COMPILED
    }
