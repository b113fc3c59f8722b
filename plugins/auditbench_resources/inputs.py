"""What one row is: its size in words, and the row for which multiply-accumulates are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.inputs import PADDING, UNKNOWN, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.findings import Message
from auditbench.results import Note
from auditbench_resources.measures import message

if TYPE_CHECKING:
    from auditbench.data.evaluation import Inputs


def longest_row(row: Inputs, inputs: Mapping[str, ModelInput]) -> Inputs:
    """The row with each text as long as the model takes texts: a network may leave out what is padding."""
    return {
        name: np.where(array == PADDING, UNKNOWN, array) if isinstance(inputs.get(name), TextInput) else array
        for name, array in row.items()
    }


def input_notes(inputs: Mapping[str, ModelInput]) -> tuple[Note, ...]:
    """The size of each input, and what a call leaves out that is done before it."""
    notes = [Note(kind="method", text=_size(name, item, alone=len(inputs) == 1)) for name, item in inputs.items()]
    if any(not isinstance(item, TableInput) for item in inputs.values()):
        notes.append(Note(kind="method", text=message("note.before_call")))
    return tuple(notes)


def _size(name: str, item: ModelInput, *, alone: bool) -> Message:
    """One sentence; it names the input where there are several."""
    suffix, named = ("", {}) if alone else ("_named", {"input": name})
    if isinstance(item, TableInput):
        columns = item.shape[0]
        return message(f"note.table{suffix}", n=len(item.features), columns=columns, **named)
    if isinstance(item, ImageInput):
        size = {"n": item.channels, "height": item.height, "width": item.width}
        return message(f"note.image{suffix}", **size, **named)
    if isinstance(item, SeriesInput):
        return message(f"note.series{suffix}", n=len(item.channels), steps=item.steps, **named)
    return message(f"note.text{suffix}", n=item.length, tokens=item.tokens, **named)
