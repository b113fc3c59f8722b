"""The most that explaining holds in memory at once: flat in rows, coalitions, steps and background rows.

Counted from what torch and numpy allocate, so that the figures are free of noise; inputs and returned arrays left out.
The memory of the process is not measured: when the C library gives freed bytes back to the system differs from run
to run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from auditbench.masking.block_sizes import MOST_TOGETHER
from benchmarks import memory
from benchmarks.lines import Line, missing_line
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

NAME = "memory"
Measure: TypeAlias = Callable[[], float]
_FLOOR = 1.25
_MIB = 1 << 20
_NOTE = (
    "live bytes of tensors and arrays, not the resident memory of the process, which the C library's allocator decides"
)


def run(scale: Scale) -> Section:
    """Of bc30; each figure from calls that fill their blocks, so that what grows is not a block that was half empty."""
    if scale.device != "cpu":
        lines = [missing_line(NAME, "bc30: most live bytes", "bytes are counted for the CPU alone")]
        return Section(name=NAME, lines=lines)
    lines = [_line(claim, few, many) for claim, few, many in _pairs(scale)]
    return Section(name=NAME, lines=lines, notes=[_NOTE])


def _pairs(scale: Scale) -> list[tuple[str, Measure, Measure]]:
    workload = table("syn12" if scale.tiny else "bc30")
    few, many = MOST_TOGETHER, MOST_TOGETHER * scale.rows(10, 3)
    walks, opaque = partial(memory.shap_walks, workload), partial(memory.shap_walks, workload, opaque=True)
    slopes, fits = partial(memory.gradients, workload), partial(memory.lime, workload)
    independent = partial(memory.lime, workload, independent=True)
    steps = 100 if scale.tiny else 500
    for warm in (walks, opaque, slopes, fits, independent):
        warm(2)  # what is imported at the first call is no memory of the call
    return [
        (f"SHAP, {few} and {many:,} rows", partial(walks, few), partial(walks, many)),
        (f"SHAP, opaque module, {few} and {many:,} rows", partial(opaque, few), partial(opaque, many)),
        ("SHAP, 1 and 4 rounds", partial(walks, few), partial(walks, few, rounds=4)),
        ("SHAP, 100 and 400 background rows", partial(walks, few), partial(walks, few, background=400)),
        (f"IG, {2 * few} and {20 * few:,} rows", partial(slopes, 2 * few), partial(slopes, 20 * few)),
        (f"IG, 50 and {steps} steps", partial(slopes, 2 * few), partial(slopes, 2 * few, steps=steps)),
        (f"LIME, {few} and {10 * few:,} rows", partial(fits, few), partial(fits, 10 * few)),
        (f"LIME, independent, {few // 20 + 1} and {few // 2} rows", partial(independent, few // 20 + 1),
         partial(independent, few // 2)),
    ]  # fmt: skip


def _line(claim: str, few: Measure, many: Measure) -> Line:
    less, more = few(), many()
    return Line(
        section=NAME,
        claim=f"bc30: most live bytes, {claim}",
        measured=more / less,
        floor=_FLOOR,
        at_least=False,
        detail=f"{less / _MIB:.1f} and {more / _MIB:.1f} MiB beside inputs and returned arrays",
    )
