"""Words and metrics of this plugin, and which sizes of groups are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.findings import Message
from auditbench.results import Metric, Sample, estimated_metric

if TYPE_CHECKING:
    from auditbench.statistics import Clusters, IntervalEstimate

ANALYZER = "data-bias"
SMALLEST_SHOWN = 10
"""Rows below which no text gives their number: it could point at persons."""

Part: TypeAlias = Literal["evaluated", "training"]
"""Which rows are looked at."""


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def metric_of(
    name: str,
    estimate: IntervalEstimate,
    *,
    n: int,
    where: Mapping[str, str],
    part: Part = "evaluated",
    unit: str = "1",
    higher_is_better: bool | None = None,
    clusters: Clusters | None = None,
    undefined: Message | None = None,
) -> Metric:
    """An estimate of the evaluated or of the training rows as a metric, whose name says which.

    Args:
        undefined: Why there is no value, where the reason of the estimate does not say it.
    """
    sample: Sample = part
    full = name if part == "evaluated" else f"training_{name}"
    metric = estimated_metric(
        full,
        estimate,
        n=n,
        undefined=undefined or message(f"undefined.{estimate.reason}"),
        unit=unit,
        higher_is_better=higher_is_better,
        clusters=clusters,
        where=where,
        method=f"{ANALYZER}.{full}.formula",
    )
    return replace(metric, sample=sample)


def few_rows(n: int, minimum: int) -> Message:
    """Why nothing is estimated of a group of `n` rows."""
    if n == 0:
        return message("undefined.no_rows")
    if n < SMALLEST_SHOWN:
        return message("undefined.few_rows_hidden", shown_from=SMALLEST_SHOWN, minimum=minimum)
    return message("undefined.few_rows", n=n, minimum=minimum)


def shown_size(n: int) -> int | None:
    """How many rows a table says that a group has; None for a number that could point at persons."""
    return None if 0 < n < SMALLEST_SHOWN else n
