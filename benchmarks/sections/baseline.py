"""Shapley values of tables against one baseline, which is what captum computes."""

from __future__ import annotations

import numpy as np

from benchmarks import ours
from benchmarks.gold import gold_values
from benchmarks.lines import speed_line
from benchmarks.measure import measured
from benchmarks.peers import captum
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

NAME = "baseline"
FLOORS = {"syn12": None, "bc30": 500, "syn100": 150}
_GOLD_ROWS = 16
_GOLD_ROUNDS = 4000


def run(scale: Scale) -> Section:
    """Measure every table."""
    found, lines, notes = {}, [], []
    for name in scale.tables:
        workload = table(name, scale.device)
        rows = workload.rows[: scale.rows(_GOLD_ROWS, _GOLD_ROWS)]
        players = np.arange(workload.features)
        gold = gold_values(f"{name}-baseline", workload.model, rows, workload.baseline, players, rounds=_GOLD_ROUNDS)
        methods = [*captum.captum_methods(1), ours.single_baseline(scale.rows(200, 100))]
        part = measured(workload, methods, repeats=scale.repeats, gold=gold, seeds=scale.seeds)
        found[name] = tuple(part.values())
        notes.append(f"{name}: the gold values are {'exact' if not gold.error else f'{gold.error:.2%} off'}")
        *_, mine = part.values()
        claim = f"{name}: speed against captum KernelShap, one baseline"
        lines.append(speed_line(NAME, claim, part[captum.KERNEL].point, [mine.point], floor=FLOORS[name]))
    return Section(name=NAME, lines=lines, measurements=found, notes=notes)
