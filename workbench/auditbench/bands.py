"""Bands of numbers as text: `under 25`, `25 to 44`, `65 and over`; how they are written, read again and put in order.

A band is written into records as plain text. Renderers read it to say it in the language of the report, and everybody
to list bands from low to high.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

BandKind: TypeAlias = Literal["under", "over", "from", "to_under", "to", "single"]

MISSING_GROUP = "missing"
"""Stands where there is no value."""

_NUMBER = r"(-?[0-9][0-9,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"
_FORMS: tuple[tuple[BandKind, re.Pattern[str]], ...] = (
    ("under", re.compile(f"under {_NUMBER}")),
    ("over", re.compile(f"over {_NUMBER}")),
    ("from", re.compile(f"{_NUMBER} and over")),
    ("to_under", re.compile(f"{_NUMBER} to under {_NUMBER}")),
    ("to", re.compile(f"{_NUMBER} to {_NUMBER}")),
    ("single", re.compile(_NUMBER)),
)
_LONGEST = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A band as it is written.

    Attributes:
        kind: `under` low, `over` low, `from` low on, low `to_under` high, low `to` high, or a `single` number.
        low: Its first number, digit by digit; `high` its last one, the same where there is one alone.
    """

    kind: BandKind
    low: str
    high: str

    @property
    def place(self) -> tuple[float, int]:
        """Where it stands among the bands of one scale; those that begin lower come first."""
        low = _value(self.low)
        before = {"under": -1, "over": 1}.get(self.kind, 0)
        return low, before


def read_band(text: str) -> Band | None:
    """The band that a text names; None where it names none."""
    if len(text) > _LONGEST:
        return None
    for kind, form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return Band(kind=kind, low=match[1], high=match[match.lastindex or 1])
    return None


def in_order(names: Collection[str]) -> list[str] | None:
    """Names of bands from low to high, `missing` last; None where one of them is no band, or all are single numbers."""
    found = {name: read_band(name) for name in names if name != MISSING_GROUP}
    bands = {name: band for name, band in found.items() if band is not None}
    if len(bands) < len(found) or all(band.kind == "single" for band in bands.values()):
        return None
    ordered = sorted(bands, key=lambda name: bands[name].place)
    return [*ordered, *(name for name in names if name == MISSING_GROUP)]


def _value(number: str) -> float:
    return float(number.replace(",", ""))
