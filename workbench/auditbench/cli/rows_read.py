"""What `check` read of the data: rows, classes, and what each input is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditbench.config import ModelTable
    from auditbench.descriptions import NumberRange
    from auditbench.run import DataFacts, FeatureFacts, InputFacts

_NAMED_CLASSES = 6
_NAMED_FEATURES = 50


def read_document(read: DataFacts) -> dict[str, Any]:
    """Rows, classes with their evaluated rows, and inputs, as JSON holds them."""
    return {
        "rows": read.rows,
        "train_rows": read.train_rows,
        "dropped": dict(read.dropped),
        "classes": dict(read.outcomes),
        "inputs": [
            {
                "name": item.name,
                "modality": item.modality,
                "shape": list(item.shape),
                "unit": item.unit or None,
                "incomplete": item.incomplete,
                "empty": item.empty,
            }
            for item in read.inputs
        ],
    }


def read_lines(read: DataFacts, *, texts: bool, encoded: bool, stored: bool = False) -> list[str]:
    """One line for rows, one for classes where there are some, one for each input.

    Args:
        texts: Whether a row is cut from texts, as those of a language model are.
        encoded: Whether a model that was made elsewhere gets encoded columns, so that their order has to be known.
        stored: Whether outputs stand for a model, which takes nothing.
    """
    from auditbench.safe_text import safe_text

    evaluated, trained = ("windows", "texts") if texts else ("rows", "rows")
    lines = [f"{read.rows:,} {evaluated} to evaluate, {read.train_rows:,} {trained} to train on or to compare with"]
    if read.outcomes:
        named = [f"{safe_text(name)} ({count:,})" for name, count in read.outcomes.items()][:_NAMED_CLASSES]
        more = f" and {len(read.outcomes) - len(named):,} more" if len(read.outcomes) > len(named) else ""
        lines.append(f"{len(read.outcomes):,} classes, with their rows to evaluate: {', '.join(named)}{more}")
    for item in read.inputs:
        extent = _extent(item, len(read.features))
        beside = stored and item.modality == "tabular"
        lines.append(f"{extent} beside the outputs" if beside else f"input {safe_text(item.name)}: {extent}")
        if encoded and item.modality == "tabular":
            lines.append(f"{item.shape[0]:,} encoded columns, in this order: {_encoded(read.features)}")
    return lines


def numbers_line(table: ModelTable, example: NumberRange) -> str:
    """How the numbers of a table reach a model that was made elsewhere."""
    from auditbench.safe_text import safe_text

    how = "standardized by the training rows" if table.inputs == "standardized" else "as they are"
    low, high = (f"{end:,.0f}" if abs(end) >= 1_000 else f"{end:.4g}" for end in (example.low, example.high))
    return f"numbers {how} (model.inputs), such as {safe_text(example.feature)} from {low} to {high}"


def _encoded(features: Sequence[FeatureFacts]) -> str:
    """What each encoded column is, in order."""
    from auditbench.safe_text import safe_text

    parts = [
        safe_text(one.name)
        if one.levels is None
        else f"{safe_text(one.name)} ({one.levels:,} categories by name, then missing or unseen)"
        for one in features[:_NAMED_FEATURES]
    ]
    return ", ".join(parts) + (
        f" and {len(features) - len(parts):,} features more" if len(features) > len(parts) else ""
    )


def _extent(item: InputFacts, columns: int) -> str:
    if item.modality == "image":
        return f"images, {' x '.join(map(str, item.shape))} (channels x height x width)"
    if item.modality == "series":
        missing = f"; {item.incomplete:,} with missing steps or channels" if item.incomplete else ""
        return f"series, {' x '.join(map(str, item.shape))} (channels x steps){missing}"
    if item.modality == "text":
        return f"texts of {item.unit}" + (f", up to {item.shape[0]:,} of them" if item.shape else "")
    return f"table of {columns:,} columns"
