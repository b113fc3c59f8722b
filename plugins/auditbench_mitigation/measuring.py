"""What a rule brings and costs: accuracy and gaps of its decisions, and how they differ from those of the model as it is.

Shares have Wilson's limits, gaps the simultaneous ones of `largest_difference`. Changes are measured on the same rows: a
change of a share has the limits of paired shares, and the change of a gap those of square-and-add with the correlation of
the two gaps on these rows.

Source: Bonett and Price (2012), J. Educational and Behavioral Statistics 37:479 (paired shares); Zou (2007),
Psychological Methods 12:399 (square-and-add of correlated estimates).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.statistics import (
    Clusters,
    GroupedRows,
    IntervalEstimate,
    largest_difference,
    mcnemar,
    ratio_of_means_influence,
    sidak_level,
)
from auditbench.statistics.shares import Shares
from auditbench.statistics.square_and_add import added, pair_differences

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_mitigation.grouping import Codes, Mask

    Numbers: TypeAlias = npt.NDArray[np.float64]

LEVEL = 0.95
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
GAPS: dict[str, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}
"""The rates whose largest difference between two groups is a gap."""
PAIRED, PAIRED_MEANS, PAIRED_GAPS = "paired-bonett-price", "paired-t", "paired-square-and-add"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measuring:
    """The rows that no rule was fitted on.

    Attributes:
        y_true: Labels, 0 or 1, shape `(rows,)`.
        of_row: Group of each row; `groups` how many there are.
        minimum_group: Rows that a group has at least where it is estimated; so `minimum_outcomes` for a share of fewer.
        clusters: Of the rows; None where they are independent.
        weights: How much each row counts; None where each counts once.
    """

    y_true: Codes
    of_row: Codes
    groups: int
    minimum_group: int
    minimum_outcomes: int
    clusters: Clusters | None = None
    weights: Numbers | None = None

    def hits(self, rate: str, decided: Mask) -> Mask:
        """Which rows a rate counts, of decisions of shape `(rows,)`."""
        return np.equal(decided, self.y_true == 1) if rate == "accuracy" else decided

    def among(self, rate: str) -> Mask:
        """Which rows a rate is a share of."""
        if rate in ("true_positive_rate", "false_positive_rate"):
            return np.equal(self.y_true, int(rate == "true_positive_rate"))
        return np.ones(len(self.y_true), dtype=np.bool_)

    def sizes(self, rate: str | None = None) -> Codes:
        """Rows of each group, shape `(groups,)`, or those that a rate is a share of."""
        return np.bincount(self.of_row if rate is None else self.of_row[self.among(rate)], minlength=self.groups)

    def estimated(self, rate: str) -> Codes:
        """Groups whose rate rests on enough rows, and on some that count."""
        counted = self.among(rate) if self.weights is None else self.among(rate) & (self.weights > 0)
        counting = np.bincount(self.of_row[counted], minlength=self.groups)
        least = max(1, self.minimum_outcomes)
        return np.flatnonzero((self.sizes() >= self.minimum_group) & (self.sizes(rate) >= least) & (counting > 0))

    def rows_of(self, group: int) -> Mask:
        """The rows of one group, shape `(rows,)`."""
        return np.equal(self.of_row, group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An estimate before and after, and what it changed by."""

    before: IntervalEstimate
    after: IntervalEstimate
    change: IntervalEstimate


def share(measuring: Measuring, rate: str, decided: Mask, group: int | None = None) -> IntervalEstimate:
    """A rate of all rows, or of one group, with Wilson's limits; there are rows that count."""
    among = measuring.among(rate) if group is None else measuring.among(rate) & measuring.rows_of(group)
    found = _grouped(measuring).shares(measuring.hits(rate, decided), among).limited(LEVEL)
    method = "wilson" if measuring.clusters is None else "cluster-wilson"
    return _estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), method)


def share_change(
    measuring: Measuring, rate: str, before: Mask, after: Mask, group: int | None = None
) -> IntervalEstimate:
    """How much a rate of all rows, or of one group, is higher by other decisions on the same rows."""
    among = measuring.among(rate) if group is None else measuring.among(rate) & measuring.rows_of(group)
    first, second = measuring.hits(rate, before)[among], measuring.hits(rate, after)[among]
    if measuring.clusters is None and measuring.weights is None:
        gained, lost = int(np.count_nonzero(second & ~first)), int(np.count_nonzero(first & ~second))
        found = mcnemar(gained, lost, len(first), level=LEVEL)
        return _estimate(found.estimate, found.low, found.high, PAIRED)
    apart = second.astype(np.float64) - first
    means = _grouped(measuring, among).means(apart).limited(LEVEL)
    low, high = (float(each[0]) for each in (means.low, means.high))
    if low == high:  # no row changed, or all alike: nothing to take an error from
        low = high = np.nan
    return _estimate(float(means.value[0]), max(-1.0, low), min(1.0, high), PAIRED_MEANS)


def gap(measuring: Measuring, name: str, decided: Mask) -> IntervalEstimate:
    """The largest difference between two groups of the rates of a gap; undefined with fewer than two estimated groups."""
    return largest_difference(_shares(measuring, name, decided), level=LEVEL)


def gap_change(measuring: Measuring, name: str, before: Mask, after: Mask) -> IntervalEstimate:
    """How much larger a gap is by other decisions on the same rows, in [-1, 1]; undefined where a gap is.

    Its limits are made of those of both gaps as they are before a lower one below 0 is taken as 0: a gap of nearly nothing
    is as uncertain as any other. Where it may be of the other group, both are not taken to move together. Intervals of 95 %
    were seen to cover 95 to 98 %, and more where there is no gap before and after.
    """
    found = [gap(measuring, name, decided) for decided in (before, after)]
    if any(each.estimate is None or each.low is None for each in found):
        values = [each.estimate for each in found if each.estimate is not None]
        change = values[1] - values[0] if len(values) == 2 else None
        return dataclasses.replace(found[1], estimate=change, low=None, high=None, method=PAIRED_GAPS)
    (one, below, above), (other, lower, upper) = (
        _gap_limits(_shares(measuring, name, decided)) for decided in (before, after)
    )
    correlation = _correlation(measuring, *(_gap_influence(measuring, name, decided) for decided in (before, after)))
    together = np.asarray(correlation if min(below, lower) > 0 else min(correlation, 0.0))
    value = other - one
    low = value - float(added(np.asarray(other - lower), np.asarray(above - one), together))
    high = value + float(added(np.asarray(upper - other), np.asarray(one - below), together))
    return _estimate(value, max(-1.0, low), min(1.0, high), PAIRED_GAPS)


def _shares(measuring: Measuring, name: str, decided: Mask) -> list[Shares]:
    """The rates of a gap, of the groups where each is estimated."""
    by_group = GroupedRows(
        of_row=measuring.of_row, groups=measuring.groups, clusters=measuring.clusters, weights=measuring.weights
    )
    return [
        by_group.shares(measuring.hits(rate, decided), measuring.among(rate)).among(measuring.estimated(rate))
        for rate in GAPS[name]
    ]


def _gap_limits(rates: list[Shares]) -> tuple[float, float, float]:
    """A gap between its limits for all pairs of groups at once; the lower one may be below 0."""
    level = sidak_level(LEVEL, sum(math.comb(len(shares), 2) for shares in rates))
    values, lows, highs = zip(*(pair_differences(shares.limited(level)) for shares in rates), strict=True)
    return max(values), max(lows), max(highs)


def _gap_influence(measuring: Measuring, name: str, decided: Mask) -> Numbers:
    """How far each row moves a gap, shape `(rows,)`: the difference of the two groups that it is between."""
    widest, moved = -1.0, np.zeros(len(decided))
    counted = np.ones(len(decided)) if measuring.weights is None else measuring.weights
    for rate in GAPS[name]:
        hits, among = measuring.hits(rate, decided), measuring.among(rate)
        parts = {
            int(group): (hits & among & measuring.rows_of(group), among & measuring.rows_of(group))
            for group in measuring.estimated(rate)
        }
        rates = {group: float(counted @ hit) / float(counted @ rows) for group, (hit, rows) in parts.items()}
        highest, lowest = max(rates, key=lambda group: rates[group]), min(rates, key=lambda group: rates[group])
        if rates[highest] - rates[lowest] > widest:
            widest = rates[highest] - rates[lowest]
            sides = [
                ratio_of_means_influence(counted * parts[group][0], counted * parts[group][1])
                for group in (highest, lowest)
            ]
            moved = sides[0] - sides[1]
    return moved


def _correlation(measuring: Measuring, first: Numbers, second: Numbers) -> float:
    """Of two estimates on the same rows, by how far rows, or clusters of them, move both; 0 where one is moved by none."""
    if measuring.clusters is not None:
        first, second = measuring.clusters.sums(first), measuring.clusters.sums(second)
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length else 0.0


def _grouped(measuring: Measuring, among: Mask | None = None) -> GroupedRows:
    """All rows, or some, as one group."""
    rows = np.ones(len(measuring.y_true), dtype=np.bool_) if among is None else among
    return GroupedRows(
        of_row=np.zeros(int(rows.sum()), dtype=np.int64),
        groups=1,
        clusters=None if measuring.clusters is None else measuring.clusters.among(rows),
        weights=None if measuring.weights is None else measuring.weights[rows],
    )


def _estimate(value: float | None, low: float | None, high: float | None, method: str) -> IntervalEstimate:
    known = value is not None and low is not None and high is not None and np.isfinite([low, high]).all()
    return IntervalEstimate(
        estimate=value,
        low=low if known else None,
        high=high if known else None,
        level=LEVEL,
        method=method,
        reason=None if known else "too_few_clusters",
    )
