"""Means of groups of a regression model: prediction, error and absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from auditbench.findings import Message
from auditbench.statistics import FEWEST_CLUSTERS, GroupedRows, clusters_of
from auditbench_fairness.groups import Grouping
from auditbench_fairness.means import MeanQuestion, Measure, measure_means
from auditbench_fairness.measures import few_clusters, no_weight, small_group
from auditbench_fairness.summary import GroupLine, Measured

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_fairness import Params

MEANS = ("mean_prediction", "mean_error", "mean_absolute_error")


def measure_regression(
    context: AuditContext,
    params: Params,
    row_cells: npt.NDArray[np.int64],
    groupings: tuple[Grouping, ...],
    y_pred: npt.NDArray[Any],
    room: int,
) -> Measured:
    """Means, differences and comparisons of a regression model whose predictions are `y_pred`.

    Metrics say what each row does to them in the order of `measure_classifier`.

    Args:
        row_cells: Cell of each row, shape `(rows,)`.
        room: How many numbers may say what rows do to metrics.
    """
    data, error = context.data, y_pred - context.data.y_true
    columns = dict(zip(MEANS, (y_pred.astype(np.float64), error, np.abs(error)), strict=True))
    clusters = clusters_of(data.clusters)
    measured = Measured()
    for grouping in groupings:
        rows = GroupedRows(
            of_row=grouping.cell_groups[row_cells],
            groups=len(grouping.groups),
            clusters=clusters,
            weights=data.weights,
        )
        reasons = group_reasons(rows, params.minimum_group)
        measures = []
        for name, values in columns.items():
            contrast = rows.mean_contrast(values)
            measures.append(
                Measure(
                    name=name,
                    unit="value",
                    values=values,
                    groups=contrast.own,
                    contrast=contrast,
                    reasons=reasons,
                    weighted=data.weights is not None,
                    least=0.0 if name == "mean_absolute_error" else -np.inf,
                )
            )
        question = MeanQuestion(grouping=grouping, rows=rows, measures=measures)
        found = measure_means(question, params, room // max(1, len(error)))
        room -= len(error) * found.with_influence
        measured.add(found)
        measured.lines += [
            GroupLine(
                feature=grouping.feature,
                group=name,
                depth=grouping.depth,
                n=int(question.sizes[index]),
                estimated=reasons[index] is None,
                effective=_effective(measures[0], index),
            )
            for index, name in enumerate(grouping.groups)
        ]
    return measured


def _effective(measure: Measure, group: int) -> float | None:
    """Kish's number of a group of weighted rows that do not depend on each other."""
    groups = measure.groups
    known = measure.weighted and groups.correlation is None and measure.reasons[group] is None
    return float(groups.freedom[group]) + 1.0 if known else None


def group_reasons(rows: GroupedRows, minimum: int) -> tuple[Message | None, ...]:
    """Why nothing is estimated of a group: too few rows, too few clusters, or rows of no weight; None where nothing says so."""
    sizes = np.bincount(rows.of_row, minlength=rows.groups)
    clusters = rows.clusters_of_groups()
    weight = np.bincount(rows.of_row, rows.weights, minlength=rows.groups)

    def reason(group: int) -> Message | None:
        if sizes[group] < minimum:
            return small_group(int(sizes[group]), minimum)
        if clusters is not None and clusters[group] < FEWEST_CLUSTERS:
            return few_clusters()
        return None if weight[group] > 0 else no_weight()

    return tuple(reason(group) for group in range(rows.groups))
