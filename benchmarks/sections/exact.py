"""Exact Shapley values by enumeration: how exact, and how fast."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.gold import GOLD_ROWS, table_gold
from benchmarks.lines import Line, times_line
from benchmarks.measure import measured
from benchmarks.peers import shap
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

NAME = "exact"
_ERROR_FLOOR = 1e-6
_SPEED_FLOOR = 2


def run(scale: Scale) -> Section:
    """Twelve features and 100 background rows, against shap's Kernel with its own number of coalitions."""
    workload = table("syn12", scale.device)
    gold = table_gold(workload, scale.rows(GOLD_ROWS, GOLD_ROWS))
    own = ours.exact(scale.rows(8, 4))
    kernel = next(method for method in shap.shap_methods(scale.rows(2, 1)) if method.name == shap.KERNEL)
    found = measured(workload, [own, kernel], repeats=scale.repeats, gold=gold)
    mine, theirs = found[own.name].point, found[kernel.name].point
    lines = (
        Line(
            section=NAME,
            claim="syn12: relative error of enumeration",
            measured=mine.error,
            floor=_ERROR_FLOOR,
            at_least=False,
            detail=f"{mine.model_rows:,.0f} model rows a row",
        ),
        times_line(
            NAME,
            "syn12: speed of enumeration against shap Kernel",
            (theirs.name, theirs.timing),
            (mine.name, mine.timing),
            floor=_SPEED_FLOOR,
        ),
    )
    return Section(name=NAME, lines=lines, measurements={workload.name: tuple(found.values())})
