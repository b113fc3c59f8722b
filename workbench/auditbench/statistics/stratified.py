"""A group against all other rows within strata: the common difference of two shares at equal values of something else.

The mean over strata of the difference of the two shares, weighted by `n m / (n + m)` for n rows of the group and m others
(Mantel and Haenszel's weights). A stratum that lacks either side tells nothing and is left out.

Source: Mantel and Haenszel (1959), J. National Cancer Institute 22:719; Greenland and Robins (1985), Biometrics 41:55 (the
common difference); Sato (1989), Biometrics 45:1323 (its variance, for many strata of few rows as for few of many);
Klingenberg (2014), Statistics in Medicine 33:2968 (limits where that variance holds at the limit, not at the estimate).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from auditbench.statistics._arguments import check_level
from auditbench.statistics.clusters import FEWEST_CLUSTERS, Clusters
from auditbench.statistics.interval import IntervalEstimate, normal_quantile, undefined_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

METHODS = ("klingenberg", "weighted-stratified", "cluster-stratified")
_SMALLEST_P = 1e-12
_STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class StratifiedDifference:
    """Common difference of the share of hits of a group and of all other rows, over strata.

    Attributes:
        estimate: None without a stratum that has both sides.
        error: Its standard error where rows depend on each other or count unequally, by the jackknife of clusters or the
            weights; 0 where they do not, and None with too few clusters.
        freedom: Degrees of freedom of that error.
        base: Of Sato's variance of the difference, which is `base + slope x difference`; at Kish's number of weighted rows,
            and times the design effect where that is above 1.
        slope: See `base`.
        p_value: Of no difference in any stratum, two-sided, by the test of Cochran, Mantel and Haenszel without continuity
            correction; where rows depend on each other or count unequally, 1 minus the level at which the interval touches
            0. None where undefined.
        strata: Those that are used; `left_out` those with rows that lack one side.
        rows: Rows in the strata that are used.
    """

    estimate: float | None
    error: float | None
    freedom: float
    base: float
    slope: float
    p_value: float | None
    strata: int
    left_out: int
    rows: int
    method: str

    def interval(self, level: float = 0.95) -> IntervalEstimate:
        """The difference between its limits, in [-1, 1]: Klingenberg's, and Student's where these are farther.

        Undefined: everything without a stratum of both sides (`no_rows`); the bounds with too few clusters
        (`too_few_clusters`), or where no row or every row is a hit (`no_variation`).

        Raises:
            ValueError: `level` is outside (0, 1).
        """
        from scipy import special

        tail = (1.0 - check_level(level)) / 2.0
        if self.estimate is None:
            return undefined_interval(self.method, level, "no_rows")
        if self.error is None:
            return undefined_interval(self.method, level, "too_few_clusters", self.estimate)
        if self.base == 0:
            return undefined_interval(self.method, level, "no_variation", self.estimate)
        square = normal_quantile(tail) ** 2
        middle = self.estimate + square * self.slope / 2.0
        half = math.sqrt(max(0.0, middle**2 - self.estimate**2 + square * self.base))
        student = -float(special.stdtrit(self.freedom, tail)) * self.error
        return IntervalEstimate(
            estimate=self.estimate,
            low=max(-1.0, min(middle - half, self.estimate - student)),
            high=min(1.0, max(middle + half, self.estimate + student)),
            level=level,
            method=self.method,
        )


def stratified_difference(
    hit: Mask,
    group: Mask,
    strata: npt.NDArray[np.int64],
    *,
    clusters: Clusters | None = None,
    weights: Numbers | None = None,
) -> StratifiedDifference:
    """The common difference over strata, with its error.

    Args:
        hit: Shape `(rows,)`; `group` whether a row is of the group.
        strata: Stratum of each row, from 0, shape `(rows,)`.
        clusters: Of the rows; None where they are independent.
        weights: How much each row counts; None where each counts once.
    """
    import numpy as np

    weight = np.ones(len(hit)) if weights is None else weights
    table = _table(hit, group, strata, weight)
    sizes = table.sum(axis=2)
    used, there = (sizes > 0).all(axis=1), sizes.sum(axis=1) > 0
    plain = weights is None and clusters is None
    nothing = StratifiedDifference(
        estimate=None,
        error=0.0 if plain else None,
        freedom=1.0,
        base=0.0,
        slope=0.0,
        p_value=None,
        strata=int(used.sum()),
        left_out=int((there & ~used).sum()),
        rows=0,
        method=METHODS[0 if plain else 1 if clusters is None else 2],
    )
    if not used.any():
        return nothing
    kept = used[strata]
    hits, whole = table[used, :, 1], sizes[used]
    part = whole.prod(axis=1) / whole.sum(axis=1)
    gaps = hits[:, 1] / whole[:, 1] - hits[:, 0] / whole[:, 0]
    estimate = float(np.sum(part * gaps) / part.sum())
    effective = np.ones(2) if weights is None else _effective(weight[kept], group[kept])
    base, slope = _sato(hits, whole, effective)
    found = replace(nothing, estimate=estimate, base=base, slope=slope, rows=int(np.count_nonzero(kept & (weight > 0))))
    if plain:
        return replace(found, p_value=_mantel_haenszel(hits, whole))
    slopes = _slopes(sizes, used)[strata, group.astype(np.int64)]
    moved = (slopes * weight * _distances(table, hit, group, strata))[kept]
    units, sums = _units(moved, kept, clusters)
    if clusters is not None and units < FEWEST_CLUSTERS:
        return found
    error = math.sqrt(units / max(1, units - 1) * float(np.sum(sums**2)))
    apart = base + slope * estimate
    effect = max(1.0, error**2 / apart) if apart > 0 else 1.0
    found = replace(found, error=error, freedom=float(max(1, units - 1)), base=base * effect, slope=slope * effect)
    return replace(found, p_value=_touching(found))


def _table(hit: Mask, group: Mask, strata: npt.NDArray[np.int64], weight: Numbers) -> Numbers:
    """Weight of rows by stratum, whether of the group, and whether a hit: shape `(strata, 2, 2)`."""
    import numpy as np

    count = int(strata.max(initial=-1)) + 1
    place = (strata * 2 + group) * 2 + hit
    return np.bincount(place, weight, minlength=4 * count).reshape(count, 2, 2).astype(np.float64)


def _effective(weight: Numbers, group: Mask) -> Numbers:
    """Rows that tell as much for each unit of weight, of the others and of the group: 1 where rows count once each."""
    import numpy as np

    sides = [weight[~group], weight[group]]
    return np.array([side.sum() / np.sum(side**2) for side in sides])


def _sato(hits: Numbers, sizes: Numbers, effective: Numbers) -> tuple[float, float]:
    """What the variance of the difference is where that is 0, and how much it grows with it."""
    (c, a), (m, n) = (hits * effective).T, (sizes * effective).T
    total = n + m
    p = (n**2 * c - m**2 * a + n * m * (m - n) / 2) / total**2
    q = (a * (m - c) + c * (n - a)) / (2 * total)
    whole = float((n * m / total).sum())
    return max(0.0, float(q.sum())) / whole**2, float(p.sum()) / whole**2


def _mantel_haenszel(hits: Numbers, sizes: Numbers) -> float:
    import numpy as np
    from scipy import special

    total, found = sizes.sum(axis=1), hits.sum(axis=1)
    expected = sizes[:, 1] * found / total
    spread = sizes.prod(axis=1) * found * (total - found) / (total**2 * np.maximum(total - 1, 1))
    if spread.sum() == 0:
        return 1.0
    return float(special.chdtrc(1, float((hits[:, 1] - expected).sum()) ** 2 / float(spread.sum())))


def _slopes(sizes: Numbers, used: Mask) -> Numbers:
    """How much a row of each side of each stratum moves the difference, for its weight and distance from what is expected;
    shape `(strata, 2)`."""
    import numpy as np

    total = np.where(used, sizes.sum(axis=1), 1.0)
    part = np.where(used, sizes.prod(axis=1) / total, 0.0)
    share = part / part.sum()
    return np.asarray(
        np.where(used, share, 0.0)[:, np.newaxis] * np.array([-1.0, 1.0]) / np.where(sizes > 0, sizes, 1.0)
    )


def _distances(table: Numbers, hit: Mask, group: Mask, strata: npt.NDArray[np.int64]) -> Numbers:
    """How far each row is from the share of hits on its side, shape `(rows,)`.

    A side of n rows is nearer to its own share than to the true one, by the root of (n - 1) / n, which is undone; a row that
    is alone on its side is compared with its whole stratum.
    """
    import numpy as np

    side, count = group.astype(np.int64), len(table)
    rows = np.bincount(strata * 2 + side, minlength=2 * count).reshape(count, 2)
    sizes, total = table.sum(axis=2), table.sum(axis=(1, 2))
    own = table[:, :, 1] / np.where(sizes > 0, sizes, 1.0)
    whole = table[:, :, 1].sum(axis=1) / np.where(total > 0, total, 1.0)
    expected = np.where(rows == 1, whole[:, np.newaxis], own)
    scale = np.sqrt(rows / np.where(rows > 1, rows - 1, rows.clip(min=1)))
    return np.asarray((hit - expected[strata, side]) * scale[strata, side], dtype=np.float64)


def _units(moved: Numbers, kept: Mask, clusters: Clusters | None) -> tuple[int, Numbers]:
    if clusters is None:
        return len(moved), moved
    among = clusters.among(kept)
    return among.count, among.sums(moved)


def _touching(found: StratifiedDifference) -> float:
    """1 minus the level at which the interval touches 0; 1 where nothing varies or nothing differs."""
    low, high = math.log(_SMALLEST_P), 0.0
    if found.base == 0 or found.estimate == 0:
        return 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        interval = found.interval(-math.expm1(middle))
        holds = (interval.low or 0.0) <= 0 <= (interval.high or 0.0)
        low, high = (middle, high) if holds else (low, middle)
    return math.exp(high)
