"""A block of a kind that its plugin defines: data for a renderer that knows the kind, and a table for every other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditbench.errors import ResultError
from auditbench.results.figures import Table

MOST_VALUES = 100_000
MOST_DEPTH = 20
MOST_INTEGER = 2**53
"""Beyond it, some readers of JSON round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomBlock:
    """Data of a kind of its own, with a table that says the same to whoever does not know the kind.

    Every renderer treats `table` as one of the analyzer's own tables. One that knows `kind` may draw `data` beside it or
    in its place.

    Attributes:
        name: Differs from that of the analyzer's other custom blocks.
        kind: The plugin's name, a dot and more, such as `overconfidence.flow`.
        data: JSON: texts, finite numbers, truth values, None, and lists and mappings of them, at most `MOST_DEPTH` deep
            and of `MOST_VALUES` values; a copy is kept. It is written as it is, like the cells of a table: whether inputs
            may stand in it is for the analyzer to ask of `AuditContext.raw_inputs`.

    Raises:
        ResultError: `data` holds something else.
    """

    name: str
    kind: str
    data: Mapping[str, Any]
    table: Table

    def __post_init__(self) -> None:
        if not isinstance(self.data, Mapping):
            raise ResultError("expected a mapping as `data`", where=self.name, found=type(self.data).__name__)
        _check(self.data, self.name)
        object.__setattr__(self, "data", _copied(self.data))

    @property
    def repeatable(self) -> bool:
        """Whether no value came from a clock or a meter: what its table says."""
        return self.table.repeatable


def _check(data: Mapping[str, Any], where: str) -> None:
    """Refuse what is no JSON, is nested too deep or holds too much; what holds itself has no end and is that."""
    seen, waiting = 0, [(data, 1)]
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        inner: list[Any] = []
        if isinstance(value, Mapping):
            inner = list(value.values())
        elif isinstance(value, (list, tuple)):
            inner = list(value)
        if fault := _fault(value) or (f"more than {MOST_DEPTH} levels" if inner and depth > MOST_DEPTH else ""):
            raise ResultError("expected plain JSON as `data`", where=where, found=fault)
        waiting += [(item, depth + 1) for item in inner]
        if seen + len(waiting) > MOST_VALUES:
            raise ResultError(f"expected at most {MOST_VALUES:,} values in `data`", where=where, found="more than that")


def _fault(value: Any) -> str:
    """What keeps one value, without those inside, from being JSON that every reader reads alike; empty for nothing."""
    if isinstance(value, Mapping):
        return next((f"a key of type {type(key).__name__}" for key in value if not isinstance(key, str)), "")
    if value is None or isinstance(value, (str, bool, list, tuple)):
        return ""
    if isinstance(value, int):
        return "" if abs(value) <= MOST_INTEGER else "an integer beyond 2**53"
    if isinstance(value, float):
        return "" if math.isfinite(value) else str(float(value))
    return f"a value of type {type(value).__name__}"


def _copied(value: Any) -> Any:
    """Mappings as dict and sequences as list, as they are when a record is read."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(item) for item in value]
    return value
