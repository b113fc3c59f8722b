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
    IntervalEstimate,
    largest_mean_difference,
    largest_mean_difference_to_overall,
    mean_intervals,
)
from auditbench_fairness.comparisons import Comparison, positive_p_value
from auditbench_fairness.groups import Grouping
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

    Args:
        row_cells: Cell of each row, shape `(rows,)`.
    """
    error = y_pred - context.data.y_true
    values = np.stack([y_pred, error, np.abs(error)], axis=1).astype(np.float64)
    measured = Measured()
    for grouping in groupings:
        row_groups = grouping.cell_groups[row_cells]
        measured.add(_grouping(grouping, row_groups, values, params))
    return measured


def _grouping(grouping: Grouping, row_groups: Rows, values: Numbers, params: Params) -> Measured:
    sizes = np.bincount(row_groups, minlength=len(grouping.groups))
    estimated = sizes >= params.minimum_group
    listed = sorted(np.argsort(-sizes, kind="stable")[: params.most_groups].tolist())
    summaries = _disparities(grouping, row_groups, values, estimated, params)
    return Measured(
        group_metrics=[
            metric
            for group in listed
            for metric in _group_metrics(grouping, group, values[row_groups == group], params)
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


def _group_metrics(grouping: Grouping, group: int, values: Numbers, params: Params) -> list[Metric]:
    n = len(values)
    where = {"feature": grouping.feature, "group": grouping.groups[group]}
    reason: Message | None = None
    if n < params.minimum_group:
        reason = small_group(n, params.minimum_group)
    means = mean_intervals(values)
    metrics = []
    for index, name in enumerate(MEANS):
        value, low, high = (float(part[index]) for part in (means.estimate, means.low, means.high))
        bounds = None if reason is not None or math.isnan(low) else (low, high)
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
            )
        )
    return metrics


def _disparities(
    grouping: Grouping, row_groups: Rows, values: Numbers, estimated: Mask, params: Params
) -> list[Summary]:
    """Differences between the means of groups, then to those of all rows where wanted."""
    sizes, means, variances = _moments(row_groups, values, len(grouping.groups))
    known = (sizes[estimated], means[estimated], variances[estimated])
    overall = len(values), values.mean(axis=0), values.var(axis=0) * len(values) / max(1, len(values) - 1)
    found = {f"{name}_difference": _gap(known, column) for column, name in enumerate(MEANS)}
    if params.reference == "overall":
        found |= {
            f"{name}_difference_to_overall": _gap_to_overall(known, overall, column)
            for column, name in enumerate(MEANS)
        }
    return [
        Summary(
            metric=disparity_metric(
                name, estimate, n=int(sizes[estimated].sum()), where={"feature": grouping.feature}, unit="value"
            ),
            compared=int(estimated.sum()),
            left_out=int((sizes[~estimated] > 0).sum()),
        )
        for name, estimate in found.items()
    ]


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
