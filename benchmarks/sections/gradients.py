"""Integrated gradients: speed against captum at the same steps, where ours are no less exact."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeAlias

from benchmarks import ours
from benchmarks.cache import kept, key_of
from benchmarks.gold import Gold
from benchmarks.lines import Line, missing_line, times_line
from benchmarks.measure import Measurement, measured
from benchmarks.peers import captum
from benchmarks.scenes import Scene, images, texts
from benchmarks.section import Scale, Section
from benchmarks.workloads import TABLES, Table, table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

NAME = "gradients"
FLOORS: dict[str, tuple[float, float | None]] = {
    "syn12": (5.5, 12),
    "bc30": (6, 12),
    "syn100": (4.2, 12),
    "cnn": (1.5, None),
    "transformer": (1.0, None),
}
NO_SLOWER: tuple[float, float | None] = (1.0, None)
"""Floor against the best batch of captum where a convolution is most of the time: nothing but the model is left to save."""
Bounds: TypeAlias = tuple[float | None, float | None]
_MANY, _FEW = 2000, 200
_TURNS = {False: 3, True: 9}
_GOLD_ROWS = 4
_TABLE_STEPS, _SCENE_STEPS = 4000, 1000
_STEPS_AT_ONCE = 250
_TOLERATED = 1.1


def run(scale: Scale) -> Section:
    """Measure every model; tables with many rows, and in a full run with as few as are usual, which is only stated."""
    found: dict[str, tuple[Measurement, ...]] = {}
    lines: list[Line] = []
    works: list[tuple[Table | Scene, int, int, Bounds]] = []
    for name in TABLES if scale.full else scale.tables[-1:]:
        workload = table(name, scale.device)
        works.append((workload, scale.rows(_MANY, _MANY // 2), _TABLE_STEPS, FLOORS[name]))
        if scale.full:
            works.append((workload, _FEW, _TABLE_STEPS, (None, None)))
    works.append((images(scale.device), scale.rows(32, 16), _SCENE_STEPS, FLOORS["cnn"]))
    if scale.full:
        works.append((texts(scale.device), 4, _SCENE_STEPS, FLOORS["transformer"]))
    for work, rows, steps, bounds in works:
        name = f"{work.name}, {rows:,} rows"
        found[name], compared = _compared(work, rows, steps, scale, bounds)
        lines += compared
    return Section(name=NAME, lines=lines, measurements=found)


def _compared(
    workload: Table | Scene, rows: int, steps: int, scale: Scale, bounds: Bounds
) -> tuple[tuple[Measurement, ...], list[Line]]:
    """Ours against captum as it comes and at its best batch; one bound for both, but for the convolutional network."""
    best, untuned, mine = (
        captum.best_gradients(workload, rows),
        captum.captum_gradients(rows),
        ours.integrated_gradients(rows),
    )
    part = measured(
        workload,
        list({method.name: method for method in (untuned, best, mine)}.values()),
        repeats=min(scale.repeats, _TURNS[scale.full]),
        gold=_gold(workload, steps, scale.rows(_GOLD_ROWS, _GOLD_ROWS)),
        gradients=True,
    )
    tuned = NO_SLOWER if workload.name == "cnn" else bounds
    lines = [
        _line(
            f"{workload.name}, {rows:,} rows: speed against captum {how}, 50 steps", part[peer], part[mine.name], bound
        )
        for how, peer, bound in (("as it comes", untuned.name, bounds), ("at its best batch", best.name, tuned))
    ]
    return tuple(part.values()), lines


def _line(claim: str, theirs: Measurement, mine: Measurement, bounds: Bounds) -> Line:
    floor, aim = bounds
    sides = (theirs.point.name, theirs.point.timing), (mine.point.name, mine.point.timing)
    if theirs.point.error is None or mine.point.error is None:
        return missing_line(NAME, claim, "no error was measured", floor=floor, aim=aim)
    detail = f"error {theirs.point.error:.2e} and {mine.point.error:.2e}"
    if mine.point.error > _TOLERATED * theirs.point.error:
        return missing_line(NAME, claim, f"less exact: {detail}", floor=floor, aim=aim)
    return times_line(NAME, claim, *sides, floor=floor, aim=aim, detail=detail)


def _gold(workload: Table | Scene, steps: int, rows: int) -> Gold:
    """The mean gradient at the middles of many steps, in double precision, of the first rows; kept on disk."""
    import numpy as np

    explained = workload.rows[:rows]
    targets = np.broadcast_to(workload.targets(rows), rows)
    weights = [values.detach().cpu().numpy() for values in workload.model.state_dict().values()]
    key = key_of(explained, workload.baseline, np.ascontiguousarray(targets), *weights, also=(steps,))

    def make() -> dict[str, npt.NDArray[np.float64]]:
        model = copy.deepcopy(workload.model).cpu().double()
        values = [
            _path(model, row, workload.baseline, int(target), steps)
            for row, target in zip(explained, targets, strict=True)
        ]
        return {"values": np.stack(values)}

    return Gold(values=kept(f"gradients-{workload.name}", key, make)["values"], error=0.0)


def _path(
    model: nn.Module, row: npt.NDArray[np.float32], baseline: npt.NDArray[np.float32], target: int, steps: int
) -> npt.NDArray[np.float64]:
    """Of one row, shape `(entries,)`."""
    import torch

    start = torch.from_numpy(baseline).double()
    way = torch.from_numpy(row).double() - start
    total = torch.zeros_like(way)
    for middles in ((torch.arange(steps, dtype=torch.float64) + 0.5) / steps).split(_STEPS_AT_ONCE):
        points = (start + middles.reshape(-1, *[1] * row.ndim) * way).requires_grad_(True)
        (slopes,) = torch.autograd.grad(model(points)[:, target].sum(), points)
        total += slopes.sum(dim=0)
    found: npt.NDArray[np.float64] = (way * total / steps).reshape(-1).numpy()
    return found
