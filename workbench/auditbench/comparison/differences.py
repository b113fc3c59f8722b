"""The difference of one metric between two runs, with its uncertainty: from rows, from intervals, or exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auditbench.comparison.reach import (
    Reach,
    chance_beyond,
    interval_reach,
    no_reach,
    square_and_add,
    student_reach,
    unseen_reach,
)
from auditbench.comparison.record import ROUNDING, Design
from auditbench.statistics.clusters import FEWEST_CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from auditbench.comparison.pairing import RowPairs
    from auditbench.results import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """After less before, in the metric's unit.

    Attributes:
        before: Value of the baseline on the compared rows; `after` that of the candidate.
        reach: Of the interval of the difference, at any level.
        n: Compared rows: pairs, or the rows of the smaller run.
        design: How the rows of the two runs relate; `exact` has no error.
    """

    before: float
    after: float
    reach: Reach = field(repr=False)
    n: int
    design: Design

    @property
    def estimate(self) -> float:
        """After less before; 0 where they are equal up to rounding, which of exact values is that of numbers near 1."""
        difference = self.after - self.before
        scale = max(abs(self.before), abs(self.after), 1.0 if self.design == "exact" else 0.0)
        return 0.0 if abs(difference) <= ROUNDING * scale else difference

    def bounds(self, level: float) -> tuple[float, float]:
        """Interval of the difference at a level in (0, 1)."""
        below, above = self.reach(1.0 - level)
        return self.estimate - below, self.estimate + above

    def p_value(self) -> float:
        """Two-sided p-value of "no difference": above 1 - level exactly where the interval of that level holds 0."""
        side = 0 if self.estimate > 0 else 1
        return chance_beyond(abs(self.estimate), lambda chance: self.reach(chance)[side])


def paired_difference(before: Metric, after: Metric, pairs: RowPairs) -> Difference | None:
    """The difference on the rows that both runs have, from what each row does to the two values.

    The value on these rows is the value on all rows plus the mean influence of these: exact for means and, to first
    order, for what is made of means. The standard error is that of the mean difference of influences; Student's t has
    the degrees of freedom that fit the kurtosis of these differences, so that few rows that differ weigh as the few
    they are. Where no row differs, the difference is as uncertain as rows that were not seen leave it. Where rows are of
    clusters, these take the place of rows: the standard error is that of the jackknife of whole clusters.

    Returns:
        None with fewer than 2 pairs or too few clusters, and where the influence on a value is not known or 0 everywhere.

    Source: Hampel (1974), JASA 69:383 (influence); O'Neill (2014), The American Statistician 68:282 (degrees of
    freedom).
    """
    rows = _influences(before, after, pairs)
    if rows is None or pairs.n < 2:
        return None
    first, second = rows[0][pairs.baseline], rows[1][pairs.candidate]
    clusters = _common_clusters(pairs)
    found = _error(second - first) if clusters is None else _cluster_error([(second - first, clusters)])
    if found is None:
        return None
    error, freedom, units = found
    most = max(float(part.max() - part.min()) for part in rows)
    some_differ = error > ROUNDING * most
    return Difference(
        before=_number(before) + (float(first.mean()) if pairs.baseline_only else 0.0),
        after=_number(after) + (float(second.mean()) if pairs.candidate_only else 0.0),
        reach=student_reach(error, freedom) if some_differ else unseen_reach(most, units),
        n=pairs.n,
        design="paired",
    )


def unpaired_difference(before: Metric, after: Metric, pairs: RowPairs) -> Difference | None:
    """The difference of two runs with few or no rows in common, from the influences of all their rows.

    Its variance is that of two independent values less twice the covariance that common rows bring in; that of the
    jackknife of whole clusters where rows are of such, which common clusters bring together.

    Returns:
        None where the influence on a value is not known or 0 everywhere, where the variance is not positive, and with
        too few clusters in either run or where one run alone says which rows are of one.
    """
    rows = _influences(before, after, pairs)
    if rows is None:
        return None
    if pairs.baseline_clusters is not None or pairs.candidate_clusters is not None:
        return _unpaired_clusters(before, after, pairs, rows)
    import numpy as np

    sizes = (len(rows[0]), len(rows[1]))
    spreads = [_spread(part) for part in rows]
    parts = [spread**2 / size for (spread, _), size in zip(spreads, sizes, strict=True)]
    common = float(np.cov(rows[0][pairs.baseline], rows[1][pairs.candidate])[0, 1]) if pairs.n > 1 else 0.0
    variance = sum(parts) - 2.0 * pairs.n * common / (sizes[0] * sizes[1])
    if variance <= ROUNDING * sum(parts):
        return None
    slack = sum(part**2 / freedom for part, (_, freedom) in zip(parts, spreads, strict=True))
    return Difference(
        before=_number(before),
        after=_number(after),
        reach=student_reach(math.sqrt(variance), sum(parts) ** 2 / slack if slack > 0 else math.inf),
        n=min(sizes),
        design="overlapping" if pairs.n > 1 else "independent",
    )


def independent_difference(before: Metric, after: Metric) -> Difference | None:
    """The difference of two values as if no row were common, from their two intervals.

    Each bound takes the side of either interval that reaches that way, so that intervals that are not symmetric keep
    their shape: for two Wilson intervals, those of a rate of 0 or 1 as well, this is Newcombe's.

    Returns:
        None where a value has no interval.

    Source: Newcombe (1998), Statistics in Medicine 17:873, method 10.
    """
    if before.interval is None or after.interval is None:
        return None
    reaches = [
        interval_reach(_number(metric), interval, _freedom(metric))
        for metric, interval in ((before, before.interval), (after, after.interval))
    ]
    return Difference(
        before=_number(before),
        after=_number(after),
        reach=square_and_add(*reaches),
        n=min(before.n, after.n),
        design="independent",
    )


def exact_difference(before: Metric, after: Metric, *, design: Design = "exact") -> Difference:
    """The difference of two values without sampling error."""
    return Difference(
        before=_number(before), after=_number(after), reach=no_reach, n=min(before.n, after.n), design=design
    )


def _influences(
    before: Metric, after: Metric, pairs: RowPairs
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """What each row does to the two values; None where one is not known, is 0 everywhere, or is of other rows.

    It is 0 everywhere at the edge of a range, as for a rate of 0 or 1, and then says nothing about the value's error.
    """
    if before.influence is None or after.influence is None:
        return None
    import numpy as np

    first, second = np.asarray(before.influence, np.float64), np.asarray(after.influence, np.float64)
    if (first.shape, second.shape) != ((pairs.baseline_rows,), (pairs.candidate_rows,)):
        return None
    return (first, second) if first.any() and second.any() else None


def _unpaired_clusters(
    before: Metric, after: Metric, pairs: RowPairs, rows: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
) -> Difference | None:
    if pairs.baseline_clusters is None or pairs.candidate_clusters is None:
        return None
    found = _cluster_error([(-rows[0], pairs.baseline_clusters), (rows[1], pairs.candidate_clusters)])
    if found is None or found[0] == 0.0:
        return None
    return Difference(
        before=_number(before),
        after=_number(after),
        reach=student_reach(*found[:2]),
        n=min(len(rows[0]), len(rows[1])),
        design="overlapping" if pairs.n > 1 else "independent",
    )


def _common_clusters(pairs: RowPairs) -> npt.NDArray[np.uint64] | None:
    """The cluster of each common row, as either run says."""
    if pairs.candidate_clusters is not None:
        return pairs.candidate_clusters[pairs.candidate]
    return None if pairs.baseline_clusters is None else pairs.baseline_clusters[pairs.baseline]


def _error(values: npt.NDArray[np.float64]) -> tuple[float, float, int]:
    """Standard error of the mean of independent values, its degrees of freedom, and how many they are."""
    spread, freedom = _spread(values)
    return spread / math.sqrt(len(values)), freedom, len(values)


def _cluster_error(
    parts: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.uint64]]],
) -> tuple[float, float, int] | None:
    """Standard error of a sum of means over rows of clusters, its degrees of freedom, and how many clusters there are.

    The degrees of freedom are those of the parts together (Welch and Satterthwaite), and no more than those of what the
    clusters move in all parts, which fewer decide where parts have clusters in common.

    Args:
        parts: Values of rows and the cluster of each, both of shape `(rows,)`.

    Returns:
        None where a part has fewer clusters than `FEWEST_CLUSTERS`.

    Source: Wolter (2007), Introduction to Variance Estimation (the jackknife of clusters); Satterthwaite (1946),
    Biometrics Bulletin 2:110 (degrees of freedom).
    """
    import numpy as np

    names = np.unique(np.concatenate([clusters for _, clusters in parts]))
    moved, variances, freedoms = np.zeros(len(names)), [], []
    for values, clusters in parts:
        own, place = np.unique(clusters, return_inverse=True)
        if (count := len(own)) < FEWEST_CLUSTERS:
            return None
        step = np.bincount(place, values) / (len(values) - np.bincount(place)) * math.sqrt((count - 1) / count)
        moved[np.searchsorted(names, own)] += step
        variances.append(float(np.sum(step**2)))
        freedoms.append(_spread(step)[1])
    slack = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    freedom = sum(variances) ** 2 / slack if slack > 0 else math.inf
    return math.sqrt(float(np.sum(moved**2))), min(freedom, _spread(moved)[1]), len(names)


def _spread(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Standard deviation, and the degrees of freedom of its square by the kurtosis of the values."""
    import numpy as np

    n = len(values)
    centred = values - values.mean()
    second = float(np.mean(centred**2))
    if n < 2 or second == 0.0:
        return 0.0, math.inf
    kurtosis = float(np.mean(centred**4)) / second**2
    freedom = 2.0 * n / (kurtosis - (n - 3.0) / (n - 1.0))
    return math.sqrt(second * n / (n - 1.0)), max(1.0, min(freedom, n - 1.0))


def _freedom(metric: Metric) -> float:
    """Degrees of freedom of an interval: a share has its variance from its value, others estimate it."""
    if metric.clusters is not None:
        return max(1.0, metric.clusters - 1.0)
    return math.inf if metric.denominator is not None or metric.n < 2 else metric.n - 1.0


def _number(metric: Metric) -> float:
    """The value of a metric that is known to have one."""
    return math.nan if metric.value is None else float(metric.value)
