"""Numbers of groups that are means over their rows, or move with rows as means do, and what differs between groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import (
    Contrast,
    GroupedRows,
    GroupMeans,
    IntervalEstimate,
    contrast_intervals,
    contrast_p_values,
    largest_contrast,
    largest_difference_derivatives,
    largest_difference_to_derivatives,
    largest_mean_difference_of,
    minimum_detectable_mean_difference,
    sidak_level,
)
from auditbench_fairness.comparisons import Comparison, positive_p_value
from auditbench_fairness.disparities import LEVEL, POWER
from auditbench_fairness.groups import Grouping
from auditbench_fairness.influences import RowInfluence, mean_influence_by_group
from auditbench_fairness.measures import disparity_metric, group_metric
from auditbench_fairness.rates import Mask
from auditbench_fairness.summary import Measured, Summary

if TYPE_CHECKING:
    from auditbench_fairness import Params

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measure:
    """One number of every group of a grouping.

    Attributes:
        values: Shape `(rows,)`, whose mean over a group is its number, and whose spread its uncertainty.
        groups: The numbers with their errors; `contrast` also those of all other rows, None where such have no meaning.
        reasons: Why a group has no number, one a group; None where it has.
        weighted: Whether rows count unequally.
        least: Smallest value there can be, `most` the largest; bounds of intervals are cut there.
    """

    name: str
    unit: str
    values: Numbers
    groups: GroupMeans
    contrast: Contrast[GroupMeans] | None
    reasons: tuple[Message | None, ...]
    weighted: bool = False
    least: float = -np.inf
    most: float = np.inf

    @property
    def estimated(self) -> Mask:
        """Which groups have a number, shape `(groups,)`."""
        return np.array([reason is None for reason in self.reasons], dtype=np.bool_)


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: sizes are kept once they are known
class MeanQuestion:
    """A grouping of the rows, and what is measured of its groups."""

    grouping: Grouping
    rows: GroupedRows
    measures: Sequence[Measure]

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows of each group."""
        return np.bincount(self.rows.of_row, minlength=self.rows.groups)

    @property
    def plain(self) -> bool:
        """Whether rows are independent and count once each."""
        return self.rows.clusters is None and self.rows.weights is None


def measure_means(question: MeanQuestion, params: Params, room: int) -> Measured:
    """Numbers of groups, differences and comparisons; `room` is how many metrics may say what each row does to them."""
    listed = sorted(np.argsort(-question.sizes, kind="stable")[: params.most_groups].tolist())
    measures = question.measures
    overall = [each for each in measures if each.contrast is not None and params.reference == "overall"]
    gaps = len(measures) + len(overall)
    summaries = [_difference(question, each, by_row=gaps <= room) for each in measures]
    summaries += [_to_overall(question, each, by_row=gaps <= room) for each in overall]
    by_row = gaps + len(measures) * len(listed) <= room
    clusters = question.rows.clusters_of_groups()
    return Measured(
        group_metrics=[
            _group_metric(question, each, group, None if clusters is None else int(clusters[group]), by_row=by_row)
            for group in listed
            for each in measures
        ],
        disparity_metrics=[summary.metric for summary in summaries],
        summaries=summaries,
        comparisons=_comparisons(question, listed),
    )


def _group_metric(
    question: MeanQuestion, measure: Measure, group: int, clusters: int | None, *, by_row: bool
) -> Metric:
    reason = measure.reasons[group]
    limits = measure.groups.limited(LEVEL)
    low, high = float(limits.low[group]), float(limits.high[group])
    influence = None
    if by_row and reason is None and not np.isnan(measure.groups.error[group]):
        itself = np.arange(question.rows.groups) == group
        influence = mean_influence_by_group(measure.values, question.rows, itself)
    return group_metric(
        measure.name,
        None if reason is not None else float(measure.groups.mean[group]),
        None if reason is not None or np.isnan(low) else (max(low, measure.least), min(high, measure.most)),
        n=int(question.sizes[group]),
        clusters=None if reason is not None else clusters,
        where={"feature": question.grouping.feature, "group": question.grouping.groups[group]},
        method=_method(question, measure),
        unit=measure.unit,
        reason=reason,
        influence=influence,
    )


def _method(question: MeanQuestion, measure: Measure) -> str:
    ending = "logit-t" if measure.groups.log_odds else "student-t"
    if question.plain:
        return ending
    return f"weighted-{ending}" if question.rows.clusters is None else f"cluster-{ending}"


def _difference(question: MeanQuestion, measure: Measure, *, by_row: bool) -> Summary:
    """The largest difference between two groups."""
    places = np.flatnonzero(measure.estimated)
    known = measure.groups.among(places)
    estimate = largest_mean_difference_of(known, level=LEVEL)
    if estimate.estimate is None:
        return _summary(question, measure, f"{measure.name}_difference", estimate)
    low, high = int(np.argmin(known.mean)), int(np.argmax(known.mean))
    pairs = len(places) * (len(places) - 1) // 2
    influence = None
    if by_row and not np.isnan(known.error[[low, high]]).any():
        derivatives = np.zeros(len(measure.groups))
        derivatives[places] = largest_difference_derivatives(known.mean)
        influence = mean_influence_by_group(measure.values, question.rows, derivatives)
    names = question.grouping.groups
    return _summary(
        question,
        measure,
        f"{measure.name}_difference",
        estimate,
        lowest=names[places[low]],
        highest=names[places[high]],
        detectable=_detectable(float(known.error[low]), float(known.error[high]), pairs),
        influence=influence,
    )


def _to_overall(question: MeanQuestion, measure: Measure, *, by_row: bool) -> Summary:
    """The largest difference of a group to all rows."""
    places = np.flatnonzero(measure.estimated)
    if measure.contrast is None:
        raise ValueError("expected a measure whose other rows have a meaning")
    contrast = measure.contrast.among(places)
    estimate, name = largest_contrast(contrast, level=LEVEL), f"{measure.name}_difference_to_overall"
    if estimate.estimate is None:
        return _summary(question, measure, name, estimate)
    farthest = int(np.argmax(np.abs(contrast.part * contrast.gap)))
    influence = None
    if by_row:
        weights = question.rows.weights
        slopes = largest_difference_to_derivatives(
            measure.groups.mean[places], float(np.average(measure.values, weights=weights))
        )
        derivatives = np.zeros(len(measure.groups))
        derivatives[places] = slopes[:-1]
        influence = mean_influence_by_group(measure.values, question.rows, derivatives, float(slopes[-1]))
    own, rest = float(contrast.own.error[farthest]), float(contrast.rest.error[farthest])
    found = _detectable(own, rest, max(1, len(places) * (len(places) - 1) // 2))
    return _summary(
        question,
        measure,
        name,
        estimate,
        farthest=question.grouping.groups[places[farthest]],
        detectable=None if found is None else found * float(contrast.part[farthest]),
        influence=influence,
    )


def _summary(
    question: MeanQuestion,
    measure: Measure,
    name: str,
    estimate: IntervalEstimate,
    *,
    lowest: str = "",
    highest: str = "",
    farthest: str = "",
    detectable: float | None = None,
    influence: RowInfluence | None = None,
) -> Summary:
    estimated, clusters = measure.estimated, question.rows.clusters
    known = estimate.estimate is not None
    metric = disparity_metric(
        name,
        estimate,
        n=int(question.sizes[estimated].sum()),
        clusters=None if clusters is None or not known else clusters.among(estimated[question.rows.of_row]).count,
        where={"feature": question.grouping.feature},
        unit=measure.unit,
        influence=influence,
    )
    return Summary(
        metric=metric,
        compared=question.grouping.named(estimated),
        left_out=int((question.sizes[~estimated] > 0).sum()),
        lowest=lowest,
        highest=highest,
        farthest=farthest,
        detectable=detectable,
    )


def _detectable(own: float, other: float, pairs: int) -> float | None:
    if np.isnan(own) or np.isnan(other):
        return None
    return minimum_detectable_mean_difference(own, other, level=sidak_level(LEVEL, pairs), power=POWER)


def _comparisons(question: MeanQuestion, listed: list[int]) -> list[Comparison]:
    """Each group against all other rows, by every measure for which these have a meaning."""
    sizes = question.sizes
    if int((sizes > 0).sum()) == 2:
        listed = [group for group in listed if sizes[group]][:1]  # the second one would be the first one mirrored
    found = []
    for group in listed:
        for measure in question.measures:
            few = min(int(sizes[group]), int(sizes.sum() - sizes[group])) < 2
            if measure.contrast is None or measure.reasons[group] is not None or few:
                continue
            if not np.isnan(measure.contrast.gap[group]):
                found.append(_comparison(question, measure, measure.contrast, group))
    return found


def _comparison(question: MeanQuestion, measure: Measure, contrast: Contrast[GroupMeans], group: int) -> Comparison:
    one = contrast.among(np.array([group]))
    if question.plain:
        own = question.rows.of_row == group
        low, high, p_value = _welch(measure.values[own], measure.values[~own])
    else:
        interval = contrast_intervals(one)
        low, high, p_value = float(interval.low[0]), float(interval.high[0]), float(contrast_p_values(one)[0])
    return Comparison(
        where={"feature": question.grouping.feature, "group": question.grouping.groups[group]},
        measure=measure.name,
        value=float(one.own.values[0]),
        rest=float(one.rest.values[0]),
        low=None if np.isnan(low) else low,
        high=None if np.isnan(high) else high,
        n=int(question.sizes[group]),
        p_value=positive_p_value(p_value),
        detectable=_detectable(float(one.own.error[0]), float(one.rest.error[0]), 1),
    )


def _welch(own: Numbers, rest: Numbers) -> tuple[float, float, float]:
    """95% interval of the difference of means and two-sided p-value, NaN where nothing varies.

    Source: Welch (1947), Biometrika 34:28.
    """
    gap = float(own.mean() - rest.mean())
    parts = np.array([own.var(ddof=1) / len(own), rest.var(ddof=1) / len(rest)])
    variance = float(parts.sum())
    if variance == 0:
        return gap, gap, np.nan
    freedom = variance**2 / float((parts**2 / np.array([len(own) - 1, len(rest) - 1])).sum())
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * np.sqrt(variance)
    return gap - half, gap + half, float(2.0 * special.stdtr(freedom, -abs(gap) / np.sqrt(variance)))
