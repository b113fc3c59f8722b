"""One table of a run, as a workbook or a file of comma-separated values holds it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

Value: TypeAlias = int | float | str | None
FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What begins a formula in a spreadsheet."""
LONGEST_NAME = 31
"""Most characters of a sheet's name in a workbook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A heading and rows.

    Attributes:
        rows: Text is safe to show, numbers are those of the record, None is an undefined value.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def uniquely_named(sheets: Iterable[Sheet]) -> Iterator[Sheet]:
    """The sheets under names of ASCII letters, digits, `.`, `_` and `-`, of which no two differ in case alone."""
    taken: set[str] = set()
    for sheet in sheets:
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", sheet.name).strip("-.")
        if not slug or slug != sheet.name or len(slug) > LONGEST_NAME or slug.lower() in taken:
            slug = _hashed(slug, f"{sheet.name} {len(taken)}")
        taken.add(slug.lower())
        yield replace(sheet, name=slug)


def _hashed(slug: str, name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
    return f"{slug[: LONGEST_NAME - 7]}-{digest}".lstrip("-")
