"""Metrics of this plugin: a value with its interval, or the reason why it is undefined."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import (
    Clusters,
    IntervalEstimate,
    IntervalEstimates,
    fewest_replicates,
    mean_influence,
    share_interval,
    stored_influence,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench_performance.resampling import Sample

    Rows = npt.NDArray[np.bool_]
    RowInfluence: TypeAlias = Callable[[], npt.NDArray[Any] | None]

ANALYZER = "performance"
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "expected_calibration_error", "perplexity", "mse", "rmse", "mae"})
RAISED_BY_NOISE = frozenset({"expected_calibration_error"})
WITHOUT_DIRECTION = frozenset(
    {
        "base_rate",
        "positive_rate",
        "majority_class_accuracy",
        "bigram_log_loss",
        "mean_error",
        "residual_percentile",
        "calibration_error_by_chance",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Where a metric stands: its name, unit, labels, and the rows it was taken from.

    Attributes:
        clusters: Of the rows it was taken from, or is a share of; None where rows are independent.
    """

    name: str
    n: int
    clusters: Clusters | None = None
    unit: str = "1"
    denominator: int | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def metric(
        self,
        value: float | None,
        interval: Interval | None,
        reason: str,
        influence: RowInfluence | None = None,
        *,
        without_interval: str = "not_estimated",
    ) -> Metric:
        """The metric.

        Args:
            reason: Last part of its key in the catalogue; only read where `value` is None.
            influence: Gives what each evaluated row does to the value; only called where there is a value.
            without_interval: Why there is no interval, where clusters are enough for one.
        """
        if self.clusters is not None and not self.clusters.are_enough:
            without_interval = "few_clusters"
        return Metric(
            name=self.name,
            value=value,
            unit=self.unit,
            higher_is_better=_direction(self.name),
            interval=None if value is None else interval,
            no_interval=without_interval if interval is None and value is not None else "",
            n=self.n,
            clusters=None if self.clusters is None else self.clusters.count,
            denominator=self.denominator,
            where=self.where,
            method=f"{ANALYZER}.{self.name}.formula",
            reason=message(f"undefined.{reason}") if value is None else None,
            influence=None if value is None or influence is None else stored_influence(influence()),
        )


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def proportion(
    name: str,
    hit: Rows,
    among: Rows | None = None,
    *,
    reason: str,
    clusters: Clusters | None = None,
    where: Mapping[str, str] | None = None,
    by_row: bool = True,
) -> Metric:
    """A share of rows with its Wilson interval; undefined for `reason` when it would be a share of none.

    Args:
        hit: Shape `(rows,)`: the rows that are counted, where they are also `among`.
        among: Shape `(rows,)`: the rows that it is a share of; all by default.
        clusters: Of all rows; None where rows are independent.
        by_row: Whether the metric says what each row does to it.
    """
    trials = len(hit) if among is None else int(among.sum())
    if clusters is not None and among is not None:
        clusters = clusters.among(among)
    measured = Measured(name=name, n=len(hit), clusters=clusters, denominator=trials, where=where or {})
    if trials == 0:
        return measured.metric(None, None, reason)
    share = share_interval(hit if among is None else hit[among], clusters)
    return estimated(measured, share, (lambda: mean_influence(hit, among)) if by_row else None)


def estimated(measured: Measured, estimate: IntervalEstimate, influence: RowInfluence | None = None) -> Metric:
    """A metric from an estimate that says itself why it, or its bounds, are undefined."""
    interval = None
    if estimate.low is not None and estimate.high is not None:
        interval = Interval(low=estimate.low, high=estimate.high, level=estimate.level, method=estimate.method)
    return measured.metric(estimate.estimate, interval, estimate.reason or "undefined_statistic", influence)


def bootstrapped(
    measured: Measured,
    estimates: IntervalEstimates,
    index: int,
    *,
    reason: str,
    influence: RowInfluence | None = None,
) -> Metric:
    """One of several bootstrapped metrics; undefined for `reason`."""
    value, low, high = (float(part[index]) for part in (estimates.estimate, estimates.low, estimates.high))
    if math.isnan(value):
        return measured.metric(None, None, reason)
    if math.isnan(low) or low == high:  # replicates that are all alike, as without an error, say nothing of other rows
        enough = estimates.replicates >= fewest_replicates(measured.clusters, level=estimates.level)
        why = "not_estimated" if enough else "few_replicates"
        return measured.metric(value, None, "", influence, without_interval=why)
    interval = Interval(low=low, high=high, level=estimates.level, method=estimates.method)
    if measured.name in RAISED_BY_NOISE:
        interval = _spanning(value, interval)
    return measured.metric(value, interval, "", influence)


def measured(name: str, sample: Sample, *, unit: str = "1", where: Mapping[str, str] | None = None) -> Measured:
    """Where a metric of all evaluated rows stands."""
    return Measured(name=name, n=sample.n, clusters=sample.clusters, unit=unit, where=where or {})


def chance_calibration_error(value: float | None, sample: Sample) -> Metric:
    """What the calibration error is to be read against; a quantile of a simulation, without interval."""
    reason = "no_rows" if sample.clusters is None else "clustered"
    return Measured(name="calibration_error_by_chance", n=sample.n).metric(value, None, reason)


def _spanning(value: float, percentiles: Interval) -> Interval:
    """The span of the percentiles of replicates and of their reflections at the estimate, within [0, 1].

    Noise can only raise such a value: its percentiles lie too high, their reflections (the basic bootstrap) too low.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 5.2.1 and 5.3.1.
    """
    low, high = percentiles.low, percentiles.high
    bounds = max(0.0, min(low, 2 * value - high)), min(1.0, max(high, 2 * value - low))
    return Interval(low=bounds[0], high=bounds[1], level=percentiles.level, method=f"{percentiles.method}-basic")


def _direction(name: str) -> bool | None:
    if name in WITHOUT_DIRECTION:
        return None
    return name not in LOWER_IS_BETTER and name != "absolute_error_percentile"
