"""How much one input tells of the group: Cramér's V of the table of groups by values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_BANDS = 10
"""Bands that the values of a number are put into, by their quantiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """Cramér's V without its bias, in [0, 1]: 0 tells nothing, 1 tells the group.

    Attributes:
        value: None where the group or the input has one value alone.
        low: None where undefined, or where rows depend on each other.
        levels: Values, or bands of a number, missing ones among them.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    levels: int


def cramers_v(counts: npt.NDArray[np.int64], *, independent: bool = True, level: float = 0.95) -> Association:
    """Cramér's V of a table of counts, shape `(groups, levels)`, with an interval that inverts the noncentral chi-square.

    Phi squared is less by what it is on average without association, and the numbers of rows and columns as Bergsma has
    them. The bounds are those noncentralities whose chi-square would be at most, or at least, as large with a probability of
    half of 1 - `level`.

    Args:
        independent: False where rows depend on each other: then there are no bounds.

    Source: Bergsma (2013), J. Korean Statistical Society 42:323; Smithson (2003), Confidence Intervals, section 4.2.
    """
    table = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(np.float64)
    n, (rows, columns) = int(table.sum()), table.shape
    if min(rows, columns) < 2:
        return Association(value=None, low=None, high=None, n=n, levels=columns)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    statistic = float(np.sum((table - expected) ** 2 / expected))
    freedom = (rows - 1) * (columns - 1)
    most = min(side - (side - 1) ** 2 / (n - 1) - 1 for side in (rows, columns))
    if most <= 0:
        return Association(value=None, low=None, high=None, n=n, levels=columns)

    def as_v(noncentrality: float) -> float:
        return min(1.0, math.sqrt(max(0.0, noncentrality) / n / most))

    value = as_v(statistic - n * freedom / (n - 1))
    if not independent:
        return Association(value=value, low=None, high=None, n=n, levels=columns)
    tail = (1 - level) / 2
    low, high = (as_v(_noncentrality(statistic, freedom, probability)) for probability in (1 - tail, tail))
    return Association(value=value, low=min(low, value), high=max(high, value), n=n, levels=columns)


def banded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Numbers as bands between their deciles, from 0; missing ones last, shape `(rows,)`."""
    present = values[~np.isnan(values)]
    bounds = np.unique(np.quantile(present, np.linspace(0, 1, MOST_BANDS + 1)[1:-1])) if len(present) else np.empty(0)
    bands = np.searchsorted(bounds, values, side="left")
    return np.where(np.isnan(values), len(bounds) + 1, bands).astype(np.int64)


def counted(groups: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows by group and value, shape `(groups, values)`."""
    height, width = int(groups.max(initial=0)) + 1, int(values.max(initial=0)) + 1
    return np.bincount(groups * width + values, minlength=height * width).reshape(height, width).astype(np.int64)


def _noncentrality(statistic: float, freedom: int, probability: float) -> float:
    """The noncentrality at which a chi-square is at most `statistic` with this probability; 0 where that is never so likely."""
    if special.chdtr(freedom, statistic) <= probability:
        return 0.0
    return float(special.chndtrinc(statistic, freedom, probability))
