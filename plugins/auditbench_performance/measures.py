"""Metrics of this plugin: a value with its interval, or the reason why it is undefined."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditbench.findings import Message
from auditbench.results import Cell, Interval, Metric
from auditbench.statistics import (
    Clusters,
    IntervalEstimate,
    IntervalEstimates,
    calibration_error_influence,
    calibration_error_interval,
    fewest_replicates,
    mean_influence,
    ratio_of_means_influence,
    share_interval,
    stored_influence,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench_performance.resampling import Sample

    Numbers = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]
    RowInfluence: TypeAlias = Callable[[], npt.NDArray[Any] | None]

ANALYZER = "performance"
LOWER_IS_BETTER = frozenset(
    {
        "log_loss",
        "brier",
        "expected_calibration_error",
        "equal_mass_calibration_error",
        "perplexity",
        "mse",
        "rmse",
        "mae",
    }
)
WITHOUT_DIRECTION = frozenset(
    {
        "base_rate",
        "positive_rate",
        "majority_class_accuracy",
        "bigram_log_loss",
        "mean_error",
        "residual_percentile",
        "calibration_error_by_chance",
        "absolute_error_correlation",
        "temperature",
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


def f1_score(positive: Rows, selected: Rows, clusters: Clusters | None = None) -> Metric:
    """F1 with the interval that follows from Wilson's, for F1 = 2 J / (1 + J) rises with a share of rows.

    J is the share of rows both labelled and predicted positive among those that are either.

    Args:
        positive: Shape `(rows,)`, booleans: labelled as the positive class; `selected` predicted as it.
        clusters: Of all rows; None where rows are independent.

    Source: Jaccard (1901) for the share, van Rijsbergen (1979), Information Retrieval, chapter 7 for F1.
    """
    either = positive | selected
    inside = None if clusters is None else clusters.among(either)
    where = Measured(name="f1", n=len(positive), clusters=inside)
    if not either.any():
        return where.metric(None, None, "no_positives_at_all")
    share = share_interval((positive & selected)[either], inside)
    estimate, low, high = (
        None if end is None else 2 * end / (1 + end) for end in (share.estimate, share.low, share.high)
    )
    found = dataclasses.replace(share, estimate=estimate, low=low, high=high)
    hit, size = 2.0 * (positive & selected), 1.0 * positive + selected
    return estimated(where, found, lambda: ratio_of_means_influence(hit, size))


def cell_of(metric: Metric, form: Literal["share", "fine", "number"] = "share") -> Cell:
    """A metric in a table: its value with its interval, or why it is undefined.

    Args:
        form: Three digits after the point, four, or three significant ones.
    """
    if metric.value is None:
        return metric.reason
    if metric.interval is None:
        return message(f"cell.{form}", value=metric.value)
    return message(f"cell.{form}_interval", value=metric.value, low=metric.interval.low, high=metric.interval.high)


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
    return measured.metric(value, interval, "", influence)


def measured(name: str, sample: Sample, *, unit: str = "1", where: Mapping[str, str] | None = None) -> Measured:
    """Where a metric of all evaluated rows stands."""
    return Measured(name=name, n=sample.n, clusters=sample.clusters, unit=unit, where=where or {})


def calibration_errors(
    probability: Numbers, outcome: Rows, bins: int, sample: Sample, rng: np.random.Generator
) -> tuple[Metric, Metric]:
    """The calibration error over bins of equal width, and over bins of about equally many rows.

    Args:
        probability: Shape `(rows,)`, of what may come true; `outcome` whether it did.
    """
    width, mass = (
        calibration_error_interval(
            probability,
            outcome,
            rng=rng,
            bins=bins,
            equal_mass=equal,
            clusters=sample.clusters,
            draws=sample.replicates,
        )
        for equal in (False, True)
    )
    influence = partial(calibration_error_influence, probability, outcome, bins=bins)
    return (
        estimated(measured("expected_calibration_error", sample), width, influence),
        estimated(measured("equal_mass_calibration_error", sample), mass),
    )


def chance_calibration_error(value: float | None, sample: Sample) -> Metric:
    """What the calibration error is to be read against; a quantile of a simulation, without interval."""
    reason = "no_rows" if sample.clusters is None else "clustered"
    return Measured(name="calibration_error_by_chance", n=sample.n).metric(value, None, reason)


def _direction(name: str) -> bool | None:
    if name in WITHOUT_DIRECTION:
        return None
    return name not in LOWER_IS_BETTER and name != "absolute_error_percentile"
