"""From two models and the evaluated rows to the result of `parity`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from auditbench.findings import Finding
from auditbench.results import AnalysisResult, Cell, Column, Note, Table
from auditbench.statistics import clusters_of
from auditbench_parity.differences import Differences, measure_differences
from auditbench_parity.measures import ANALYZER, group_metrics, message, overall_metrics
from auditbench_parity.references import reference_model

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.models import ModelUnderTest
    from auditbench_parity import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Evaluate both models on every row and measure how far they are apart.

    Raises:
        AnalyzerNotPossible: There is no other model, or it takes other rows or answers another question.
        ConfigError: The model to compare with is not one of those that the config names.
        ModelError: An output of either model is not finite.
    """
    reference = reference_model(context, params.with_model)
    found = measure_differences(context, reference)
    clusters = clusters_of(context.data.clusters)
    features = context.data.sensitive_features
    measured = {name: groups for name, groups in features.items() if len(np.unique(groups)) <= params.most_groups}
    return AnalysisResult(
        metrics=(
            *overall_metrics(found, scale=context.model.facts.output, clusters=clusters),
            *group_metrics(found, measured, clusters=clusters),
        ),
        tables=_tables(context, found, params.shown_rows),
        notes=_notes(context, reference, params, left_out=[name for name in features if name not in measured]),
        findings=_findings(context, reference, found, params),
    )


def _findings(
    context: AuditContext, reference: ModelUnderTest, found: Differences, params: Params
) -> tuple[Finding, ...]:
    """`changed_decisions`: a row is decided otherwise. `outputs_differ`: a scaled difference above the tolerance."""
    findings = []
    changed = int(np.count_nonzero(found.decision != found.reference_decision))
    if context.data.classes and changed:
        findings.append(
            Finding(
                rule=f"{ANALYZER}.changed_decisions",
                severity="high",
                title=message(
                    "finding.changed_decisions", n=changed, rows=len(found.decision), reference=reference.facts.name
                ),
                action=message("finding.changed_decisions.action"),
                metrics=(f"{ANALYZER}.changed_decisions",),
            )
        )
    if found.scaled is not None and found.scaled > params.tolerance:
        findings.append(
            Finding(
                rule=f"{ANALYZER}.outputs_differ",
                severity="medium",
                title=message(
                    "finding.outputs_differ",
                    value=found.scaled,
                    tolerance=params.tolerance,
                    reference=reference.facts.name,
                ),
                action=message("finding.outputs_differ.action"),
                metrics=(f"{ANALYZER}.largest_scaled_difference",),
            )
        )
    if found.only_reference_is_zero:
        findings.append(
            Finding(
                rule=f"{ANALYZER}.outputs_differ",
                severity="medium",
                title=message("finding.reference_is_zero", reference=reference.facts.name),
                action=message("finding.outputs_differ.action"),
                metrics=(f"{ANALYZER}.largest_output_difference",),
            )
        )
    return tuple(findings)


def _tables(context: AuditContext, found: Differences, most: int) -> tuple[Table, ...]:
    """The rows that differ most; none where all are equal."""
    apart = found.output if found.output is not None else found.probability
    if apart is None:
        return ()
    order = np.argsort(-apart, kind="stable")[:most]
    chosen = [int(row) for row in order if apart[row] > 0]
    if not chosen:
        return ()
    named = context.data.task != "next-token"  # a record lists no vocabulary
    kind: Literal["text", "number"] = "text" if context.data.classes else "number"
    decisions = ("decision", found.decision), ("reference", found.reference_decision)
    return (
        Table(
            name="rows",
            title=message("rows", n=len(chosen)),
            columns=(
                Column(name="row", label=message("column.row")),
                Column(name="difference", label=message("column.difference"), kind="number"),
                *(Column(name=name, label=message(f"column.{name}"), kind=kind) for name, _ in decisions if named),
            ),
            rows=tuple(
                (
                    context.data.row_ids[row],
                    float(apart[row]),
                    *(_decided(context, decided[row]) for _, decided in decisions if named),
                )
                for row in chosen
            ),
        ),
    )


def _decided(context: AuditContext, decision: Any) -> Cell:
    return context.data.classes[int(decision)] if context.data.classes else float(decision)


def _notes(
    context: AuditContext, reference: ModelUnderTest, params: Params, *, left_out: list[str]
) -> tuple[Note, ...]:
    facts = reference.facts
    notes = [
        Note(
            kind="method",
            text=message(
                "note.rows",
                n=len(context.data),
                reference=facts.name,
                format=facts.format,
                digest=facts.digest[:12],
                audited=context.model.facts.format,
            ),
        ),
        Note(kind="method", text=message("note.scaled")),
        Note(kind="how_to_read", text=message("how_to_read.rounding")),
        Note(kind="limit", text=message("limit.rows")),
        Note(kind="limit", text=message("limit.correct")),
    ]
    if left_out:
        notes.append(
            Note(kind="limit", text=message("limit.most_groups", n=params.most_groups, names=", ".join(left_out)))
        )
    return tuple(notes)
