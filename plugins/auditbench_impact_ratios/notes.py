"""How the tables were made, what the law says of them, and what they do not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditbench.results import Note
from auditbench.statistics import FEWEST_CLUSTERS, clusters_of
from auditbench_impact_ratios.measures import SMALLEST_SHOWN, message

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_impact_ratios import Params
    from auditbench_impact_ratios.categories import Categories
    from auditbench_impact_ratios.roles import Roles
    from auditbench_impact_ratios.rule import Rule


def notes(
    context: AuditContext, params: Params, roles: Roles, rules: Sequence[Rule], counted: Sequence[Categories]
) -> tuple[Note, ...]:
    """The notes of the section."""
    return (
        Note(kind="how_to_read", text=message("note.ratio")),
        *(Note(kind="method", text=message(f"{rule.told_as}.note", **rule.words)) for rule in rules),
        *_row_notes(params, roles, counted),
        *_interval_notes(context, rules),
        *_law_notes(rules, params, counted),
        *([] if context.data.weights is None else [Note(kind="limit", text=message("limit.weights"))]),
    )


def _row_notes(params: Params, roles: Roles, counted: Sequence[Categories]) -> list[Note]:
    """What tells sex and race, and which rows are in no category."""
    named = ", ".join(params.unknown)
    found = [
        Note(kind="assumption", text=message(f"note.{part}", feature=" & ".join(features)))
        for part, features in roles.parts.items()
        if part != "sex_and_race"
    ]
    if not roles.sex or not roles.race:
        found.append(Note(kind="limit", text=message("limit.no_race" if roles.sex else "limit.no_sex")))
    for categories in counted:
        text = message(
            "note.unknown" if named else "note.unknown_missing",
            feature=categories.feature,
            n=categories.unknown,
            total=len(categories.known),
            names=named,
        )
        found.append(Note(kind="method", text=text))
    hidden = message("limit.minimum", minimum=params.minimum_group, shown_from=SMALLEST_SHOWN)
    return [*found, Note(kind="limit", text=hidden)]


def _interval_notes(context: AuditContext, rules: Sequence[Rule]) -> list[Note]:
    clusters = clusters_of(context.data.clusters)
    selection = any(rule.mode == "selection" for rule in rules)
    if clusters is not None:
        words = {"clusters": clusters.count, "fewest": FEWEST_CLUSTERS}
        found = [Note(kind="method", text=message("note.cluster_intervals", **words))]
        found += [Note(kind="limit", text=message("limit.no_test"))] if selection else []
    else:
        found = [Note(kind="method", text=message("note.intervals"))]
        found += [Note(kind="method", text=message("note.test"))] if selection else []
    return found


def _law_notes(rules: Sequence[Rule], params: Params, counted: Sequence[Categories]) -> list[Note]:
    positive = next((rule.words["positive"] for rule in rules if "positive" in rule.words), None)
    wished = message("limit.wished_value") if positive is None else message("limit.wished", positive=positive)
    found = [Note(kind="limit", text=wished), Note(kind="limit", text=message("limit.local_law"))]
    if any(rule.mode == "selection" for rule in rules):
        found.append(Note(kind="limit", text=message("limit.four_fifths")))
    if params.smallest_category and any(categories.of("left_out") for categories in counted):
        found.append(Note(kind="limit", text=message("limit.left_out", share=params.smallest_category)))
    return [*found, Note(kind="limit", text=message("limit.recorded"))]
