"""Metrics and messages of this plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Metric, estimated_metric

if TYPE_CHECKING:
    from auditbench.statistics import Clusters, IntervalEstimate

ANALYZER = "individual-fairness"
SMALLEST_SHOWN = 10
"""Rows below which no text gives their number: it could point at persons."""


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def measured(
    name: str,
    estimate: IntervalEstimate,
    *,
    n: int,
    unit: str = "1",
    clusters: Clusters | None = None,
    where: Mapping[str, str] | None = None,
) -> Metric:
    """A metric that has a value; consistency is better the higher, all else the lower."""
    return estimated_metric(
        name,
        estimate,
        n=n,
        undefined=message("undefined.no_benefit"),
        unit=unit,
        higher_is_better="consistency" in name,
        clusters=clusters,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
    )


def without_value(name: str, reason: Message, *, n: int, where: Mapping[str, str] | None = None) -> Metric:
    """A metric that is undefined for a reason."""
    return Metric(name=name, value=None, n=n, where=where or {}, method=f"{ANALYZER}.{name}.formula", reason=reason)


def small_group(n: int, minimum: int) -> Message:
    """Why nothing is estimated of a group of `n` rows."""
    if n < SMALLEST_SHOWN:
        return message("undefined.small_group_hidden", shown_from=SMALLEST_SHOWN, minimum=minimum)
    return message("undefined.small_group", n=n, minimum=minimum)


def shown_size(n: int) -> int:
    """Rows of a group that is not estimated, 0 in the place of a number that could point at persons."""
    return n if n >= SMALLEST_SHOWN else 0
