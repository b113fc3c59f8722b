"""From text of the view model to markup: names apart in `<bdi>`, everything escaped."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape

from auditbench_html.view.text import Text


def to_markup(value: Any) -> Any:
    """Text as markup, with each name isolated from the direction of the words around it; other values unchanged."""
    if not isinstance(value, Text):
        return value
    parts = (Markup("<bdi>{}</bdi>").format(run.text) if run.kind == "name" else escape(run.text) for run in value.runs)
    return Markup("").join(parts)


def plain(value: Any) -> str:
    """Text without markup, for attributes."""
    return str(value)


def number(value: float) -> str:
    """A number as written into `data-v`: the shortest text that reads back as the same number."""
    return repr(float(value))
