"""Shapley values of the 64 superpixels of an image: error by number of model rows."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks.gold import Gold, gold_values
from benchmarks.lines import Line, missing_line, times_line
from benchmarks.measure import Measurement, measured
from benchmarks.methods import Answer, Method
from benchmarks.scenes import SIDE, Scene, images, images_against_their_mean
from benchmarks.section import Scale, Section

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.equal_error import Point

    Rows = npt.NDArray[np.float32]

NAME = "superpixels"
BUDGETS = (252, 1008)
CAPTUM_SAMPLES = 1008
_ERROR_FLOOR = 0.5
_SPEED_FLOOR = 8
_GOLD_ROUNDS = 200
_IMAGES = 8


def run(scale: Scale) -> Section:
    """Digits explained for the predicted class, against a black image and against the mean image."""
    found: dict[str, tuple[Measurement, ...]] = {}
    lines: list[Line] = []
    notes: list[str] = []
    for workload in (images(scale.device), images_against_their_mean(scale.device)):
        gold = superpixel_gold(workload, scale.rows(_IMAGES, _IMAGES))
        mine = [scene_walks(budget, len(gold.values)) for budget in (BUDGETS if scale.full else BUDGETS[:1])]
        theirs = Method(name="captum KernelShap, 1,008 samples", library="captum", explain=_captum, rows=1)
        part = measured(workload, [theirs, *mine], repeats=scale.repeats, gold=gold, seeds=scale.seeds)
        found[workload.name] = tuple(part.values())
        lines += _lines(workload.name, part[theirs.name].point, part[mine[0].name].point)
        notes.append(f"{workload.name}: the gold values are {gold.error:.2%} off")
    return Section(name=NAME, lines=lines, measurements=found, notes=notes)


def _lines(name: str, theirs: Point, mine: Point) -> tuple[Line, Line]:
    share = mine.error / theirs.error if mine.error and theirs.error else None
    claim = f"{name}: error with a quarter of the model rows, over captum KernelShap's"
    detail = "; ".join(
        f"{point.name}: {point.error or 0:.1%} ± {point.error_spread or 0:.1%}, {point.model_rows:,.0f} rows"
        for point in (theirs, mine)
    )
    error = Line(section=NAME, claim=claim, measured=share, floor=_ERROR_FLOOR, at_least=False, detail=detail)
    faster = f"{name}: speed with a quarter of the model rows"
    if share is None or share > 1:
        return error, missing_line(NAME, faster, "less exact than the peer", detail=detail, floor=_SPEED_FLOOR)
    sides = (theirs.name, theirs.timing), (mine.name, mine.timing)
    return error, times_line(NAME, faster, *sides, floor=_SPEED_FLOOR, detail=detail)


def superpixel_gold(workload: Scene, rows: int) -> Gold:
    """Values of the first images, from 100 pairs of permutations twice."""
    return gold_values(
        workload.name,
        workload.model,
        workload.rows[:rows],
        workload.baseline,
        workload.players,
        targets=workload.classes[:rows],
        rounds=_GOLD_ROUNDS,
    )


def scene_walks(budget: int, rows: int) -> Method[Scene]:
    """Our permutations with so many model rows an image or text."""
    return Method(
        name=f"auditbench permutation, {budget:,} rows",
        library="auditbench_shap",
        explain=partial(_walks, budget),
        rows=rows,
    )


def _walks(budget: int, workload: Scene, rows: Rows, seed: int) -> Answer:
    import numpy as np

    from auditbench_shap import shapley_values

    found = shapley_values(
        workload.model,
        rows,
        workload.baseline,
        method="permutation",
        target=workload.targets(len(rows)),
        budget=budget,
        groups=workload.players,
        rng=np.random.default_rng(seed),
    )
    error = None if found.standard_error is None else found.standard_error[:, 0]
    return Answer(values=found.values[:, 0], model_rows=found.model_rows, standard_error=error)


def _captum(workload: Scene, rows: Rows, seed: int) -> Answer:
    import torch
    from captum.attr import KernelShap

    torch.manual_seed(seed)
    values = KernelShap(workload.counted_model()).attribute(
        workload.tensor(rows),
        baselines=workload.tensor(workload.baseline),
        target=_classes(workload)[rows[0].tobytes()],
        feature_mask=torch.from_numpy(workload.players)[None].to(workload.device),
        n_samples=CAPTUM_SAMPLES,
        perturbations_per_eval=64,
    )
    return Answer(values=values.cpu().numpy().reshape(len(rows), -1)[:, _first_pixels(workload)])


@cache
def _classes(workload: Scene) -> dict[bytes, int]:
    """The explained output of each row, made in the first turn, which is not timed."""
    return {row.tobytes(): int(label) for row, label in zip(workload.rows, workload.classes, strict=True)}


@cache
def _first_pixels(workload: Scene) -> npt.NDArray[np.int64]:
    """The first entry of each superpixel, likewise; captum repeats a superpixel's value in all of them."""
    import numpy as np

    return np.array([np.flatnonzero(workload.players.reshape(-1) == player)[0] for player in range(SIDE * SIDE)])
