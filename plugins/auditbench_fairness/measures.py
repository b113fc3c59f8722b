"""Metrics of this plugin: of one group, and between groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import IntervalEstimate

if TYPE_CHECKING:
    from auditbench_fairness.influences import RowInfluence

ANALYZER = "fairness"
SMALLEST_SHOWN = 10
"""Rows below which no text gives their number: it could point at persons."""


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def small_group(n: int, minimum: int) -> Message:
    """Why nothing is estimated of a group of `n` rows."""
    if n == 0:
        return message("undefined.empty_group")
    return _counted("undefined.small_group", n, minimum)


def few_outcomes(n: int, minimum: int) -> Message:
    """Why a rate that would be a share of `n` rows is not estimated."""
    if n == 0:
        return message("undefined.no_denominator", minimum=minimum)
    return _counted("undefined.few_outcomes", n, minimum)


def group_metric(
    name: str,
    value: float | None,
    bounds: tuple[float, float] | None,
    *,
    n: int,
    where: Mapping[str, str],
    method: str,
    denominator: int | None = None,
    unit: str = "1",
    reason: Message | None = None,
    influence: RowInfluence | None = None,
) -> Metric:
    """A number of one group with its interval, or the reason why it is not estimated."""
    interval = None if bounds is None else Interval(low=bounds[0], high=bounds[1], method=method)
    return Metric(
        name=name,
        value=value,
        unit=unit,
        interval=interval,
        no_interval="" if interval or value is None else "not_estimated",
        n=n,
        denominator=denominator,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
        reason=reason,
        influence=influence,
    )


def disparity_metric(
    name: str,
    estimate: IntervalEstimate,
    *,
    n: int,
    where: Mapping[str, str],
    denominator: int | None = None,
    unit: str = "1",
    influence: RowInfluence | None = None,
) -> Metric:
    """A difference or ratio between groups, undefined for the reason that the estimate gives.

    Args:
        n: Rows of all groups that it is taken over; `denominator` those of them that the rates are shares of.
    """
    interval = None
    if estimate.low is not None and estimate.high is not None:
        interval = Interval(low=estimate.low, high=estimate.high, level=estimate.level, method=estimate.method)
    known = estimate.estimate is not None
    return Metric(
        name=name,
        value=estimate.estimate,
        unit=unit,
        higher_is_better=name.endswith("_ratio"),
        interval=interval,
        no_interval="not_estimated" if known and interval is None else "",
        n=n,
        denominator=denominator,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
        reason=None if known else message(f"undefined.{estimate.reason}"),
        influence=influence,
    )


def _counted(key: str, n: int, minimum: int) -> Message:
    if n < SMALLEST_SHOWN:
        return message(f"{key}_hidden", shown_from=SMALLEST_SHOWN, minimum=minimum)
    return message(key, n=n, minimum=minimum)
