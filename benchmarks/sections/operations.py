"""Tensor operations and host reads of each explained row: free of noise, and what decides on a GPU."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.lines import Line
from benchmarks.methods import Method
from benchmarks.section import Scale, Section
from benchmarks.workloads import Table, table

NAME = "operations"
_ROWS = 300


def run(scale: Scale) -> Section:
    """One call for 300 rows of bc30, and one for 600 to see whether the host reads anything for each row."""
    workload = table("bc30", scale.device)
    lines = []
    kinds: tuple[tuple[str, float | None, Method[Table], Method[Table]], ...] = (
        ("SHAP, one round, factored", 2, ours.walks(1, _ROWS), ours.walks(1, 2 * _ROWS)),
        (
            "SHAP, one round, opaque module",
            16,
            ours.walks(1, _ROWS, given="opaque module"),
            ours.walks(1, 2 * _ROWS, given="opaque module"),
        ),
        (
            "integrated gradients, 50 steps",
            1,
            ours.integrated_gradients(_ROWS),
            ours.integrated_gradients(2 * _ROWS),
        ),
        ("LIME, shared perturbations", None, ours.lime_weights(_ROWS), ours.lime_weights(2 * _ROWS)),
    )
    for claim, floor, few, many in kinds:
        lines += _lines(workload, claim, floor, few, many)
    return Section(name=NAME, lines=lines)


def _lines(workload: Table, claim: str, floor: float | None, few: Method[Table], many: Method[Table]) -> list[Line]:
    from auditbench.testing import count_operations

    counts = []
    for method in (few, many):
        with count_operations() as count:
            method.explain(workload, workload.rows[: method.rows], 0)
        counts.append(count)
    first, second = counts
    return [
        Line(
            section=NAME,
            claim=f"bc30: operations of each explained row, {claim}",
            measured=first.operations / few.rows,
            floor=floor,
            at_least=False,
            detail=f"{first.operations} for {few.rows} rows, {second.operations} for {many.rows}",
        ),
        Line(
            section=NAME,
            claim=f"bc30: host reads of each further row, {claim}",
            measured=(second.host_reads - first.host_reads) / (many.rows - few.rows),
            floor=0,
            at_least=False,
            detail=f"{first.host_reads} for {few.rows} rows, {second.host_reads} for {many.rows}",
        ),
    ]
