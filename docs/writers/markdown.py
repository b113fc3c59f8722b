"""Pieces of Markdown: what the pages of the reference are put together from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "{": "&#123;", "|": "&#124;", "*": r"\*", "_": r"\_"}
_CODE = re.compile(r"(``[^`]+``|`[^`\n]+`)")


def page(title: str, *parts: str) -> str:
    """A page: its heading, and the parts that are not empty below it."""
    return "\n\n".join([f"# {title}", *(part for part in parts if part)]) + "\n"


def heading(level: int, title: str, *, anchor: str = "") -> str:
    """A heading; with an anchor of its own where links rely on it."""
    return f"{'#' * level} {title}" + (f" {{#{anchor}}}" if anchor else "")


def anchor_of(name: str) -> str:
    """The anchor of a name, such as `fairness-auc` of `fairness.auc`."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty without rows. Cells are Markdown of one line: see `prose` and `code`."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(titles), _row(["---"] * len(titles)), *lines]) if lines else ""


def fence(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def code(text: str) -> str:
    """Text in the type of code, on one line."""
    joined = " ".join(text.split())
    marks = "``" if "`" in joined else "`"
    return f"{marks}{joined}{marks}" if joined else ""


def prose(text: str) -> str:
    """A text of the product, which is no Markdown but for its code, as it stands."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part if index % 2 else _plain(part) for index, part in enumerate(parts))


def details(title: str, text: str) -> str:
    """A part that is folded until it is asked for."""
    inner = "\n".join(f"    {line}" if line else "" for line in text.splitlines())
    return f'??? quote "{title}"\n\n{inner}'


def _plain(text: str) -> str:
    for sign, shown in _SIGNS.items():
        text = text.replace(sign, shown)
    return re.sub(r"\[([^\]]*)\](?=[\[(])", r"\\[\1\\]", text)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()) for cell in cells) + " |"
