"""Whether many rows cost as much each as few do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.lines import Line, times_line
from benchmarks.measure import measured
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

if TYPE_CHECKING:
    from benchmarks.methods import Method
    from benchmarks.workloads import Table

NAME = "scaling"
FEW, MANY = 200, 2000
_FLOOR = 1.0
_TURNS = {False: 3, True: 7}


def run(scale: Scale) -> Section:
    """Rows per second at 2,000 rows over those at 200."""
    workload = table("bc30" if scale.full else "syn12", scale.device)
    pairs: dict[str, tuple[Method[Table], Method[Table]]] = {
        "SHAP, one round": (ours.walks(1, FEW), ours.walks(1, MANY)),
        "LIME": (ours.lime_weights(FEW), ours.lime_weights(MANY)),
        "integrated gradients": (ours.integrated_gradients(FEW), ours.integrated_gradients(MANY)),
    }
    lines: list[Line] = []
    for claim, methods in pairs.items():
        named = [replace(method, name=f"{method.name}, {method.rows} rows") for method in methods]
        few, many = (
            found.point.timing
            for found in measured(workload, named, repeats=min(scale.repeats, _TURNS[scale.full])).values()
        )
        lines.append(
            times_line(
                NAME,
                f"{workload.name}: rows/s at {MANY:,} rows over those at {FEW}, {claim}",
                (f"{FEW} rows", few),
                (f"{MANY:,} rows", many),
                floor=_FLOOR,
            )
        )
    return Section(name=NAME, lines=lines)
