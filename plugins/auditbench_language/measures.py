"""Metrics of this plugin: means and shares with intervals by whole texts, or the reason why they are undefined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import (
    Clusters,
    IntervalEstimate,
    clustered_mean_interval,
    clusters_of,
    mean_influence,
    mean_interval,
    stored_influence,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=key, values=values)


def cluster_mean(values: Numbers, ids: npt.ArrayLike | None, rng: np.random.Generator) -> IntervalEstimate:
    """Mean of a value a row; the interval is a bootstrap of whole clusters, or Student's where rows are independent.

    Args:
        ids: Of the clusters of these rows, shape `(rows,)`; None where rows are independent.
    """
    clusters = clusters_of(ids)
    if clusters is None or not len(values):
        return mean_interval(values)
    return clustered_mean_interval(values, clusters, rng=rng)


def mean_metric(
    analyzer: str,
    name: str,
    values: Numbers,
    ids: npt.ArrayLike | None,
    rng: np.random.Generator,
    *,
    unit: str,
    higher_is_better: bool | None = None,
    where: Mapping[str, str] | None = None,
    by_row: bool = False,
) -> Metric:
    """The mean of a value a row.

    Args:
        by_row: Whether the values are of all evaluated rows, so that the metric says what each row does to it.
    """
    found = cluster_mean(values, ids, rng)
    metric = estimated(
        analyzer, name, found, len(values), clusters_of(ids), unit=unit, higher_is_better=higher_is_better, where=where
    )
    if not by_row or metric.value is None:
        return metric
    return replace(metric, influence=stored_influence(mean_influence(values)))


def estimated(
    analyzer: str,
    name: str,
    found: IntervalEstimate,
    n: int,
    clusters: Clusters | None = None,
    *,
    unit: str = "1",
    higher_is_better: bool | None = None,
    where: Mapping[str, str] | None = None,
) -> Metric:
    """A metric from an estimate that says itself why it, or its bounds, are undefined."""
    interval = None
    if found.low is not None and found.high is not None:
        interval = Interval(low=found.low, high=found.high, level=found.level, method=found.method)
    few = clusters is not None and not clusters.are_enough
    value = found.estimate
    return Metric(
        name=name,
        value=value,
        unit=unit,
        higher_is_better=higher_is_better,
        interval=interval,
        no_interval="" if interval is not None or value is None else "few_clusters" if few else "not_estimated",
        n=n,
        clusters=None if clusters is None else clusters.count,
        where=where or {},
        method=f"{analyzer}.{name}.formula",
        reason=message("language.undefined.no_rows") if value is None else None,
    )
