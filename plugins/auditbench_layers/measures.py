"""Metrics of this plugin, each with its interval or the reason why it has none."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric, estimated_metric
from auditbench.statistics import Clusters, IntervalEstimate, jackknife_error, mean_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

ANALYZER = "layers"


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def estimated(
    name: str,
    estimate: IntervalEstimate,
    *,
    n: int,
    clusters: Clusters | None,
    where: dict[str, str],
    unit: str = "1",
    higher_is_better: bool | None = None,
) -> Metric:
    """A metric of rows from an estimate that is defined."""
    return estimated_metric(
        name,
        estimate,
        n=n,
        undefined=message("undefined.no_variation"),
        unit=unit,
        higher_is_better=higher_is_better,
        clusters=clusters,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
    )


def undefined(name: str, reason: str, *, n: int, where: dict[str, str], unit: str = "1") -> Metric:
    """A metric that does not exist here."""
    return Metric(
        name=name,
        value=None,
        unit=unit,
        n=n,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
        reason=message(f"undefined.{reason}"),
    )


def exact(name: str, value: float, *, n: int, where: dict[str, str], unit: str = "1") -> Metric:
    """A metric that holds for these rows exactly, and says nothing of others."""
    return Metric(
        name=name,
        value=value,
        unit=unit,
        higher_is_better=False,
        no_interval="exact",
        n=n,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
    )


def row_mean(
    values: Numbers, clusters: Clusters | None, *, level: float = 0.95, most: float = math.inf
) -> IntervalEstimate:
    """Mean of a number a row with Student's t interval, of clusters by leaving out one at a time.

    Args:
        values: Shape `(rows,)`, at least 0.
        most: The largest that the mean can be; bounds are cut at 0 and there. There are none where all rows are alike.
    """
    if clusters is None:
        found = mean_interval(values, level=level)
    elif clusters.are_enough:
        mean = float(values.mean())
        half = student(level, clusters.count - 1) * jackknife_error(values - mean, clusters)
        found = IntervalEstimate(
            estimate=mean, low=mean - half, high=mean + half, level=level, method="cluster-jackknife"
        )
    else:
        return IntervalEstimate(
            estimate=float(values.mean()),
            low=None,
            high=None,
            level=level,
            method="cluster-jackknife",
            reason="too_few_clusters",
        )
    if found.low is None or found.high is None:
        return found
    if found.low == found.high:  # rows that are all alike do not say how far others are
        return dataclasses.replace(found, low=None, high=None, reason="no_variation")
    return dataclasses.replace(found, low=max(0.0, found.low), high=min(most, found.high))


def student(level: float, freedom: int) -> float:
    """Half width of an interval of that level in standard errors, by Student's t distribution."""
    from scipy import special

    return float(special.stdtrit(freedom, (1 + level) / 2))
