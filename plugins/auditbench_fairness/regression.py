"""Means of groups of a regression model: prediction, error and absolute error, and what differs between groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import (
    MOST_INFLUENCES,
    IntervalEstimate,
    largest_difference_derivatives,
    largest_difference_to_derivatives,
    largest_mean_difference,
    largest_mean_difference_to_overall,
    mean_intervals,
)
from auditbench_fairness.comparisons import Comparison, positive_p_value
from auditbench_fairness.groups import Grouping
from auditbench_fairness.influences import RowInfluence, mean_influence_by_group
from auditbench_fairness.measures import disparity_metric, group_metric, small_group
from auditbench_fairness.rates import Mask
from auditbench_fairness.summary import GroupLine, Measured, Summary

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_fairness import Params

Rows: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.float64]

MEANS = ("mean_prediction", "mean_error", "mean_absolute_error")


def measure_regression(
    context: AuditContext, params: Params, row_cells: Rows, groupings: tuple[Grouping, ...], y_pred: npt.NDArray[Any]
) -> Measured:
    """Means, differences and comparisons of a regression model whose predictions are `y_pred`.

    Metrics say what each row does to them in the order and up to the limit of `measure_classifier`.

    Args:
        row_cells: Cell of each row, shape `(rows,)`.
    """
    error = y_pred - context.data.y_true
    values = np.stack([y_pred, error, np.abs(error)], axis=1).astype(np.float64)
    measured, room = Measured(), MOST_INFLUENCES
    for grouping in groupings:
        found = _grouping(grouping, grouping.cell_groups[row_cells], values, params, room // max(1, len(values)))
        room -= len(values) * found.with_influence
        measured.add(found)
    return measured


def _grouping(grouping: Grouping, row_groups: Rows, values: Numbers, params: Params, room: int) -> Measured:
    """Everything about one grouping; `room` is how many metrics may say what each row does to them."""
    sizes = np.bincount(row_groups, minlength=len(grouping.groups))
    estimated = sizes >= params.minimum_group
    listed = sorted(np.argsort(-sizes, kind="stable")[: params.most_groups].tolist())
    gaps = len(MEANS) * (2 if params.reference == "overall" else 1)
    summaries = _disparities(grouping, row_groups, values, estimated, params, by_row=gaps <= room)
    by_row = gaps + len(MEANS) * len(listed) <= room
    return Measured(
        group_metrics=[
            metric
            for group in listed
            for metric in _group_metrics(grouping, group, row_groups, values, params, by_row=by_row)
        ],
        disparity_metrics=[summary.metric for summary in summaries],
        summaries=summaries,
        comparisons=_comparisons(grouping, row_groups, values, [group for group in listed if estimated[group]]),
        lines=[
            GroupLine(
                feature=grouping.feature,
                group=name,
                depth=grouping.depth,
                n=int(sizes[index]),
                estimated=bool(estimated[index]),
            )
            for index, name in enumerate(grouping.groups)
        ],
    )


def _group_metrics(
    grouping: Grouping, group: int, row_groups: Rows, values: Numbers, params: Params, *, by_row: bool
) -> list[Metric]:
    own = values[row_groups == group]
    n = len(own)
    where = {"feature": grouping.feature, "group": grouping.groups[group]}
    reason: Message | None = None
    if n < params.minimum_group:
        reason = small_group(n, params.minimum_group)
    means = mean_intervals(own)
    itself = np.arange(len(grouping.groups)) == group
    metrics = []
    for index, name in enumerate(MEANS):
        value, low, high = (float(part[index]) for part in (means.estimate, means.low, means.high))
        bounds = None if reason is not None or math.isnan(low) else (low, high)
        influence = None
        if by_row and reason is None:
            influence = mean_influence_by_group(values[:, index], row_groups, itself)
        metrics.append(
            group_metric(
                name,
                None if reason is not None else value,
                bounds,
                n=n,
                where=where,
                method=means.method,
                unit="value",
                reason=reason,
                influence=influence,
            )
        )
    return metrics


def _disparities(
    grouping: Grouping, row_groups: Rows, values: Numbers, estimated: Mask, params: Params, *, by_row: bool
) -> list[Summary]:
    """Differences between the means of groups, then to those of all rows where wanted."""
    sizes, means, variances = _moments(row_groups, values, len(grouping.groups))
    known = (sizes[estimated], means[estimated], variances[estimated])
    overall = len(values), values.mean(axis=0), values.var(axis=0) * len(values) / max(1, len(values) - 1)
    found = {(f"{name}_difference", column): _gap(known, column) for column, name in enumerate(MEANS)}
    if params.reference == "overall":
        found |= {
            (f"{name}_difference_to_overall", column): _gap_to_overall(known, overall, column)
            for column, name in enumerate(MEANS)
        }
    summaries = []
    for (name, column), estimate in found.items():
        influence = None
        if by_row and estimate.estimate is not None:
            centre = float(overall[1][column]) if name.endswith("_to_overall") else None
            influence = _gap_influence(values[:, column], row_groups, means[:, column], estimated, centre)
        metric = disparity_metric(
            name,
            estimate,
            n=int(sizes[estimated].sum()),
            where={"feature": grouping.feature},
            unit="value",
            influence=influence,
        )
        left_out = int((sizes[~estimated] > 0).sum())
        summaries.append(Summary(metric=metric, compared=grouping.named(estimated), left_out=left_out))
    return summaries


def _gap_influence(
    values: Numbers, row_groups: Rows, means: Numbers, estimated: Mask, overall: float | None
) -> RowInfluence | None:
    """Influence of each row on the largest difference between the estimated groups, or to the `overall` mean."""
    derivatives = np.zeros(len(means))
    if overall is None:
        derivatives[estimated] = largest_difference_derivatives(means[estimated])
        return mean_influence_by_group(values, row_groups, derivatives)
    slopes = largest_difference_to_derivatives(means[estimated], overall)
    derivatives[estimated] = slopes[:-1]
    return mean_influence_by_group(values, row_groups, derivatives, float(slopes[-1]))


def _moments(row_groups: Rows, values: Numbers, groups: int) -> tuple[Rows, Numbers, Numbers]:
    """Rows of each group, shape `(groups,)`, and means and variances, shape `(groups, columns)`; 0 where undefined."""
    sizes = np.bincount(row_groups, minlength=groups)

    def sums(columns: Numbers) -> Numbers:
        return np.stack([np.bincount(row_groups, column, minlength=groups) for column in columns.T], axis=1)

    means = sums(values) / np.maximum(sizes, 1)[:, np.newaxis]
    return sizes, means, sums((values - means[row_groups]) ** 2) / np.maximum(sizes - 1, 1)[:, np.newaxis]


def _gap(known: tuple[Rows, Numbers, Numbers], column: int) -> IntervalEstimate:
    sizes, means, variances = known
    return largest_mean_difference(sizes, means[:, column], variances[:, column])


def _gap_to_overall(
    known: tuple[Rows, Numbers, Numbers], overall: tuple[int, Numbers, Numbers], column: int
) -> IntervalEstimate:
    sizes, means, variances = known
    rows, mean, variance = overall
    return largest_mean_difference_to_overall(
        sizes, means[:, column], variances[:, column], (rows, float(mean[column]), float(variance[column]))
    )


def _comparisons(grouping: Grouping, row_groups: Rows, values: Numbers, groups: list[int]) -> list[Comparison]:
    if len(np.unique(row_groups)) == 2:
        groups = groups[:1]  # the second comparison would be the first one mirrored
    found = []
    for group in groups:
        own, rest = values[row_groups == group], values[row_groups != group]
        if len(own) < 2 or len(rest) < 2:
            continue
        gap = own.mean(axis=0) - rest.mean(axis=0)
        half, p_values = _welch(own, rest, gap)
        found += [
            Comparison(
                where={"feature": grouping.feature, "group": grouping.groups[group]},
                measure=name,
                value=float(own[:, index].mean()),
                rest=float(rest[:, index].mean()),
                low=float(gap[index] - half[index]),
                high=float(gap[index] + half[index]),
                n=len(own),
                p_value=positive_p_value(float(p_values[index])),
            )
            for index, name in enumerate(MEANS)
        ]
    return found


def _welch(own: Numbers, rest: Numbers, gap: Numbers) -> tuple[Numbers, Numbers]:
    """Half widths of the 95% intervals of the differences of means, and two-sided p-values; NaN where nothing varies.

    Source: Welch (1947), Biometrika 34:28.
    """
    parts = np.stack([own.var(axis=0, ddof=1) / len(own), rest.var(axis=0, ddof=1) / len(rest)])
    variance = parts.sum(axis=0)
    varies = variance > 0
    weight = np.divide(parts, variance, out=np.ones_like(parts), where=varies) ** 2
    freedom = 1.0 / (weight / np.array([[len(own) - 1], [len(rest) - 1]])).sum(axis=0)
    statistic = np.divide(np.abs(gap), np.sqrt(variance), out=np.full(gap.shape, np.nan), where=varies)
    return special.stdtrit(freedom, 0.975) * np.sqrt(variance), 2.0 * special.stdtr(freedom, -statistic)
