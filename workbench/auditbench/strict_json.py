"""JSON as its standard has it: each name of an object once, and no number that is none."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any


def parse_strictly(content: str | bytes, *, most_containers: int) -> Any:
    """The value that a text means.

    Args:
        most_containers: Most lists and objects; an empty list of two bytes takes 64 of memory.

    Raises:
        ValueError: It is no JSON, has too many lists and objects, has a name twice in an object, or a number that is not
            finite.
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    if (containers := text.count("[") + text.count("{")) > most_containers:
        raise ValueError(f"it has {containers:,} lists and objects, more than {most_containers:,}")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"an object has the name {twice[:80]!r} twice")
    return found


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:80]} is too large for a number")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
