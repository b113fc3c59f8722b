"""What evaluated rows lack: steps inside of series, series without a number, texts without a token."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.inputs import PADDING, ModelInput, SeriesInput, TextInput, input_facts
from auditbench.data.stored import StoredArray, stored
from auditbench.data.subwords import subwords_of
from auditbench.run import InputFacts

if TYPE_CHECKING:
    import numpy.typing as npt


def counted_inputs(inputs: Mapping[str, ModelInput], rows: Mapping[str, Any]) -> tuple[InputFacts, ...]:
    """What the record says about each input, with how many rows lack something.

    Images are never read for this: one that cannot be read is refused. Cells of tables are counted by feature.

    Args:
        rows: Raw arrays by input, as `Rows` holds them.
    """
    return tuple(_counted(facts, inputs[facts.name], rows[facts.name]) for facts in input_facts(inputs))


def _counted(facts: InputFacts, item: ModelInput, rows: Any) -> InputFacts:
    if isinstance(item, TextInput):
        around = subwords_of(item.tokenizer).around if item.unit == "subwords" else 0
        lengths = (np.count_nonzero(ids != PADDING, axis=1) for ids in _blocks(rows))
        return dataclasses.replace(facts, empty=sum(int((each <= around).sum()) for each in lengths))
    if not isinstance(item, SeriesInput):
        return facts
    incomplete = empty = 0
    for series in _blocks(rows):
        lacking, without = _lacks(series)
        incomplete, empty = incomplete + int(lacking.sum()), empty + int(without.sum())
    return dataclasses.replace(facts, incomplete=incomplete, empty=empty)


def _blocks(rows: Any) -> Iterator[npt.NDArray[Any]]:
    return (rows if isinstance(rows, StoredArray) else stored(rows)).blocks()


def _lacks(series: npt.NDArray[Any]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows lack a step or a channel, and which have no number; NaN behind the last number of a channel is its end."""
    present = ~np.isnan(series)
    numbers = present.sum(axis=2)
    ends = np.where(numbers > 0, series.shape[2] - present[:, :, ::-1].argmax(axis=2), 0)
    without = ~present.any(axis=(1, 2))
    lacking = ((numbers == 0) | (numbers < ends)).any(axis=1)
    return lacking & ~without, without
