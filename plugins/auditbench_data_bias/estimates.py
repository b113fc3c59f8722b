"""Estimates of groups with their intervals, where rows may depend on each other and count unequally."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from auditbench.statistics import IntervalEstimate

if TYPE_CHECKING:
    from auditbench.statistics import GroupMeans, Shares, UndefinedReason
    from auditbench_data_bias.groups import PartRows

LEVEL = 0.95


def nothing(reason: UndefinedReason = "no_rows") -> IntervalEstimate:
    """An estimate of nothing."""
    return IntervalEstimate(estimate=None, low=None, high=None, level=LEVEL, method="", reason=reason)


def share_estimates(shares: Shares, rows: PartRows, *, level: float = LEVEL) -> list[IntervalEstimate]:
    """Each share with Wilson's interval, at the trials that its rows are worth."""
    limited = shares.limited(level)
    return _estimates(limited.value, limited.low, limited.high, _method("wilson", rows), "too_few_clusters")


def mean_estimates(means: GroupMeans, rows: PartRows) -> list[IntervalEstimate]:
    """Each mean with Student's interval."""
    limited = means.limited(LEVEL)
    few: UndefinedReason = "too_few_rows" if rows.clusters is None else "too_few_clusters"
    return _estimates(limited.value, limited.low, limited.high, _method("student-t", rows), few)


def _method(name: str, rows: PartRows) -> str:
    weighted = f"{'weighted-' if rows.weights is not None else ''}{name}"
    return weighted if rows.clusters is None else f"cluster-{weighted}"


def _estimates(
    values: object, lows: object, highs: object, method: str, few: UndefinedReason
) -> list[IntervalEstimate]:
    import numpy as np

    parts = (np.asarray(part, dtype=np.float64).tolist() for part in (values, lows, highs))
    return [
        nothing()
        if math.isnan(value)
        else IntervalEstimate(
            estimate=value,
            low=None if math.isnan(low) else min(low, value),
            high=None if math.isnan(high) else max(high, value),
            level=LEVEL,
            method=method,
            reason=few if math.isnan(low) else None,
        )
        for value, low, high in zip(*parts, strict=True)
    ]
