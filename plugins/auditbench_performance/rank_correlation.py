"""Spearman's rank correlation with its interval, from how far each row moves it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from auditbench.statistics import IntervalEstimate, UndefinedReason, jackknife_error

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_performance.resampling import Sample

    Numbers = npt.NDArray[np.float64]

LEVEL = 0.95


def rank_correlation(one: Numbers, two: Numbers, sample: Sample) -> tuple[IntervalEstimate, Numbers | None]:
    """The rank correlation of two numbers a row, in [-1, 1], and its influence, both of shape `(rows,)`.

    The interval is normal, or Student's of clusters, on the scale of artanh. Undefined: all without rows (`no_rows`) and
    where one of the numbers does not vary (`no_variation`); the bounds of a perfect order (`no_variation`), and with too few
    clusters (`too_few_clusters`).

    Source: Spearman (1904), American Journal of Psychology 15:72; Fisher (1915), Biometrika 10:507 (the scale); Hampel
    (1974), J. American Statistical Association 69:383 (the error).
    """
    n, clusters = sample.n, sample.clusters
    method = "delta-artanh" if clusters is None else "cluster-delta-artanh"
    if n == 0 or not (np.ptp(one) > 0 and np.ptp(two) > 0):
        return _without_bounds(None, method, "no_variation" if n else "no_rows"), None
    correlation, influence = _influence(one, two)
    if clusters is not None and not clusters.are_enough:
        return _without_bounds(correlation, method, "too_few_clusters"), influence
    if clusters is None:
        error, freedom = float(influence.std(ddof=1)) / math.sqrt(n), n - 1
    else:
        error, freedom = jackknife_error(influence, clusters), clusters.count - 1
    slope = 1 - correlation**2
    if not (error > 0 and slope > 1e-12):
        return _without_bounds(correlation, method, "no_variation"), influence
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error / slope
    low, high = (math.tanh(math.atanh(correlation) + side * half) for side in (-1, 1))
    return IntervalEstimate(estimate=correlation, low=low, high=high, level=LEVEL, method=method), influence


def _without_bounds(estimate: float | None, method: str, reason: UndefinedReason) -> IntervalEstimate:
    return IntervalEstimate(estimate=estimate, low=None, high=None, level=LEVEL, method=method, reason=reason)


def _influence(one: Numbers, two: Numbers) -> tuple[float, Numbers]:
    """The correlation of the shares of rows below each row, and its derivative by the weight of each row times the rows.

    A row counts by its own place, and by moving the places of all rows above it.
    """
    places = [_Places(one), _Places(two)]
    (u, v), quarter = (place.shares for place in places), 0.25
    both, spreads = float(np.mean(u * v)), [float(np.mean(share**2)) for share in (u, v)]
    of_both = u * v + places[0].mean_above(v) + places[1].mean_above(u) - 3 * both
    of_spreads = [
        share**2 + 2 * place.mean_above(share) - 3 * spread
        for place, share, spread in zip(places, (u, v), spreads, strict=True)
    ]
    scale = math.sqrt((spreads[0] - quarter) * (spreads[1] - quarter))
    correlation = (both - quarter) / scale
    relative = sum(of / (spread - quarter) for of, spread in zip(of_spreads, spreads, strict=True))
    return min(1.0, max(-1.0, correlation)), np.asarray(of_both / scale - correlation / 2 * relative)


class _Places:
    """The order of rows by a number.

    Attributes:
        shares: Share of rows below each row, those equal to it counted half, shape `(rows,)`.
    """

    def __init__(self, values: Numbers) -> None:
        self._place = np.unique(values, return_inverse=True)[1]
        sizes = np.bincount(self._place)
        self.shares: Numbers = ((np.cumsum(sizes) - sizes / 2) / len(values))[self._place]

    def mean_above(self, numbers: Numbers) -> Numbers:
        """Sum of `numbers` over the rows above each row, half of those equal to it, over all rows; shape `(rows,)`."""
        sums = np.bincount(self._place, weights=numbers)
        above = np.cumsum(sums[::-1])[::-1] - sums / 2
        return np.asarray(above[self._place] / len(numbers), dtype=np.float64)
