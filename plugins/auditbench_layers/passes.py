"""One pass of the rows through a network: what its layers did, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditbench.errors import AnalyzerNotPossible
from auditbench.models.layer_outputs import counted_places, noted_outputs
from auditbench.models.layers import Layer
from auditbench_layers.activity import row_activity

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

CHUNK_ROWS = 64
ENCODED_AT_ONCE = 256
"""Rows, where what is encoded of them is not kept."""


def activity_of_rows(
    context: AuditContext, model: ModelUnderTest, layers: Sequence[Layer], rows: Rows, *, step: str
) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """What `row_activity` gives of each layer, by name of the layer, for all rows.

    Args:
        step: Names the work; unique within the analyzer.

    Raises:
        AnalyzerNotPossible: A layer gives numbers that are missing or infinite, of which nothing can be measured.
    """
    work = partial(_chunk, model=model, layers=layers)
    arrays = context.map_rows(work, rows, step=step, chunk_rows=CHUNK_ROWS)
    found: dict[str, dict[str, npt.NDArray[Any]]] = {layer.name: {} for layer in layers}
    for key, array in arrays.items():
        place, _, name = key.partition(".")
        found[layers[int(place)].name][name] = array
    broken = [name for name, each in found.items() if not np.isfinite(each["squares"]).all()]
    if broken:
        raise AnalyzerNotPossible(
            "layers give numbers that are missing or infinite",
            where="analyzers.layers.layers",
            found=", ".join(broken),
            allowed="layers that give finite numbers for every row",
            fix="name other layers, or find out where the numbers of this network overflow",
        )
    return found


def encoded_parts(model: ModelUnderTest, rows: Rows) -> Iterator[torch.Tensor]:
    """The encoded rows, some at a time."""
    for start in range(0, len(rows), ENCODED_AT_ONCE):
        some = slice(start, start + ENCODED_AT_ONCE)
        yield model.encode({name: array[some] for name, array in rows.inputs.items()})


def last_places(counted: torch.Tensor) -> torch.Tensor:
    """The last of the places that count, where a text is read on; of the shape of `counted`."""
    behind = counted.flip(1).cumsum(dim=1).flip(1)
    return counted & (behind == 1)


def _chunk(
    rows: Rows, _rng: np.random.Generator, *, model: ModelUnderTest, layers: Sequence[Layer]
) -> Mapping[str, npt.NDArray[Any]]:
    encoded, named = model.encode(rows.inputs), {layer.name: layer for layer in layers}

    def work(part: slice) -> _Arrays:
        def note(name: str, output: torch.Tensor) -> Any:
            layer = named[name]
            counted = counted_places(model, encoded[part], output, layer.unit_axis)
            read = None if counted is None or model.facts.task != "next-token" else last_places(counted)
            return row_activity(output, layer.unit_axis, counted, layer.kind, read)

        with torch.no_grad(), noted_outputs(model.module, list(named), note) as held:
            model.module(encoded[part])
        return _Arrays(
            {f"{place}.{key}": array for place, name in enumerate(named) for key, array in held[name].items()}
        )

    parts = model.in_batches(work, len(rows))
    return {key: np.concatenate([part.arrays[key] for part in parts]) for key in parts[0].arrays}


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Arrays of the same rows, which are cut together."""

    arrays: dict[str, npt.NDArray[Any]]

    def __getitem__(self, part: slice) -> _Arrays:
        return _Arrays({name: array[part] for name, array in self.arrays.items()})
