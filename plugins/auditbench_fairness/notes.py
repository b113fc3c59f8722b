"""What a reader of `fairness` has to know: how numbers were made, and what they do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.bands import MISSING_GROUP
from auditbench.findings import Message
from auditbench.results import Note
from auditbench.statistics import FEWEST_CLUSTERS, clusters_of
from auditbench_fairness.groups import Grouping
from auditbench_fairness.measures import SMALLEST_SHOWN, message
from auditbench_fairness.scores import BINS
from auditbench_fairness.setting import setting_of

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_fairness import Params

BETWEEN_VALUES = "|"
"""Stands between several values of one attribute."""


def notes_of(context: AuditContext, params: Params, groupings: tuple[Grouping, ...]) -> tuple[Note, ...]:
    """Methods, assumptions and limits of an analysis of these groupings."""
    regression = context.data.task == "regression"
    notes = [
        Note(kind="method", text=_decision_rule(context)),
        Note(
            kind="method",
            text=message("note.minimum", minimum_group=params.minimum_group, minimum_outcomes=params.minimum_outcomes),
        ),
        *_interval_notes(context),
        Note(kind="method", text=message("note.detectable")),
        Note(kind="limit", text=message("limit.simultaneous")),
        Note(kind="limit", text=message("limit.suppression", shown_from=SMALLEST_SHOWN)),
        Note(kind="limit", text=message("limit.recorded")),
        Note(kind="limit", text=message("limit.law")),
        *_value_notes(groupings),
        *_control_notes(context),
    ]
    if setting_of(context).kind == "binary":
        notes.append(Note(kind="method", text=message("note.scores", bins=BINS)))
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


def _control_notes(context: AuditContext) -> list[Note]:
    control = context.data.facts.control
    if not control:
        return []
    if context.data.task in ("regression", "next-token"):
        return [Note(kind="limit", text=message("limit.control_task", names=", ".join(control)))]
    return [
        Note(kind="method", text=message("note.conditional", names=", ".join(control))),
        Note(kind="limit", text=message("limit.conditional")),
    ]


def _value_notes(groupings: tuple[Grouping, ...]) -> list[Note]:
    """What a missing value and several values at once count as."""
    alone = [grouping for grouping in groupings if grouping.depth == 1]
    notes = []
    if missing := [grouping.feature for grouping in alone if MISSING_GROUP in grouping.groups]:
        notes.append(Note(kind="limit", text=message("limit.missing_value", names=", ".join(missing))))
    several = {grouping.feature: [name for name in grouping.groups if BETWEEN_VALUES in name] for grouping in alone}
    if named := {feature: names for feature, names in several.items() if names}:
        shown = next(iter(named.values()))[0]
        notes.append(Note(kind="limit", text=message("limit.several_values", names=", ".join(named), value=shown)))
    return notes


def _interval_notes(context: AuditContext) -> list[Note]:
    data, ending = context.data, "_regression" if context.data.task == "regression" else ""
    clustered, weighted = clusters_of(data.clusters) is not None, data.weights is not None
    worth = "_worth" if clustered or weighted else ""
    comparisons = message("note.comparisons_worth") if worth else message(f"note.comparisons{ending}")
    notes = [
        Note(kind="method", text=message(f"note.intervals{worth}{ending}")),
        Note(kind="method", text=comparisons),
    ]
    if clustered:
        notes.append(Note(kind="assumption", text=message("note.clusters", minimum=FEWEST_CLUSTERS)))
    if weighted:
        notes.append(Note(kind="method", text=message("note.weights", name=data.facts.weights)))
    return notes


def _decision_rule(context: AuditContext) -> Message:
    classes, threshold = context.data.classes, context.model.facts.threshold
    if context.data.task == "regression":
        return message("note.regression")
    if len(classes) == 2:
        return message("note.binary", positive=classes[1], threshold=0.5 if threshold is None else threshold)
    return message("note.multiclass")
