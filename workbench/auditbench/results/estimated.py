"""Metrics from estimates of `auditbench.statistics`, each with its interval or why it has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results.metrics import Interval, Metric

if TYPE_CHECKING:
    from auditbench.statistics import Clusters, IntervalEstimate


def interval_of(estimate: IntervalEstimate) -> Interval | None:
    """The interval of an estimate as a block; None where its bounds are undefined."""
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(low=estimate.low, high=estimate.high, level=estimate.level, method=estimate.method)


def estimated_metric(
    name: str,
    estimate: IntervalEstimate,
    *,
    n: int,
    undefined: Message,
    unit: str = "1",
    higher_is_better: bool | None = None,
    denominator: int | None = None,
    clusters: Clusters | None = None,
    where: Mapping[str, str] | None = None,
    method: str = "",
) -> Metric:
    """The estimate as a metric; the other arguments are those of `Metric`.

    Args:
        undefined: Why there is no value, where the estimate has none.
        clusters: Of the rows that it rests on; None where they are independent.
    """
    interval = interval_of(estimate)
    why_none = "few_clusters" if estimate.reason == "too_few_clusters" else "not_estimated"
    return Metric(
        name=name,
        value=estimate.estimate,
        unit=unit,
        higher_is_better=higher_is_better,
        interval=interval,
        no_interval="" if interval or estimate.estimate is None else why_none,
        n=n,
        denominator=denominator,
        clusters=None if clusters is None else clusters.count,
        where=where or {},
        method=method,
        reason=undefined if estimate.estimate is None else None,
    )
