"""Quantiles with intervals that assume nothing about the distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.statistics._arguments import check_level, finite_array
from auditbench.statistics.clusters import Clusters, effective_trials
from auditbench.statistics.interval import IntervalEstimate, undefined_interval

if TYPE_CHECKING:
    import numpy.typing as npt


def quantile_interval(
    values: npt.ArrayLike, probability: float, *, level: float = 0.95, clusters: Clusters | None = None
) -> IntervalEstimate:
    """Quantile of independent values, shape (n,), with the interval between two order statistics; in their unit.

    The estimate interpolates linearly. The bounds are the r-th and s-th smallest value, with the largest r and
    smallest s for which fewer than r, and s or more, of n draws fall below the quantile with probability at most
    (1 - `level`) / 2 each: the coverage is at least `level` for any distribution.

    Undefined: everything without values (`no_rows`); the bounds where n is too small for such order statistics, as
    below 6 values for the median or 72 for the 95th percentile (`too_few_rows`), and where there are fewer clusters than
    `FEWEST_CLUSTERS` (`too_few_clusters`).

    Args:
        clusters: Of the values, where those of one cluster depend on each other. The draws are then as many as
            `effective_trials` says of the share up to the estimate, and bounds the order statistics nearest outside.

    Raises:
        ValueError: Another shape, values that are not finite, `probability` or `level` outside (0, 1).

    Source: David and Nagaraja (2003), Order Statistics, section 7.1; Woodruff (1952), J. American Statistical Association
    47:635 (clusters).
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
    draws, method = n, "order-statistics" if clusters is None else "cluster-order-statistics"
    if clusters is not None:
        effective = effective_trials(np.asarray(values) <= estimate, clusters, level=level)
        if effective is None:
            return undefined_interval(method, level, "too_few_clusters", estimate)
        draws = max(1, int(effective))
    below = special.bdtr(np.arange(draws), draws, probability)  # P(at most k draws fall below the quantile), k < draws
    tail = (1 - level) / 2
    lower = int(np.count_nonzero(below <= tail))  # the largest r with P(fewer than r) <= tail
    upper = int(np.count_nonzero(below < 1 - tail)) + 1  # the smallest s with P(s or more) <= tail
    if lower < 1 or upper > draws:
        return undefined_interval(method, level, "too_few_rows", estimate)
    low, high = float(ordered[(lower - 1) * n // draws]), float(ordered[-(-upper * n // draws) - 1])
    return IntervalEstimate(estimate=estimate, low=low, high=high, level=level, method=method)
