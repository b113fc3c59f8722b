"""Quantiles with intervals that assume nothing about the distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.statistics._arguments import check_level, finite_array
from auditbench.statistics.interval import IntervalEstimate, undefined_interval

if TYPE_CHECKING:
    import numpy.typing as npt


def quantile_interval(values: npt.ArrayLike, probability: float, *, level: float = 0.95) -> IntervalEstimate:
    """Quantile of independent values, shape (n,), with the interval between two order statistics; in their unit.

    The estimate interpolates linearly. The bounds are the r-th and s-th smallest value, with the largest r and
    smallest s for which fewer than r, and s or more, of n draws fall below the quantile with probability at most
    (1 - `level`) / 2 each: the coverage is at least `level` for any distribution.

    Undefined: everything without values (`no_rows`); the bounds where n is too small for such order statistics, as
    below 6 values for the median or 72 for the 95th percentile (`too_few_rows`).

    Raises:
        ValueError: Another shape, values that are not finite, `probability` or `level` outside (0, 1).

    Source: David and Nagaraja (2003), Order Statistics, section 7.1.
    """
    import numpy as np
    from scipy import special

    check_level(level)
    if not 0.0 < probability < 1.0:
        raise ValueError(f"expected `probability` strictly between 0 and 1, got {probability!r}")
    ordered = np.sort(finite_array("values", values, 1))
    n = len(ordered)
    if n == 0:
        return undefined_interval("order-statistics", level, "no_rows")
    estimate = float(np.quantile(ordered, probability))
    below = special.bdtr(np.arange(n), n, probability)  # P(at most k of n draws fall below the quantile), k < n
    tail = (1 - level) / 2
    lower = int(np.count_nonzero(below <= tail))  # the largest r with P(fewer than r) <= tail
    upper = int(np.count_nonzero(below < 1 - tail)) + 1  # the smallest s with P(s or more) <= tail
    if lower < 1 or upper > n:
        return undefined_interval("order-statistics", level, "too_few_rows", estimate)
    low, high = float(ordered[lower - 1]), float(ordered[upper - 1])
    return IntervalEstimate(estimate=estimate, low=low, high=high, level=level, method="order-statistics")
