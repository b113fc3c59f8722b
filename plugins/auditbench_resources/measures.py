"""Metrics of this plugin: exact counts, and what a clock or a meter gave."""

from __future__ import annotations

from collections.abc import Mapping

from auditbench.findings import Message
from auditbench.results import Interval, Metric

ANALYZER = "resources"


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def counted(name: str, value: float | None, unit: str, *, reason: str = "") -> Metric:
    """A number that follows from the model alone and repeats exactly; undefined for `reason`."""
    return Metric(
        name=name,
        value=value,
        unit=unit,
        higher_is_better=False,
        no_interval="" if value is None else "count",
        n=1,
        method=f"{ANALYZER}.{name}.formula",
        reason=message(f"undefined.{reason}") if value is None else None,
    )


def metered(
    name: str,
    value: float | None,
    unit: str,
    *,
    n: int,
    interval: Interval | None = None,
    where: Mapping[str, str] | None = None,
    higher_is_better: bool = False,
    method: str = "",
    reason: Message | None = None,
) -> Metric:
    """A number that a clock or a meter gave in `n` readings; undefined for `reason`."""
    return Metric(
        name=name,
        value=value,
        unit=unit,
        higher_is_better=higher_is_better,
        interval=interval,
        no_interval="" if value is None or interval is not None else "not_estimated",
        n=n,
        where=where or {},
        method=f"{ANALYZER}.{method or name}.formula",
        repeatable=False,
        reason=reason,
    )
