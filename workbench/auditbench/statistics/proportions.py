"""Intervals of proportions and of their differences, and the difference that given sizes can detect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from auditbench.statistics._arguments import check_counts, check_level
from auditbench.statistics.clusters import Clusters, effective_trials
from auditbench.statistics.interval import IntervalEstimate, normal_quantile, undefined_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_PRECISION = 1e-12
"""To which a detectable difference is found."""


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float] | None:
    """Wilson score interval of a proportion: low and high in [0, 1], or `None` for 0 trials.

    Without continuity correction. The low bound is exactly 0 without successes, the high one exactly 1
    without failures.

    Raises:
        ValueError: The counts are not whole with 0 <= successes <= trials, or `level` is outside (0, 1).

    Source: Wilson (1927); Newcombe (1998), Statistics in Medicine 17:857, method 3.
    """
    check_counts(successes, trials)
    z = _two_sided_z(level)
    return None if trials == 0 else _wilson(successes, trials, z)


def share_interval(
    hit: npt.NDArray[np.bool_], clusters: Clusters | None = None, *, level: float = 0.95
) -> IntervalEstimate:
    """Share of rows that are hits with its Wilson score interval, all in [0, 1].

    Where rows depend on each other, the interval is that of as many independent rows as `effective_trials` says.
    Undefined: everything without rows (`no_rows`); the bounds with fewer clusters than `FEWEST_CLUSTERS`
    (`too_few_clusters`).

    Args:
        hit: Shape `(rows,)`, of the rows that it is a share of.
        clusters: Of these rows; None where they are independent.

    Raises:
        ValueError: `level` is outside (0, 1).
    """
    z, rows = _two_sided_z(level), len(hit)
    method = "wilson" if clusters is None else "cluster-wilson"
    if rows == 0:
        return undefined_interval(method, level, "no_rows")
    share = int(hit.sum()) / rows
    trials = rows if clusters is None else effective_trials(hit, clusters, level=level)
    if trials is None:
        return undefined_interval(method, level, "too_few_clusters", share)
    low, high = _wilson(int(hit.sum()) if clusters is None else share * trials, trials, z)
    return IntervalEstimate(estimate=share, low=low, high=high, level=level, method=method)


def wilson_intervals(successes: npt.ArrayLike, trials: npt.ArrayLike, level: float = 0.95) -> npt.NDArray[np.float64]:
    """Wilson score intervals of many proportions at once.

    `successes` and `trials` have shape (n,). Returns shape (n, 2), low and high in [0, 1]; NaN for 0 trials. Errors and
    source as for `wilson_interval`.
    """
    import numpy as np

    hits, sizes = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if hits.ndim != 1 or hits.shape != sizes.shape:
        raise ValueError(f"expected `successes` and `trials` of one shape (n,), got {hits.shape} and {sizes.shape}")
    bad = ~((hits >= 0) & (hits <= sizes) & np.isfinite(sizes) & (hits == np.floor(hits)) & (sizes == np.floor(sizes)))
    if bad.any():
        check_counts(float(hits[bad][0]), float(sizes[bad][0]))
    safe = np.where(sizes > 0, sizes, np.nan)
    check_level(level)
    return np.stack(score_limits(hits / safe, safe, level), axis=1)


def score_limits(
    share: npt.NDArray[np.float64], trials: npt.NDArray[np.float64], level: float | npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Wilson's lower and upper limits of shares of so many trials, which need not be whole; NaN for NaN.

    Args:
        level: One, or one a share.
    """
    import numpy as np
    from scipy import special

    z = -special.ndtri((1.0 - np.asarray(level)) / 2.0)
    centre = (share * trials + z * z / 2) / (trials + z * z)
    half = z / (trials + z * z) * np.sqrt(share * (1 - share) * trials + z * z / 4)
    low = np.where(share == 0, 0.0, np.maximum(0.0, centre - half))
    high = np.where(share == 1, 1.0, np.minimum(1.0, centre + half))
    known = ~np.isnan(trials)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def newcombe_difference(
    successes_a: int, trials_a: int, successes_b: int, trials_b: int, *, level: float = 0.95
) -> IntervalEstimate:
    """Difference of two independent proportions, a - b, with Newcombe's hybrid score interval; all in [-1, 1].

    Undefined (`no_rows`) where either group has no trials.

    Raises:
        ValueError: Counts that are not whole with 0 <= successes <= trials, or `level` outside (0, 1).

    Source: Newcombe (1998), Statistics in Medicine 17:873, method 10 (no continuity correction).
    """
    bounds_a = wilson_interval(successes_a, trials_a, level)
    bounds_b = wilson_interval(successes_b, trials_b, level)
    if bounds_a is None or bounds_b is None:
        return undefined_interval("newcombe", level, "no_rows")
    rate_a, rate_b = successes_a / trials_a, successes_b / trials_b
    difference = rate_a - rate_b
    return IntervalEstimate(
        estimate=difference,
        low=max(-1.0, difference - math.hypot(rate_a - bounds_a[0], bounds_b[1] - rate_b)),
        high=min(1.0, difference + math.hypot(bounds_a[1] - rate_a, rate_b - bounds_b[0])),
        level=level,
        method="newcombe",
    )


def minimum_detectable_difference(
    n_a: int,
    n_b: int,
    p: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
    direction: Literal["either", "above"] = "either",
) -> float | None:
    """Smallest difference between two groups' rates that a two-sided test would find with the stated power.

    Group a has `n_a` rows and rate `p`; the rate of group b, with `n_b` rows, may lie above or below `p`, and the
    smaller of the two distances is returned, in (0, 1]: any gap below it is missed with a probability above
    1 - `power`. `None` where a group is empty or no rate in [0, 1] is far enough. Normal approximation, so a rough
    figure for a few dozen rows or a rate near 0 or 1.

    Args:
        level: 1 minus the significance level of the test.
        power: Probability of finding the difference, in [0.5, 1).
        direction: `above` for the distance at which a rate of group b above `p` is found, whatever is found below.

    Raises:
        ValueError: A negative size, or `p`, `level` or `power` outside its range.

    Source: Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, section 4.2 solved for the
    difference (pooled variance under the null hypothesis, separate ones under the alternative).
    """
    if n_a < 0 or n_b < 0:
        raise ValueError(f"expected group sizes of at least 0, got {n_a} and {n_b}")
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"expected `p` between 0 and 1, got {p!r}")
    z_null = _two_sided_z(level)
    if not 0.5 <= power < 1.0:
        raise ValueError(f"expected `power` of at least 0.5 and below 1, got {power!r}")
    if n_a == 0 or n_b == 0:
        return None
    z_power = normal_quantile(power)
    signs = (1,) if direction == "above" else (-1, 1)
    found = [_detectable(n_a, n_b, p, sign, z_null, z_power) for sign in signs]
    return min((difference for difference in found if difference is not None), default=None)


def _wilson(successes: float, trials: float, z: float) -> tuple[float, float]:
    """The interval of counts that need not be whole; there is a trial."""
    centre = (successes + z * z / 2) / (trials + z * z)
    half = z / (trials + z * z) * math.sqrt(max(0.0, successes * (trials - successes) / trials) + z * z / 4)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def _two_sided_z(level: float) -> float:
    return normal_quantile((1.0 + check_level(level)) / 2.0)


def _detectable(n_a: int, n_b: int, p: float, sign: int, z_null: float, z_power: float) -> float | None:
    """Distance from `p`, in one direction, at which the power is reached; `None` where 0 or 1 comes first."""

    def excess(difference: float) -> float:
        other = p + sign * difference
        pooled = (n_a * p + n_b * other) / (n_a + n_b)
        null = math.sqrt(max(0.0, pooled * (1 - pooled)) * (1 / n_a + 1 / n_b))
        alternative = math.sqrt(max(0.0, p * (1 - p) / n_a + other * (1 - other) / n_b))
        return difference - z_null * null - z_power * alternative

    low, high = 0.0, 1.0 - p if sign > 0 else p
    if high < _PRECISION or excess(high) < 0.0:
        return None
    while high - low > _PRECISION:  # `excess` is convex for power >= 0.5 and at most 0 at 0, so it crosses 0 once
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) >= 0.0 else (middle, high)
    return high
