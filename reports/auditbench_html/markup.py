"""From text of the view model to markup: names apart in `<bdi>`, everything escaped."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from auditbench_html.view.text import Text

_BARE = re.compile(r'="([A-Za-z0-9_.#%-]+)"(?=[ >])')
_VERBATIM = re.compile(r"(<style>.*?</style>|<script>.*?</script>)", re.DOTALL)


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
    """A number as written into `data-v`: whole numbers in full, others to seven significant digits."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.7g}"


def compact(page: str) -> str:
    """The same page without the quotes that one-word attribute values do not need; style and scripts stay as they are.

    Text cannot be hit: a quotation mark in text is always written as a character reference.
    """
    parts = _VERBATIM.split(page)
    parts[::2] = [_BARE.sub(r"=\1", part) for part in parts[::2]]
    return "".join(parts)
