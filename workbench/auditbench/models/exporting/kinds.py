"""Which exports there are, and what is said of one that was made. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from auditbench.models.formats import EXPORTS

ExportKind: TypeAlias = Literal["onnx", "pt2", "safetensors"]

KINDS: Mapping[ExportKind, str] = {"onnx": "onnx", "pt2": "exported", "safetensors": "bundle"}
"""`model.format` of each export, by what `--to` calls it."""

FILES: Mapping[ExportKind, str] = {kind: EXPORTS.get(form, "model.safetensors") for kind, form in KINDS.items()}
"""The file that holds the network, by kind of export."""

TOLERANCE = 1e-5
"""Largest scaled difference that an export may have when nothing else is asked for: a hundred roundings of float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far the outputs of two networks lie apart on the same rows.

    Attributes:
        largest: Largest absolute difference of an output, in the declared scale.
        scaled: The same divided by the largest absolute output of the first network, where that is above 1.
    """

    rows: int
    largest: float
    scaled: float


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
