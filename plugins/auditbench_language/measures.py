"""Metrics of this plugin: means and shares with intervals by whole texts, or the reason why they are undefined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric, estimated_metric
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
    return estimated_metric(
        name,
        found,
        n=n,
        undefined=message("language.undefined.no_rows"),
        unit=unit,
        higher_is_better=higher_is_better,
        clusters=clusters,
        where=where,
        method=f"{analyzer}.{name}.formula",
    )
