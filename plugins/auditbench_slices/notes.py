"""How slices were found, and what that does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.results import Note
from auditbench_slices.study import Study, message

if TYPE_CHECKING:
    from auditbench.context import AuditContext


def notes(study: Study, context: AuditContext) -> tuple[Note, ...]:
    """Method, reading help and limits, those of an empty search too."""
    params, (first, second) = study.params, study.halves
    dependent = study.losses.clusters is not None
    halves = "note.halves_clusters" if dependent else "note.halves"
    found = [Note(kind="method", text=message(halves, rows=first + second, first=first, second=second))]
    if not study.slices:
        limit = message("limit.nothing_searched", minimum=params.minimum_rows, first=first)
        return (*found, Note(kind="limit", text=limit))
    test = "clusters" if dependent else "fisher" if study.losses.is_share else "welch"
    found += [
        Note(
            kind="method",
            text=message(
                "note.search",
                slices=study.slices,
                columns=study.columns,
                paired=study.paired,
                minimum=params.minimum_rows,
                rate=params.search_rate,
                worse=study.worse,
            ),
        ),
        Note(kind="method", text=message(f"note.test_{test}")),
        Note(
            kind="method",
            text=message(
                "note.confirmed",
                tested=len(study.tested),
                most=params.most_slices,
                added_rate=params.search_rate,
                rate=params.confirmation_rate,
            ),
        ),
        Note(kind="how_to_read", text=message("note.read" if study.confirmed else "note.nothing_confirmed")),
        Note(kind="limit", text=message("limit.where_not_why")),
        Note(kind="limit", text=message("limit.not_searched")),
    ]
    if dependent:
        found.append(Note(kind="limit", text=message("limit.clusters")))
    if context.data.weights is not None:
        found.append(Note(kind="limit", text=message("limit.weights")))
    return tuple(found)
