"""Which exports there are, and what is said of one that was made. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from auditbench.models.differences import Difference
from auditbench.models.formats import EXPORTS
from auditbench.run import OutputScale

ExportKind: TypeAlias = Literal["onnx", "pt2", "safetensors"]

KINDS: Mapping[ExportKind, str] = {"onnx": "onnx", "pt2": "exported", "safetensors": "bundle"}
"""`model.format` of each export, by what `--to` calls it."""

FILES: Mapping[ExportKind, str] = {kind: EXPORTS.get(form, "model.safetensors") for kind, form in KINDS.items()}
"""The file that holds the network, by kind of export."""

MARKER = "export.json"
"""Tells the folder of an export from a bundle that was trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export that was written.

    Attributes:
        folder: Where it stands; `file` is the name of the file within that holds the network.
        sha256: Of that file.
        size: Bytes of that file.
        on_random_rows: Bundle against export, on random encoded rows.
        on_data: The same on the evaluated rows; None without data.
    """

    kind: ExportKind
    folder: str
    file: str
    sha256: str
    size: int
    on_random_rows: Difference
    on_data: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One bundle that was made of a model of another format.

    Attributes:
        output: Declared scale of the bundle; `was` that of the model.
        sha256: Of the weights file, of `size` bytes.
        digest: Of the bundle.
        on_random_rows: Model against bundle, on random rows.
        on_data: The same on the evaluated rows.
    """

    folder: str
    architecture: str
    parameters: Mapping[str, Any]
    output: OutputScale
    was: OutputScale
    sha256: str
    size: int
    digest: str
    on_random_rows: Difference
    on_data: Difference
