"""From text of the view model to markup: names apart in `<bdi>`, everything escaped."""

from __future__ import annotations

import base64
from typing import Any

from markupsafe import Markup, escape

from auditbench_html.view.text import Text


def to_markup(value: Any) -> Any:
    """Text as markup, with each name isolated from the direction of the words around it; other values unchanged.

    What stands between backticks in words is code; one without a partner stays as it is.
    """
    if not isinstance(value, Text):
        return value
    marks = sum(run.text.count("`") for run in value.runs if run.kind == "words")
    tags = [Markup("<code>"), Markup("</code>")] * (marks // 2)
    parts: list[str] = []
    for run in value.runs:
        if run.kind == "name":
            parts.append(Markup("<bdi>{}</bdi>").format(run.text))
            continue
        first, *others = run.text.split("`")
        parts.append(escape(first))
        for other in others:
            parts += [tags.pop(0) if tags else "`", escape(other)]
    return Markup("").join(parts)


def plain(value: Any) -> str:
    """Text without markup, for attributes."""
    if not isinstance(value, Text):
        return str(value)
    return "".join(run.text if run.kind == "name" else run.text.replace("`", "") for run in value.runs)


def data_uri(file: bytes) -> str:
    """A PNG file as the address of an image."""
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def number(value: float) -> str:
    """A number as written into `data-v`: whole numbers in full, others to seven significant digits."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.7g}"
