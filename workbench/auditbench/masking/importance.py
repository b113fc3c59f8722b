"""Global summaries of attributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Attribution, Interval, Metric
from auditbench.statistics import bootstrap_mean_intervals

if TYPE_CHECKING:
    import numpy as np

IMPORTANCE = "mean_absolute_attribution"


def sampled_rows(explained: int, cases: int, evaluated: int) -> slice:
    """Which explained rows a summary may count: the random sample, without the chosen cases before it.

    Cases are chosen for being unusual, so that counting them would shift every mean. Where all evaluated rows are
    explained, all count. The slice is empty when only cases were explained.
    """
    return slice(0 if explained == evaluated else min(cases, explained), explained)


def importance_metrics(
    analyzer: str, attribution: Attribution, counted: slice, rng: np.random.Generator
) -> tuple[Metric, ...]:
    """`mean_absolute_attribution` of each player, for each target where there are several, with bootstrap intervals.

    The interval says how far the mean over the sampled rows may lie from the mean over all rows; it does not cover the
    error of a sampling explainer. Players are those of a flat player shape.
    """
    import numpy as np

    values = np.abs(np.asarray(attribution.values, dtype=np.float64)[counted])
    n, targets, players = values.shape
    means = bootstrap_mean_intervals(values.reshape(n, targets * players), rng=rng)
    several = targets > 1
    labels = [
        {"feature": player, **({"class": target} if several else {})}
        for target in attribution.target_names
        for player in attribution.player_names
    ]
    return tuple(
        Metric(
            name=IMPORTANCE,
            value=float(means.estimate[index]) if n else None,
            unit=attribution.unit,
            interval=_interval(means.low[index], means.high[index], means.method),
            no_interval="" if n > 1 else "not_estimated",
            n=n,
            where=where,
            method=f"{analyzer}.{IMPORTANCE}.formula",
            reason=None if n else Message(key=f"{analyzer}.no_sampled_rows"),
        )
        for index, where in enumerate(labels)
    )


def _interval(low: float, high: float, method: str) -> Interval | None:
    return Interval(low=float(low), high=float(high), method=method) if low == low else None  # NaN differs from itself
