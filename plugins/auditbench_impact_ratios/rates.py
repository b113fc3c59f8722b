"""Rates of categories and their ratios to the highest one, with intervals; counts that follow from them exactly."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import stats

from auditbench.statistics import (
    Clusters,
    GroupedRows,
    IntervalEstimate,
    UndefinedReason,
    share_ratios_to_highest,
)
from auditbench_impact_ratios.categories import Categories

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.bool_]

LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """What share of each category is selected, or scores above the median.

    Attributes:
        hits: Rows of each category that do, shape `(categories,)`.
        rate: By category, Wilson's interval; None where nothing is estimated.
        ratio: To the rate of the highest category, alike; None also where a category is left out or there is no ratio.
        highest: The category with the highest rate among those compared, the first of several; None without a ratio.
        smallest: The smallest ratio. The bounds of all ratios hold together, whichever category is in truth the highest.
        clusters: With rows of each category, shape `(categories,)`; None where rows are independent.
        compared_clusters: With rows of the categories compared, alike.
    """

    categories: Categories
    hits: npt.NDArray[np.int64]
    rate: tuple[IntervalEstimate | None, ...]
    ratio: tuple[IntervalEstimate | None, ...]
    highest: int | None
    smallest: IntervalEstimate
    clusters: npt.NDArray[np.int64] | None
    compared_clusters: int | None

    @property
    def lower(self) -> list[int]:
        """The categories with a ratio, but for the highest."""
        return [place for place, ratio in enumerate(self.ratio) if ratio is not None and place != self.highest]


def measure_rates(categories: Categories, hit: Mask, clusters: Clusters | None) -> Rates:
    """The rates of hits by category.

    Args:
        hit: Of the rows of a known category, shape `(known rows,)`; `clusters` of these rows.
    """
    count = len(categories.names)
    rows = GroupedRows(of_row=categories.of_row, groups=count, clusters=clusters)
    shares = rows.shares(hit, np.ones_like(hit))
    limits = shares.limited(LEVEL)
    method = "wilson" if clusters is None else "cluster-wilson"
    rate: list[IntervalEstimate | None] = [None] * count
    for place in categories.of("compared", "left_out"):
        rate[place] = _estimate(limits.value[place], limits.low[place], limits.high[place], method)
    ratio: list[IntervalEstimate | None] = [None] * count
    compared = categories.of("compared")
    found = share_ratios_to_highest(shares.among(np.asarray(compared, dtype=np.intp)), level=LEVEL)
    highest, smallest = None, _without_value(found.method, "one_group")
    if len(compared) > 1:
        smallest = _without_value(found.method, "zero_denominator")
    if compared and not np.isnan(found.estimate).any():
        highest = compared[int(np.argmax(found.estimate))]
        parts = np.stack([found.estimate, found.low, found.high], axis=1)
        for place, part in zip(compared, parts, strict=True):
            ratio[place] = _estimate(part[0], part[1], part[2], found.method)
        least = parts.min(axis=0)
        smallest = _estimate(least[0], least[1], least[2], found.method)
    return Rates(
        categories=categories,
        hits=np.bincount(categories.of_row[hit], minlength=count),
        rate=tuple(rate),
        ratio=tuple(ratio),
        highest=highest,
        smallest=smallest,
        clusters=rows.clusters_of_groups(),
        compared_clusters=None if clusters is None else clusters.among(np.isin(categories.of_row, compared)).count,
    )


def shortfall(hits: int, size: int, highest_hits: int, highest_size: int) -> int:
    """How many more hits would bring a category to four fifths of the highest rate, that one as it is; exact."""
    needed = -(-4 * size * highest_hits // (5 * highest_size))
    return max(0, needed - hits)


def exact_p_values(rates: Rates) -> list[float]:
    """Fisher's two-sided test of each lower category against the highest; empty where rows are not independent.

    Source: Fisher (1935), The Logic of Inductive Inference.
    """
    if rates.highest is None or rates.clusters is not None:
        return []
    pairs = np.stack([rates.hits, rates.categories.sizes - rates.hits], axis=1)
    found = [stats.fisher_exact(pairs[[place, rates.highest]]).pvalue for place in rates.lower]
    return [max(sys.float_info.min, float(value)) for value in found]  # 0 by rounding alone


def _estimate(value: Any, low: Any, high: Any, method: str) -> IntervalEstimate:
    bounds = None if math.isnan(low) else (float(low), float(high))
    return IntervalEstimate(
        estimate=float(value),
        low=bounds and bounds[0],
        high=bounds and bounds[1],
        level=LEVEL,
        method=method,
        reason=None if bounds else "too_few_clusters",
    )


def _without_value(method: str, reason: UndefinedReason) -> IntervalEstimate:
    return IntervalEstimate(estimate=None, low=None, high=None, level=LEVEL, method=method, reason=reason)
