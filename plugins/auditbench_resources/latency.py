"""Time of a call by number of rows: warmed up, repeated, and reported as percentiles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from auditbench.findings import Message
from auditbench.results import Interval, Metric, PercentileRow, Percentiles
from auditbench.statistics import quantile_interval
from auditbench_resources.measures import message, metered

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FEWEST = {"p50": 1, "p95": 20, "p99": 100}
"""Timed calls below which a percentile is not reported: one call in a hundred cannot be seen in fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds of each timed call on `rows` rows."""

    rows: int
    milliseconds: tuple[float, ...]


def time_calls(call: Callable[[], object], *, rows: int, warm_up: int, repetitions: int, seconds: float) -> Timing:
    """Time a call up to `repetitions` times; none begins after `seconds`, warm-up included, but one is always timed."""
    end = time.perf_counter() + seconds
    for _ in range(warm_up):
        if time.perf_counter() > end:
            break
        call()
    taken: list[float] = []
    while not taken or (len(taken) < repetitions and time.perf_counter() < end):
        start = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - start))
    return Timing(rows=rows, milliseconds=tuple(taken))


def latency_metrics(timing: Timing) -> tuple[Metric, ...]:
    """Percentiles of the time of a call, and the rows a second that the median gives."""
    where, n = {"batch": str(timing.rows)}, len(timing.milliseconds)
    metrics = []
    for name, probability in PERCENTILES.items():
        estimate = quantile_interval(timing.milliseconds, probability)
        enough = n >= FEWEST[name]
        interval = None
        if enough and estimate.low is not None and estimate.high is not None:
            interval = Interval(low=estimate.low, high=estimate.high, level=estimate.level, method=estimate.method)
        reason: Message | None = None
        if not enough:
            reason = message("undefined.few_repetitions", n=n, fewest=FEWEST[name])
        metrics.append(
            metered(
                f"latency_{name}",
                estimate.estimate if enough else None,
                "ms",
                n=n,
                interval=interval,
                where=where,
                reason=reason,
            )
        )
    return (*metrics, _throughput(metrics[0], timing.rows, where))


def latency_block(timings: list[Timing]) -> Percentiles | None:
    """The percentiles on one axis, for batch sizes with enough timed calls for all of them; None without any."""
    complete = [timing for timing in timings if len(timing.milliseconds) >= FEWEST["p99"]]
    rows = []
    for timing in complete:
        p50, p95, p99 = (
            quantile_interval(timing.milliseconds, probability).estimate for probability in PERCENTILES.values()
        )
        if p50 is None or p95 is None or p99 is None:
            continue
        rows.append(PercentileRow(label=str(timing.rows), p50=p50, p95=p95, p99=p99, n=len(timing.milliseconds)))
    if not rows:
        return None
    return Percentiles(name="latency", title=message("latency"), unit="ms", rows=tuple(rows))


def _throughput(median: Metric, rows: int, where: dict[str, str]) -> Metric:
    if median.value is None or median.value <= 0:
        reason = message("undefined.below_resolution")
        return metered("throughput", None, "rows/s", n=median.n, where=where, reason=reason, higher_is_better=True)
    interval = None
    if median.interval is not None and median.interval.low > 0:
        slow, quick = median.interval.high, median.interval.low
        interval = Interval(low=1e3 * rows / slow, high=1e3 * rows / quick, method=median.interval.method)
    value = 1e3 * rows / median.value
    return metered("throughput", value, "rows/s", n=median.n, interval=interval, where=where, higher_is_better=True)
