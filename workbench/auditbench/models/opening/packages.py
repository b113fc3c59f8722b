"""Packages that a format needs beside torch, looked up without importing them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec

from auditbench.errors import MissingDependencyError

OPENING: Mapping[str, tuple[tuple[str, ...], str]] = {
    "onnx": (("onnx", "onnxruntime"), "onnx"),
    "keras": (("keras", "h5py"), "keras"),
    "huggingface": (("transformers", "tokenizers"), "text"),
    "endpoint": (("urllib3",), "endpoint"),
}
"""Packages that opening a model needs, and the extra that brings them, by `model.format`."""

EXPORTING = ("onnx", "onnxruntime", "onnxscript")
"""Packages of the extra `onnx` that an export needs."""


def require_for(form: str, *, where: str) -> None:
    """Refuse a format whose packages are not all there.

    Raises:
        MissingDependencyError: One is not installed; names the extra that brings it.
    """
    packages, extra = OPENING.get(form, ((), ""))
    require(packages, extra=extra, where=where)


def require(packages: Collection[str], *, extra: str, where: str) -> None:
    """Refuse to go on without these packages.

    Raises:
        MissingDependencyError: One is not installed; names the extra that brings it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingDependencyError(package, extra=extra, where=where)
