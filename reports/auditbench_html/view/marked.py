"""Inputs as data: pictures, texts and series, with contributions marked on them where there are any."""

from __future__ import annotations

from dataclasses import dataclass

from auditbench_html.view.text import EMPTY, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture encoded as PNG, with the words for those who do not see it.

    Attributes:
        factor: How many pixels each way became one, so that the file is small.
        coarse: Whether its pixels are few enough to be shown as squares.
    """

    label: Text
    alt: Text
    png: bytes
    width: int
    height: int
    factor: int = 1
    coarse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """An image, the map of what its pixels contribute, and both in one; or the map alone."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of text and its depth: 3 raises the output most, -3 lowers it most, 0 hardly changes it."""

    text: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedText:
    """One text with the words that raise or lower the output marked."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """One channel of a series as a small line; points are places from the upper left, None where there is no value."""

    label: Text
    alt: Text
    points: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a line, from and to places of its width, and its depth as that of a `Token`."""

    start: int
    stop: int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedLine:
    """One channel of a series with the parts that raise or lower the output marked."""

    line: Sparkline
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedSeries:
    """One series, channel by channel."""

    lines: tuple[MarkedLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """An input of a case that is no table: its size in words, and at most one of a picture, a text and lines."""

    facts: Text
    picture: Picture | None = None
    text: Text = EMPTY
    lines: tuple[Sparkline, ...] = ()


def depth_of(part: float) -> int:
    """Depth of a contribution, by its share of the largest one, from -1 to 1."""
    size = abs(part)
    depth = 3 if size >= 0.66 else 2 if size >= 0.33 else 1 if size >= 0.1 else 0
    return depth if part > 0 else -depth
