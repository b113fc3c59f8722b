"""Parts of a comment within a length: what does not fit is left out, and counted where it would have stood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A heading and lines under it; a heading of more than one line ends where the lines begin.

    Attributes:
        lines: Each a line of Markdown.
        left_out: The line that says how many lines are left out.
        closing: What follows the lines, such as the end of a fold.
    """

    heading: str
    lines: tuple[str, ...]
    left_out: Callable[[int], str]
    closing: str = ""


def size(text: str) -> int:
    """Length as sites count it, in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def fit(parts: Sequence[Part], longest: int) -> str:
    """The parts, one after the other, in `longest` code units; a part keeps its first lines.

    Every part has room for its heading and for the line that counts what is left out of it.

    Raises:
        ValueError: The headings alone are longer.
    """
    least = [_least(part) for part in parts]
    room = longest - sum(least)
    if room < 0:
        raise ValueError(f"expected room for {sum(least)} code units of headings, got {longest}")
    shown = []
    for part, reserved in zip(parts, least, strict=True):
        text = _fitted(part, room + reserved)
        room += reserved - size(text)
        shown.append(text)
    return "".join(shown)


def _least(part: Part) -> int:
    """Code units that a part needs with all of its lines left out, or all but one."""
    return size(_written(part, (max((part.left_out(n) for n in (1, len(part.lines))), key=size),)))


def _fitted(part: Part, room: int) -> str:
    whole = _written(part, part.lines)
    if size(whole) <= room:
        return whole
    kept, room = 0, room - _least(part)
    while (needed := size(part.lines[kept]) + 1) <= room:
        kept, room = kept + 1, room - needed
    return _written(part, (*part.lines[:kept], part.left_out(len(part.lines) - kept)))


def _written(part: Part, lines: tuple[str, ...]) -> str:
    return "\n".join((part.heading, *lines, *([part.closing] if part.closing else []), "", ""))
