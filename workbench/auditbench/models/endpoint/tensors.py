"""Rows as the tensors of a request, and rows that are made up to look at what a server gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditbench.data.inputs import ImageInput, TableInput, TextInput
from auditbench.models.endpoint.matching import WHOLE_NUMBERS, Slot

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.inputs import ModelInput


def tensors_of(slots: tuple[Slot, ...], given: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
    """The tensors of a request, their data in one flat list.

    Args:
        given: Rows by name of the input: encoded, or raw where slots are of features.
    """
    found = []
    for slot in slots:
        rows = given[slot.source].detach().cpu()
        if slot.column is None:
            shape, values = [*rows.shape], rows.flatten().tolist()
        else:
            shape = [len(rows)] if len(slot.port.shape) == 1 else [len(rows), 1]
            values = _column(slot, rows[:, slot.column].numpy())
        found.append({"name": slot.port.name, "shape": shape, "datatype": slot.port.datatype, "data": values})
    return found


def made_up_rows(inputs: Mapping[str, ModelInput], rows: int) -> dict[str, torch.Tensor]:
    """Raw rows that any model of these inputs takes, the same each time: known categories, numbers from the median up."""
    rng = np.random.default_rng(0)
    return {name: torch.from_numpy(_made_up(item, rows, rng)) for name, item in inputs.items()}


def _column(slot: Slot, values: npt.NDArray[Any]) -> list[Any]:
    if slot.feature is not None and slot.feature.kind == "category":
        texts = [*slot.feature.categories, ""]
        codes = np.rint(values)
        known = (codes >= 0) & (codes < len(texts))
        return [texts[int(code)] for code in np.where(known, codes, len(texts) - 1)]
    if slot.port.datatype in WHOLE_NUMBERS:
        most = 2 ** (int(slot.port.datatype[3:]) - 1)
        return [min(int(value), most - 1) for value in np.clip(np.rint(values), -most, most).tolist()]
    return list(values.tolist())


def _made_up(item: ModelInput, rows: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    if isinstance(item, TableInput):
        columns = [
            rng.integers(max(1, len(feature.categories)), size=rows)
            if feature.kind == "category"
            else np.rint(feature.fill + (abs(feature.fill) + 1) * rng.random(size=rows))
            for feature in item.features
        ]
        return np.stack(columns, axis=1).astype(np.float64)
    if isinstance(item, ImageInput):
        drawn = rng.integers(256, size=(rows, *item.shape))
        return drawn.astype(np.uint8) if item.largest == 255 else (drawn / 255 * item.largest).astype(np.float32)
    if isinstance(item, TextInput):
        return rng.integers(1, item.tokens, size=(rows, item.length))
    scale, mean = (np.asarray(part)[:, None] for part in (item.scale, item.mean))
    series: npt.NDArray[Any] = rng.normal(size=(rows, *item.shape)) * scale + mean
    return series
