"""Bootstrap of several statistics at once: all see the same resampled rows, or clusters of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.statistics import Clusters, IntervalEstimates, percentile_intervals, resampling_weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    WeightedStatistic: TypeAlias = Callable[[Numbers], Numbers]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class Sample:
    """The evaluated rows, and how they are drawn again.

    Attributes:
        n: Rows.
        replicates: Bootstrap replicates.
        clusters: Of the rows, drawn whole; None where rows are independent.
    """

    n: int
    replicates: int
    clusters: Clusters | None = None

    def among(self, rows: npt.NDArray[np.bool_]) -> Sample:
        """Some of the rows."""
        clusters = None if self.clusters is None else self.clusters.among(rows)
        return Sample(n=int(rows.sum()), replicates=self.replicates, clusters=clusters)


def bootstrap_weighted(
    statistics: Mapping[str, WeightedStatistic], sample: Sample, rng: np.random.Generator
) -> IntervalEstimates:
    """Estimates and percentile intervals of statistics of the rows, arrays of shape `(statistics,)`.

    Fewer than two rows give no bounds, for resamples of one row cannot differ.

    Args:
        statistics: Each takes how often every row is drawn, shape `(batch, n)`, and returns shape `(batch,)`, NaN where
            undefined.
    """
    import numpy as np

    n, replicates, clusters = sample.n, sample.replicates, sample.clusters
    if n == 0:
        estimate = np.full(len(statistics), np.nan)
    else:
        estimate = np.concatenate([statistic(np.ones((1, n))) for statistic in statistics.values()])
    if n < 2:
        return percentile_intervals(estimate, np.full((replicates, len(statistics)), np.nan), clusters=clusters)
    drawn = [
        np.stack([statistic(weights) for statistic in statistics.values()], axis=1)
        for weights in resampling_weights(rng, n, replicates, clusters)
    ]
    return percentile_intervals(estimate, np.concatenate(drawn), clusters=clusters)


def weighted_mean(values: Numbers) -> WeightedStatistic:
    """The mean of `values`, shape `(n,)`."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def calibration_error_by_chance(
    probability: Numbers, bins: int, sample: Sample, rng: np.random.Generator
) -> float | None:
    """95th percentile of the calibration error that calibrated probabilities would show on as many rows.

    Outcomes are drawn from the probabilities themselves, shape `(n,)`; None without rows, and where rows depend on each
    other in a way that no probability tells.

    Source: Bröcker and Smith (2007), Weather and Forecasting 22:651 (consistency resampling).
    """
    import numpy as np

    n = len(probability)
    if n == 0 or sample.clusters is not None:
        return None
    place = np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], probability, side="right")
    expected = np.bincount(place, weights=probability, minlength=bins)
    errors = []
    for _ in range(sample.replicates):
        observed = np.bincount(place[rng.random(n) < probability], minlength=bins)
        errors.append(float(np.abs(expected - observed).sum()) / n)
    return float(np.quantile(errors, 0.95))


def weighted_average_precision(scores: Numbers, labels: npt.NDArray[Any]) -> WeightedStatistic:
    """Average precision without interpolation, tied scores passing a threshold together; NaN without positives."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    positive = labels[order].astype(np.float64)

    def statistic(weights: Numbers) -> Numbers:
        ordered = weights[:, order]
        passed = np.cumsum(ordered, axis=1)[:, last_of_ties]
        found = np.cumsum(ordered * positive, axis=1)[:, last_of_ties]
        precision = np.divide(found, passed, out=np.zeros_like(found), where=passed > 0)
        total = found[:, -1]
        area = (np.diff(found, axis=1, prepend=0.0) * precision).sum(axis=1)
        value: Numbers = np.divide(area, total, out=np.full(len(weights), np.nan), where=total > 0)
        return value

    return statistic


def weighted_ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> WeightedStatistic:
    """The sum of `above` over that of `below`, both of shape `(n,)`; NaN where the latter is 0."""
    import numpy as np

    def statistic(weights: Numbers) -> Numbers:
        whole = weights @ below
        ratio: Numbers = np.divide(weights @ above, whole, out=np.full(len(weights), np.nan), where=whole > 0)
        return ratio

    return statistic


def weighted_r2(y_true: Numbers, y_pred: Numbers) -> WeightedStatistic:
    """Share of the variance of the labels that the predictions explain; NaN where the labels do not vary."""
    import numpy as np

    squared = (y_pred - y_true) ** 2
    centred = y_true - y_true.mean() if len(y_true) else y_true
    smallest = 1e-12 * float(np.sum(centred**2))

    def statistic(weights: Numbers) -> Numbers:
        spread = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(axis=1)
        ratio = np.divide(weights @ squared, spread, out=np.full(len(weights), np.nan), where=spread > smallest)
        return np.asarray(1.0 - ratio, dtype=np.float64)

    return statistic
