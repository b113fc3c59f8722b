"""From decisions and sensitive features to the result of `fairness`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Note
from auditbench.statistics import clusters_of
from auditbench_fairness.classification import Rows, measure_classifier
from auditbench_fairness.comparisons import comparison_table
from auditbench_fairness.dependent_rows import without_intervals
from auditbench_fairness.few_classes import few_classes
from auditbench_fairness.group_codes import code_groups
from auditbench_fairness.group_counts import count_groups
from auditbench_fairness.groups import Grouping, groupings_of
from auditbench_fairness.measures import message
from auditbench_fairness.regression import measure_regression
from auditbench_fairness.rules import findings
from auditbench_fairness.summary import disparity_table, group_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_fairness import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure what the model decides for each group of each sensitive feature, and what differs between groups.

    Raises:
        ModelError: Outputs that are NaN or infinite, from which no decision follows.
    """
    outputs = context.finite_outputs()
    data, y_pred = context.data, context.model.decisions(outputs)
    regression = data.task == "regression"
    cells, row_cells = code_groups(data.sensitive_features).row_cells()
    if regression:
        groupings = groupings_of(cells, params.intersections)
        measured = measure_regression(context, params, row_cells, groupings, y_pred)
    else:
        few = few_classes(data.y_true, y_pred, data.classes, _most_compared(context, params))
        counts = count_groups(y_true=few.y_true, y_pred=few.y_pred, groups=data.sensitive_features, classes=few.size)
        groupings = groupings_of(counts.cells, params.intersections)
        measured = measure_classifier(params, counts.table, groupings, Rows(cells=row_cells, classes=few))
    if (clusters := clusters_of(data.clusters)) is not None:
        measured = without_intervals(measured, clusters, groupings, row_cells)
    tables = [group_table(measured.group_metrics), disparity_table(measured.summaries)]
    if measured.comparisons:
        tables.append(comparison_table(measured.comparisons))
    return AnalysisResult(
        metrics=(*measured.group_metrics, *measured.disparity_metrics),
        tables=tuple(tables),
        notes=_notes(context, params, groupings),
        findings=findings(measured, params, float(np.std(context.data.y_true)) if regression else None),
    )


def _notes(context: AuditContext, params: Params, groupings: tuple[Grouping, ...]) -> tuple[Note, ...]:
    regression = context.data.task == "regression"
    notes = [
        Note(kind="method", text=_decision_rule(context)),
        Note(
            kind="method",
            text=message("note.minimum", minimum_group=params.minimum_group, minimum_outcomes=params.minimum_outcomes),
        ),
        *_interval_notes(context),
        Note(kind="limit", text=message("limit.recorded")),
        Note(kind="limit", text=message("limit.law")),
    ]
    if not regression:
        notes.append(Note(kind="limit", text=message("limit.rare")))
        notes.append(Note(kind="limit", text=message("limit.incompatible")))
        notes.append(Note(kind="limit", text=message("limit.reference_line", line=params.reference_line)))
    cut = [grouping.feature for grouping in groupings if len(grouping.groups) > params.most_groups]
    if cut:
        notes.append(Note(kind="limit", text=message("limit.most_groups", n=params.most_groups, names=", ".join(cut))))
    left_out = len(context.data.classes) - params.most_classes
    if context.data.task == "next-token":
        notes.append(Note(kind="limit", text=message("limit.tokens")))
    elif left_out > 0 and len(context.data.classes) > 2:
        notes.append(Note(kind="limit", text=message("limit.most_classes", n=left_out, most=params.most_classes)))
    return tuple(notes)


def _most_compared(context: AuditContext, params: Params) -> int:
    """Classes that are compared with the others; no token of a language model is, for a record lists no vocabulary."""
    return 0 if context.data.task == "next-token" else params.most_classes


def _interval_notes(context: AuditContext) -> tuple[Note, ...]:
    if clusters_of(context.data.clusters) is not None:
        return (Note(kind="limit", text=message("limit.dependent_rows")),)
    ending = "_regression" if context.data.task == "regression" else ""
    return (
        Note(kind="method", text=message(f"note.intervals{ending}")),
        Note(kind="method", text=message(f"note.comparisons{ending}")),
        Note(kind="limit", text=message("limit.simultaneous")),
    )


def _decision_rule(context: AuditContext) -> Message:
    classes, threshold = context.data.classes, context.model.facts.threshold
    if context.data.task == "regression":
        return message("note.regression")
    if len(classes) == 2:
        return message("note.binary", positive=classes[1], threshold=0.5 if threshold is None else threshold)
    return message("note.multiclass")
