"""JSON as its standard has it: each name of an object once, and no number that is none."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def parse_strictly(content: str | bytes) -> Any:
    """The value that a text means.

    Raises:
        ValueError: It is no JSON, an object has a name twice, or a number is not finite.
    """
    try:
        return json.loads(content, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"an object has the name {twice[:80]!r} twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
