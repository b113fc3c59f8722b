"""Shapley values of regions, words and segments: our model rows at the error that captum has as it comes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.gold import gold_values
from benchmarks.lines import Line, rows_line
from benchmarks.measure import Measurement, measured
from benchmarks.methods import Answer, Method
from benchmarks.scenes import Scene, digits, motions, texts
from benchmarks.section import Scale, Section
from benchmarks.sections.superpixels import scene_walks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Rows = npt.NDArray[np.float32]

NAME = "parts"
SAMPLING = "captum ShapleyValueSampling, 25 permutations"
KERNEL = "captum KernelShap, 25 samples"
ROUNDS = (1, 2, 4)
_ROWS_FLOOR = 0.25
_GOLD_ROUNDS = 100


def run(scale: Scale) -> Section:
    """A network of digits, a transformer of words and a network of series, each for the predicted class."""
    found: dict[str, tuple[Measurement, ...]] = {}
    lines: list[Line] = []
    notes: list[str] = []
    for workload in (digits(scale.device), texts(scale.device), motions(scale.device)):
        players, rows = int(workload.players.max()) + 1, scale.rows(4, 2)
        gold = gold_values(
            f"{workload.name}-parts",
            workload.model,
            workload.rows[:rows],
            workload.baseline,
            workload.players,
            targets=workload.classes[:rows],
            rounds=_GOLD_ROUNDS,
        )
        mine = [scene_walks(2 * (players - 1) * rounds, rows) for rounds in ROUNDS]
        theirs = [
            Method(name=name, library="captum", explain=partial(_captum, name), rows=1) for name in (SAMPLING, KERNEL)
        ]
        part = measured(workload, [*theirs, *mine], repeats=scale.repeats, gold=gold, seeds=scale.seeds)
        found[workload.name] = tuple(part.values())
        lines.append(
            rows_line(
                NAME,
                f"{workload.name}: model rows at the error of captum ShapleyValueSampling as it comes, as a share",
                part[SAMPLING].point,
                [part[method.name].point for method in mine],
                floor=_ROWS_FLOOR,
            )
        )
        lines.append(_kernel_line(workload.name, part[KERNEL], part[mine[0].name]))
        notes.append(f"{workload.name}: {players} parts; the gold values are {gold.error:.2%} off")
    return Section(name=NAME, lines=lines, measurements=found, notes=notes)


def _kernel_line(name: str, theirs: Measurement, mine: Measurement) -> Line:
    """Its 25 samples are fewer than the parts, so that rows at equal error would be rows at no information."""
    share = mine.point.error / theirs.point.error if mine.point.error and theirs.point.error else None
    detail = "; ".join(
        f"{each.point.name}: {each.point.error or 0:.1%} error, {each.point.model_rows:,.0f} rows"
        for each in (theirs, mine)
    )
    claim = f"{name}: error of one round of ours, over that of captum KernelShap as it comes"
    return Line(section=NAME, claim=claim, measured=share, at_least=False, detail=detail, reason="no error")


def _captum(name: str, workload: Scene, rows: Rows, seed: int) -> Answer:
    """The values of one row, of which captum repeats each in all entries of a part."""
    import numpy as np
    import torch
    from captum.attr import KernelShap, ShapleyValueSampling

    torch.manual_seed(seed)
    method = {SAMPLING: ShapleyValueSampling, KERNEL: KernelShap}[name](workload.counted_model())
    where = next(i for i, row in enumerate(workload.rows) if np.array_equal(row, rows[0]))
    mask = np.broadcast_to(workload.players, rows[0].shape).copy()
    values = method.attribute(
        workload.tensor(rows),
        baselines=workload.tensor(workload.baseline),
        target=int(workload.classes[where]),
        feature_mask=torch.from_numpy(mask)[None].to(workload.device),
        perturbations_per_eval=64,
    )
    _, first = np.unique(mask, return_index=True)
    return Answer(values=values.cpu().numpy().reshape(len(rows), -1)[:, first])
