"""How the numbers were made, and what they do not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Note
from auditbench.statistics import FEWEST_CLUSTERS, Clusters
from auditbench_individual_fairness.alike import Alike
from auditbench_individual_fairness.measures import SMALLEST_SHOWN, message

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_individual_fairness import Params


def notes(
    context: AuditContext, params: Params, alike: Alike, benefits: object, clusters: Clusters | None
) -> tuple[Note, ...]:
    """The notes of the section.

    Args:
        benefits: A message where there are none.
    """
    return (
        *_alike_notes(context, params, alike, clusters),
        *_benefit_notes(context, params, benefits, clusters),
        *_group_notes(context, params),
        *([] if context.data.weights is None else [Note(kind="limit", text=message("limit.weights"))]),
    )


def _group_notes(context: AuditContext, params: Params) -> list[Note]:
    if not context.data.sensitive_features:
        return []
    return [Note(kind="limit", text=message("limit.minimum", minimum=params.minimum_group, shown_from=SMALLEST_SHOWN))]


def decision_words(context: AuditContext) -> dict[str, float | str]:
    """Positive label and threshold; nothing where there are none."""
    if context.data.task != "binary-classification":
        return {}
    threshold = context.model.facts.threshold
    return {"positive": context.data.classes[1], "threshold": 0.5 if threshold is None else threshold}


def _alike_notes(context: AuditContext, params: Params, alike: Alike, clusters: Clusters | None) -> list[Note]:
    if alike.distances is None:
        return []
    data = context.data
    given = {"binary-classification": "binary", "multiclass-classification": "multiclass"}.get(data.task, "value")
    sure = Note(kind="limit", text=message("limit.dependent_rows"))
    if clusters is None:
        sure = Note(kind="method", text=message("note.jackknife"))
    return [
        Note(kind="method", text=message(f"note.consistency_{given}", **decision_words(context))),
        Note(kind="method", text=message("note.neighbours", k=params.neighbours, n=alike.rows, total=len(data))),
        Note(kind="method", text=alike.distances),
        sure,
        Note(kind="limit", text=message("limit.similar")),
        Note(kind="limit", text=message("limit.constant")),
    ]


def _benefit_notes(context: AuditContext, params: Params, benefits: object, clusters: Clusters | None) -> list[Note]:
    if isinstance(benefits, Message):
        return [Note(kind="limit", text=benefits)]
    words = decision_words(context)
    drawn = message("note.bootstrap", replicates=params.replicates)
    if clusters is not None:
        counts = {"clusters": clusters.count, "replicates": params.replicates, "fewest": FEWEST_CLUSTERS}
        drawn = message("note.cluster_bootstrap", **counts)
    return [
        Note(kind="method", text=message(f"note.benefit_{'binary' if words else 'ratio'}", **words)),
        Note(kind="method", text=message("note.index", alpha=params.alpha)),
        Note(kind="method", text=drawn),
        Note(kind="limit", text=message("limit.between")),
        Note(kind="limit", text=message(f"limit.benefit_{'binary' if words else 'ratio'}")),
    ]
