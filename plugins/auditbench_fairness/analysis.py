"""From decisions and sensitive features to the result of `fairness`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from auditbench.results import AnalysisResult, Table
from auditbench.statistics import MOST_INFLUENCES, clusters_of
from auditbench_fairness.classification import measure_classifier
from auditbench_fairness.comparisons import comparison_table
from auditbench_fairness.conditional import condition_table, reversal_findings, strata_of
from auditbench_fairness.few_classes import few_classes
from auditbench_fairness.group_codes import code_groups
from auditbench_fairness.group_counts import count_groups
from auditbench_fairness.groups import groupings_of
from auditbench_fairness.notes import notes_of
from auditbench_fairness.questions import Rows
from auditbench_fairness.regression import measure_regression
from auditbench_fairness.rules import findings
from auditbench_fairness.scores import measure_scores
from auditbench_fairness.setting import Setting, setting_of
from auditbench_fairness.summary import Measured, disparity_table, group_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_fairness import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure what the model decides and how it scores in each group of each sensitive feature, and what differs.

    Raises:
        ModelError: Outputs that are NaN or infinite, from which no decision follows.
    """
    outputs = context.finite_outputs()
    data, y_pred = context.data, context.model.decisions(outputs)
    setting, control = setting_of(context), data.facts.control
    cells, row_cells = code_groups(data.sensitive_features).row_cells()
    groupings = groupings_of(cells, params.intersections)
    scores, label_spread = Measured(), None
    if setting.kind == "values":
        label_spread = float(np.std(data.y_true))
        measured = measure_regression(context, params, row_cells, groupings, y_pred, MOST_INFLUENCES)
    else:
        rows, by_cell = _rows(context, params, row_cells, y_pred)
        measured = measure_classifier(params, by_cell, groupings, rows, MOST_INFLUENCES)
    if setting.kind == "binary":
        room = MOST_INFLUENCES - len(row_cells) * measured.with_influence
        scores = measure_scores(context, params, row_cells, groupings, room)
    return AnalysisResult(
        metrics=(
            *(*measured.group_metrics, *scores.group_metrics),
            *(*measured.disparity_metrics, *scores.disparity_metrics),
        ),
        tables=tuple(_tables(measured, scores, control, setting)),
        notes=notes_of(context, params, groupings),
        findings=(*findings(measured, params, label_spread), *reversal_findings(measured.conditions, control)),
    )


def _rows(
    context: AuditContext, params: Params, row_cells: npt.NDArray[np.int64], y_pred: npt.NDArray[Any]
) -> tuple[Rows, npt.NDArray[np.int64]]:
    """The rows, and how many there are by cell, label and decision.

    No token of a language model is compared with the others, for a record lists no vocabulary.
    """
    data, tokens = context.data, context.data.task == "next-token"
    few = few_classes(data.y_true, y_pred, data.classes, 0 if tokens else params.most_classes)
    counts = count_groups(y_true=few.y_true, y_pred=few.y_pred, groups=data.sensitive_features, classes=few.size)
    rows = Rows(
        cells=row_cells,
        classes=few,
        clusters=clusters_of(data.clusters),
        weights=data.weights,
        strata=strata_of(data.control_features) if data.control_features and not tokens else None,
    )
    return rows, counts.table


def _tables(measured: Measured, scores: Measured, control: tuple[str, ...], setting: Setting) -> list[Table]:
    tables = [group_table(measured, setting)]
    if scores.group_metrics:
        tables.append(group_table(scores, setting, "scores"))
        tables.append(disparity_table(scores.summaries, setting, "score_disparities"))
    tables.append(disparity_table(measured.summaries, setting))
    if comparisons := [*measured.comparisons, *scores.comparisons]:
        tables.append(comparison_table(comparisons, setting))
    if measured.conditions:
        tables.append(condition_table(measured.conditions, control, setting))
    return tables
