"""Metrics of this plugin: of one group, and between groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import FEWEST_CLUSTERS, IntervalEstimate

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


def few_clusters() -> Message:
    """Why nothing is estimated of a group whose rows are of few clusters."""
    return message("undefined.few_clusters", minimum=FEWEST_CLUSTERS)


def no_weight() -> Message:
    """Why nothing is estimated of a group whose rows weigh nothing."""
    return message("undefined.no_weight")


def few_of_a_class(n: int, minimum: int) -> Message:
    """Why a ranking of a group is not estimated that has `n` rows of its rarer label."""
    if n == 0:
        return message("undefined.one_class", minimum=minimum)
    return _counted("undefined.few_of_a_class", n, minimum)


def no_common_stratum() -> Message:
    """Why a group is not compared at equal values of control features."""
    return message("undefined.no_rows")


def group_metric(
    name: str,
    value: float | None,
    bounds: tuple[float, float] | None,
    *,
    n: int,
    where: Mapping[str, str],
    method: str,
    denominator: int | None = None,
    clusters: int | None = None,
    unit: str = "1",
    reason: Message | None = None,
    influence: RowInfluence | None = None,
) -> Metric:
    """A number of one group with its interval, or the reason why it is not estimated.

    Without a value no count below `SMALLEST_SHOWN` is recorded: `n` is 0 then, and `denominator` left out.
    """
    interval = None if bounds is None else Interval(low=bounds[0], high=bounds[1], method=method)
    if value is None:
        denominator = None if min(n, denominator or SMALLEST_SHOWN) < SMALLEST_SHOWN else denominator
        n = 0 if n < SMALLEST_SHOWN else n
    return Metric(
        name=name,
        value=value,
        unit=unit,
        interval=interval,
        no_interval="" if interval or value is None else "not_estimated",
        n=n,
        denominator=denominator,
        clusters=clusters,
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
    clusters: int | None = None,
    unit: str = "1",
    influence: RowInfluence | None = None,
) -> Metric:
    """A difference or ratio between groups, undefined for the reason that the estimate gives.

    Args:
        n: Rows of all groups that it is taken over; `denominator` those of them that the rates are shares of; `clusters`
            theirs.
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
        no_interval=_no_interval(estimate) if known and interval is None else "",
        n=n,
        denominator=denominator,
        clusters=clusters,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
        reason=None if known else message(f"undefined.{estimate.reason}"),
        influence=influence,
    )


def _no_interval(estimate: IntervalEstimate) -> str:
    return "few_clusters" if estimate.reason == "too_few_clusters" else "not_estimated"


def _counted(key: str, n: int, minimum: int) -> Message:
    if n < SMALLEST_SHOWN:
        return message(f"{key}_hidden", shown_from=SMALLEST_SHOWN, minimum=minimum)
    return message(key, n=n, minimum=minimum)
