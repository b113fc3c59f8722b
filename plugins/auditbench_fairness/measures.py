"""Metrics of this plugin: of one group, and between groups."""

from __future__ import annotations

import math
from collections.abc import Mapping

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import IntervalEstimates

ANALYZER = "fairness"


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


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
    )


def disparity_metric(
    name: str,
    estimates: IntervalEstimates,
    index: int,
    *,
    n: int,
    where: Mapping[str, str],
    reason: Message,
    unit: str = "1",
) -> Metric:
    """A difference or ratio between groups; undefined for `reason`.

    Noise can only raise a largest difference (and lower a ratio), so that percentiles of replicates lie too far out and
    their reflections (the basic bootstrap) too far in. The interval spans both, within the possible range; where the gap
    is large against the noise they are the same.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 5.2.1 and 5.3.1.
    """
    value, low, high = (float(part[index]) for part in (estimates.estimate, estimates.low, estimates.high))
    known = not math.isnan(value)
    interval = None
    if known and not math.isnan(low):
        largest = math.inf if unit == "value" else 1.0
        bounds = max(0.0, min(low, 2 * value - high)), min(largest, max(high, 2 * value - low))
        interval = Interval(low=bounds[0], high=bounds[1], level=estimates.level, method="bootstrap-percentile-basic")
    return Metric(
        name=name,
        value=value if known else None,
        unit=unit,
        higher_is_better=name.endswith("_ratio"),
        interval=interval,
        no_interval="not_estimated" if known and interval is None else "",
        n=n,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
        reason=None if known else reason,
    )
