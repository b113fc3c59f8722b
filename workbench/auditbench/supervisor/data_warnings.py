"""What a reader has to know of the evaluated rows before any number: rows of which the model is told nothing."""

from __future__ import annotations

from auditbench.findings import Message
from auditbench.run import DataFacts

_KEYS = {"text": "core.empty_text", "series": "core.empty_series"}


def data_warnings(data: DataFacts) -> tuple[Message, ...]:
    """One warning for each input that has evaluated rows without any number, or texts without any token."""
    return tuple(
        Message(key=_KEYS[item.modality], values={"input": item.name, "n": item.empty, "rows": data.rows})
        for item in data.inputs
        if item.empty and item.modality in _KEYS
    )
