"""Interventional Shapley values of tables: seconds and model rows at equal error, and the overhead over the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.gold import GOLD_ROWS, table_gold
from benchmarks.lines import Line, rows_line, speed_line
from benchmarks.measure import Measurement, measured
from benchmarks.methods import installed, missing
from benchmarks.peers import shap, shapiq
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

if TYPE_CHECKING:
    from benchmarks.equal_error import Point
    from benchmarks.methods import Method
    from benchmarks.workloads import Table

NAME = "shapley"
ROUNDS = {"syn12": (1, 2, 4, 16), "bc30": (1, 2, 4), "syn100": (1, 2)}
QUICK_ROUNDS = {"syn12": (1, 4, 16), "bc30": (1, 2)}
KERNEL_FLOORS = {"syn12": (20, None), "bc30": (100, 200), "syn100": (40, 80)}
BATCHED_FLOORS = {"bc30": (45, 90), "syn100": (18, 35)}
ROW_FLOORS = {"bc30": 1 / 30, "syn100": 1 / 10}
PERMUTATION_FLOOR = 19
KERNEL_SHARES = (8, 4, 2)
"""Of a round, which our kernel regression takes instead of permutations where the budget is below one."""
SYN12_ERROR = 0.005
Found = Mapping[str, Measurement]


def run(scale: Scale) -> Section:
    """Measure every table that the scale has time for."""
    found, lines, notes = {}, [], []
    for name in scale.tables:
        workload = table(name, scale.device)
        gold = table_gold(workload, scale.rows(GOLD_ROWS, GOLD_ROWS))
        methods = [*_peers(scale), *_ours(name, scale)]
        found[name] = measured(workload, installed(methods), repeats=scale.repeats, gold=gold, seeds=scale.seeds)
        lines += _lines(name, found[name])
        notes.append(f"{name}: the gold values are {'exact' if not gold.error else f'{gold.error:.2%} off'}")
        notes += [f"{name}: {library} is not installed" for library in missing(methods)]
    tables = {name: tuple(part.values()) for name, part in found.items()}
    return Section(name=NAME, lines=lines, measurements=tables, notes=notes)


def _peers(scale: Scale) -> list[Method[Table]]:
    rows = scale.rows(2, 1)
    peers = shap.shap_methods(rows)
    if scale.full:
        return [*peers, *shapiq.shapiq_methods(rows)]
    return [method for method in peers if method.name in (shap.KERNEL, shap.KERNEL_IN_BATCHES, shap.PERMUTATION)]


def _ours(name: str, scale: Scale) -> list[Method[Table]]:
    rows = scale.rows(200, 60)
    factored = [ours.walks(rounds, rows) for rounds in (ROUNDS if scale.full else QUICK_ROUNDS)[name]]
    kinds: tuple[ours.Given, ...] = ("opaque module", "predict function") if scale.full else ("opaque module",)
    black_box = [
        ours.walks(rounds, rows, given=given)
        for given in kinds
        for rounds in (1, 2)
        if name == "bc30" or (scale.full and rounds == 1)
    ]
    shares = KERNEL_SHARES if scale.full else KERNEL_SHARES[1:2]
    regressions = [ours.kernel(ours.walk_budget(table(name), 1) // share, rows) for share in shares]
    everything = [ours.exact(scale.rows(8, 4))] if name == "syn12" and scale.full else []
    return [*factored, *black_box, *regressions, *everything]


def _lines(name: str, found: Found) -> list[Line]:
    factored = [point for rounds in ROUNDS[name] if (point := _point(found, ours.walks_name(rounds)))]
    lines = [_kernel_line(name, found, factored)]
    if floors := BATCHED_FLOORS.get(name):
        peer, claim = _point(found, shap.KERNEL_IN_BATCHES), f"{name}: speed against shap Kernel in batches of 1,024"
        lines.append(speed_line(NAME, claim, peer, factored, floor=floors[0], aim=floors[1]))
    claim = f"{name}: speed against shap Permutation"
    lines.append(speed_line(NAME, claim, _point(found, shap.PERMUTATION), factored, floor=PERMUTATION_FLOOR))
    if floor := ROW_FLOORS.get(name):
        claim = f"{name}: model rows against shap Kernel"
        lines.append(rows_line(NAME, claim, _point(found, shap.KERNEL), factored, floor=floor))
    if name == "bc30":
        lines += _black_box_lines(name, found)
    return lines


def _kernel_line(name: str, found: Found, points: Sequence[Point]) -> Line:
    """At the peer's error; that of syn12 at 0.5 % where the peer is less exact, whose cost is then left as it is."""
    floor, aim = KERNEL_FLOORS[name]
    peer = _point(found, shap.KERNEL)
    claim, error = f"{name}: speed against shap Kernel", None
    if name == "syn12" and peer is not None and peer.error is not None:
        error = min(SYN12_ERROR, peer.error)
        claim += f" at {error:.2%} error"
    return speed_line(NAME, claim, peer, points, floor=floor, aim=aim, error=error)


def _black_box_lines(name: str, found: Found) -> list[Line]:
    lines = []
    floors: dict[ours.Given, float | None] = {"opaque module": 70, "predict function": None}
    for given, floor in floors.items():
        points = [point for rounds in (1, 2) if (point := _point(found, ours.walks_name(rounds, given)))]
        if not points:
            continue
        claim = f"{name}: speed against shap Kernel, {given}"
        lines.append(speed_line(NAME, claim, _point(found, shap.KERNEL), points, floor=floor))
    return lines


def _point(found: Found, name: str) -> Point | None:
    measurement = found.get(name)
    return None if measurement is None else measurement.point
