"""Limits of differences and ratios of all pairs of groups from the limits of each group: square-and-add (MOVER).

With limits `l` to `u` of each of two values a and b, whose estimates are correlated by r, the difference a - b has the
lower limit `a - b - sqrt(A^2 + B^2 - 2 r A B)` with `A = a - l_a` and `B = u_b - b`, and the upper one alike.

Source: Zou and Donner (2008), Statistics in Medicine 27:1693 (square-and-add, ratios on the log scale); Zou (2007),
Psychological Methods 12:399 (correlated estimates).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

_BATCH_PAIRS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class Limited:
    """Values of groups between their limits.

    Attributes:
        value: Shape `(groups,)`; `low` and `high` alike.
        correlation: Of the estimates of each pair, shape `(groups, groups)`; None where groups are independent.
    """

    value: Numbers
    low: Numbers
    high: Numbers
    correlation: Numbers | None = None


def pair_differences(groups: Limited) -> tuple[float, float, float]:
    """Largest difference over all ordered pairs, its largest lower and its largest upper bound."""
    import numpy as np

    value = groups.value
    below, above = value - groups.low, groups.high - value
    least, most = -math.inf, -math.inf
    for first in _first_of_pairs(len(value)):
        gap, together = value[first, np.newaxis] - value, _rows(groups.correlation, first)
        lower = gap - added(below[first, np.newaxis], above, together)
        upper = gap + added(above[first, np.newaxis], below, together)
        least = max(least, float(_unpaired(lower, first, -math.inf).max()))
        most = max(most, float(_unpaired(upper, first, -math.inf).max()))
    return float(value.max() - value.min()), least, most


def pair_ratios(groups: Limited) -> tuple[Numbers, Numbers, Numbers]:
    """Smallest ratio of each group to another, to the highest at most 1, with its smallest lower and upper bound."""
    import numpy as np

    value, low, high = groups.value, groups.low, groups.high
    some = value > 0
    logs = np.log(np.where(some, value, 1.0))
    below, above = logs - np.log(np.where(some, low, 1.0)), np.log(np.where(some, high, 1.0)) - logs
    least, most = np.empty(len(value)), np.empty(len(value))
    for first in _first_of_pairs(len(value)):
        both, together = some[first, np.newaxis] & some, _rows(groups.correlation, first)
        ratio = logs[first, np.newaxis] - logs
        lower = np.exp(ratio - added(below[first, np.newaxis], above, together))
        upper = np.exp(ratio + added(above[first, np.newaxis], below, together))
        apart = np.divide(high[first, np.newaxis], low, out=np.full(both.shape, math.inf), where=low > 0)
        lower = np.where(both, lower, low[first, np.newaxis] / high)
        least[first] = _unpaired(lower, first, math.inf).min(axis=1)
        most[first] = _unpaired(np.where(both, upper, apart), first, math.inf).min(axis=1)
    return value / value.max(), least, most


def contrasts(own: Limited, rest: Limited, between: Numbers | None, share: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """(own - rest) x share of each group with its lower and upper limit, each of shape `(groups,)`.

    Args:
        between: Correlation of the estimate of each group with that of its rest, shape `(groups,)`; None for none.
        share: Shape `(groups,)`.
    """
    gap = own.value - rest.value
    lower = gap - added(own.value - own.low, rest.high - rest.value, between)
    upper = gap + added(own.high - own.value, rest.value - rest.low, between)
    return share * gap, share * lower, share * upper


def added(first: Numbers, second: Numbers, correlation: Numbers | None) -> Numbers:
    """The distance of a difference from its limit, from the distances of both sides."""
    import numpy as np

    if correlation is None:
        return np.hypot(first, second)
    squares = first**2 + second**2 - 2.0 * correlation * first * second
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)), dtype=np.float64)


def _first_of_pairs(groups: int) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the first group of each pair, in batches that bound the memory of many groups."""
    import numpy as np

    size = max(1, _BATCH_PAIRS // groups)
    for start in range(0, groups, size):
        yield np.arange(start, min(start + size, groups))


def _rows(correlation: Numbers | None, first: npt.NDArray[np.int64]) -> Numbers | None:
    return None if correlation is None else correlation[first]


def _unpaired(bounds: Numbers, first: npt.NDArray[np.int64], nothing: float) -> Numbers:
    """Replace the bound of each group against itself, which would be wider than nothing."""
    import numpy as np

    bounds[np.arange(len(first)), first] = nothing
    return bounds
