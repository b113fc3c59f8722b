"""The indices of the benefits of all rows and of groups, with intervals from one bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.statistics import Clusters, IntervalEstimates, percentile_intervals
from auditbench_individual_fairness.entropy import coefficient_of_variation, index, moments, theil
from auditbench_individual_fairness.resampling import drawn_units, unit_sums, units_of

Numbers: TypeAlias = npt.NDArray[np.float64]
Groups: TypeAlias = Mapping[str, tuple[npt.NDArray[np.int64], int]]
"""By feature, the group of each row, shape `(rows,)`, and how many groups there are."""

ALL_ROWS = ""
"""Stands for the feature of measures that are of no groups."""
BETWEEN = ("generalized_entropy_between_groups", "theil_between_groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How intervals are drawn.

    Attributes:
        clusters: Drawn whole in the place of rows; None where rows are independent.
    """

    rng: np.random.Generator
    replicates: int
    clusters: Clusters | None


def measure_inequality(
    benefits: Numbers, groups: Groups, alpha: float, drawing: Drawing
) -> dict[str, dict[str, IntervalEstimates]]:
    """The indices by feature and name, with intervals.

    Of all rows the three indices, shape `()`; of each feature their parts, shape `()`, and the `mean_benefit` and
    `generalized_entropy` of each group, shape `(groups,)`, NaN where a group has no benefit to share out. Parts between
    groups are raised by noise and never below 0: their intervals span percentiles and reflections, see `_spanning`.

    Args:
        benefits: At least 0, with one above it, shape `(rows,)`.
    """
    rows = len(benefits)
    grouped = {ALL_ROWS: (np.zeros(rows, dtype=np.int64), 1), **groups}
    _, kinds = np.unique(benefits, return_inverse=True)
    for codes, count in groups.values():
        _, kinds = np.unique(kinds * count + codes, return_inverse=True)
    units = units_of(kinds, drawing.clusters, drawing.rng)
    summed = moments(benefits, alpha)
    of_units = {name: unit_sums(units, codes, count, summed) for name, (codes, count) in grouped.items()}
    found = {name: _measures(name)(np.tensordot(units.drawn_as, sums, 1), alpha) for name, sums in of_units.items()}
    drawn: dict[str, dict[str, list[Numbers]]] = {name: {part: [] for part in found[name]} for name in found}
    for times in drawn_units(units, drawing.replicates, drawing.rng):
        for name, sums in of_units.items():
            for part, values in _measures(name)(np.tensordot(times, sums, 1), alpha).items():
                drawn[name][part].append(values)
    return {
        name: {
            part: _interval(part, value, np.concatenate(drawn[name][part]), drawing.clusters)
            for part, value in parts.items()
        }
        for name, parts in found.items()
    }


def _measures(feature: str) -> Callable[[Numbers, float], dict[str, Numbers]]:
    return _of_groups if feature else _of_all_rows


def _of_all_rows(sums: Numbers, alpha: float) -> dict[str, Numbers]:
    return {
        "generalized_entropy": index(sums, alpha).whole,
        "theil": theil(sums).whole,
        "coefficient_of_variation": coefficient_of_variation(sums),
    }


def _of_groups(sums: Numbers, alpha: float) -> dict[str, Numbers]:
    asked, first = index(sums, alpha), theil(sums)
    with np.errstate(invalid="ignore"):
        means = sums[..., 1] / sums[..., 0]
    return {
        "generalized_entropy_between_groups": asked.between,
        "generalized_entropy_within_groups": asked.within,
        "theil_between_groups": first.between,
        "theil_within_groups": first.within,
        "mean_benefit": means,
        "generalized_entropy": index(sums[..., np.newaxis, :], alpha).whole,
    }


def _interval(name: str, value: Numbers, drawn: Numbers, clusters: Clusters | None) -> IntervalEstimates:
    """Percentiles, without bounds where replicates are all alike and say nothing of other rows."""
    found = percentile_intervals(value, drawn, clusters=clusters)
    low, high, method = found.low, found.high, found.method
    if name in BETWEEN:
        low, high, method = *_spanning(value, low, high), f"{method}-basic"
    varied = low < high
    return IntervalEstimates(
        estimate=found.estimate,
        low=np.where(varied, low, np.nan),
        high=np.where(varied, high, np.nan),
        level=found.level,
        method=method,
        replicates=found.replicates,
        undefined_replicates=found.undefined_replicates,
    )


def _spanning(value: Numbers, low: Numbers, high: Numbers) -> tuple[Numbers, Numbers]:
    """The span of the percentiles of replicates and of their reflections at the value, at least 0.

    Noise can only raise a distance from equality: its percentiles lie too high, their reflections (the basic bootstrap) too
    low.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 5.2.1 and 5.3.1.
    """
    return np.maximum(0.0, np.minimum(low, 2 * value - high)), np.maximum(high, 2 * value - low)
