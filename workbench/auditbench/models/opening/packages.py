"""Packages that a format needs beside torch, looked up without importing them."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec

from auditbench.errors import MissingDependencyError

OPENING = ("onnx", "onnxruntime")
EXPORTING = (*OPENING, "onnxscript")
"""Packages of the extra `onnx`, by what they are needed for."""


def require_onnx(packages: Collection[str], *, where: str) -> None:
    """Refuse to go on without these packages.

    Raises:
        MissingDependencyError: One is not installed; names the extra that brings it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingDependencyError(package, extra="onnx", where=where)
