"""Networks of the size of ResNet-50 and BERT-base: seconds and memory of explaining, over those of the bare model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.clock import take_turns
from benchmarks.equal_error import Point
from benchmarks.lines import Line, missing_line
from benchmarks.measure import BARE, BareModel, Measurement
from benchmarks.memory import peak
from benchmarks.methods import Answer
from benchmarks.section import Scale, Section

if TYPE_CHECKING:
    from benchmarks.clock import Turns
    from benchmarks.large_scenes import LargeScene

NAME = "large"
STEPS = 50
BATCHES = (4, 8, 16, 32, 64, 128, 256)
"""Sizes among which the best batch of the bare model is sought."""
WITH_GRADIENTS = f"{BARE}, with gradients"
_FLOOR = 1.1
_MIB = 1 << 20
_NOTE = (
    "overhead is seconds over those of the bare model at its best batch for as many rows, forward where ours ran forward, "
    "with gradients where ours did; in float32 without TF32, as in an audit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is explained.

    Attributes:
        rows: Images, and texts.
        rounds: Of walks; one has no standard error, two are the least that have one.
        turns: Timed.
        bare_rows: That the bare model evaluates in a turn.
    """

    rows: int
    rounds: int
    turns: int
    bare_rows: int


AMOUNTS = {
    "cpu": Amount(rows=1, rounds=1, turns=3, bare_rows=16),
    "cuda": Amount(rows=8, rounds=8, turns=11, bare_rows=256),
}
_TINY = Amount(rows=2, rounds=2, turns=1, bare_rows=4)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """What is measured of a scene.

    Attributes:
        explain: From a seed to the model rows that it took.
        steep: How many of these had gradients.
    """

    name: str
    library: str
    explain: Callable[[int], Answer]
    steep: int


def run(scale: Scale) -> Section:
    """Shapley values of superpixels and words by walks, and integrated gradients of pixels and at the embedding."""
    from benchmarks.large_scenes import large_images, large_texts

    amount = _TINY if scale.tiny else AMOUNTS[scale.device]
    found: dict[str, tuple[Measurement, ...]] = {}
    lines: list[Line] = []
    notes = [_NOTE]
    makers = {"resnet-50": large_images, "bert-base": large_texts}
    if find_spec("transformers") is None:
        makers.pop("bert-base")
        lines.append(missing_line(NAME, _claim("bert-base"), "transformers is not installed", floor=_FLOOR))
    for name, make in makers.items():
        scene = make(amount.rows, scale.device, tiny=scale.tiny)
        with _without_tf32():
            found[name], measured = _measured(name, scene, amount)
        lines += measured
        notes.append(f"{name}: {scene.parameters:,} parameters, {len(scene.players)} {scene.parts} a row")
    return Section(name=NAME, lines=lines, measurements=found, notes=notes)


def _measured(name: str, scene: LargeScene, amount: Amount) -> tuple[tuple[Measurement, ...], list[Line]]:
    """Memory first: the bare model looks for its best batch where the C library keeps what is freed, as it is timed."""
    import torch

    with torch.inference_mode():
        scene.network(scene.rows[:1])  # what a library imports at its first call is no memory of an explanation
    explanations = [_walks(scene, amount.rounds), _paths(scene)]
    memory = [_memory_line(name, scene, each) for each in explanations]
    bare = {
        BARE: _bare(scene, gradients=False, count=amount.bare_rows),
        WITH_GRADIENTS: _bare(scene, gradients=True, count=amount.bare_rows),
    }
    functions: dict[str, Callable[[int], Answer]] = {each.name: each.explain for each in explanations}
    turns = take_turns(functions | bare, repeats=amount.turns, device=scene.device)
    found = [_measurement(each, turns, len(scene.rows)) for each in explanations]
    batches = " and ".join(f"{model.batch}" for model in bare.values())
    lines = [_line(name, each, f"bare model at batches of {batches} with gradients") for each in found]
    return tuple(found), [*lines, *memory]


@contextmanager
def _without_tf32() -> Iterator[None]:
    import torch

    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _walks(scene: LargeScene, rounds: int) -> Explanation:
    """Antithetic walks over the parts, from each of them hidden to the row."""
    import numpy as np

    from auditbench_shap import shapley_values

    def explain(seed: int) -> Answer:
        found = shapley_values(
            scene.network,
            scene.rows,
            scene.masker,
            groups=scene.players,
            method="permutation",
            budget=2 * rounds * (len(scene.players) - 1),
            target="predicted",
            rng=np.random.default_rng(seed),
        )
        return Answer(model_rows=found.model_rows)

    name = f"auditbench permutation of {len(scene.players)} {scene.parts}, {rounds} round{'s' if rounds > 1 else ''}"
    return Explanation(name=name, library="auditbench_shap", explain=explain, steep=0)


def _paths(scene: LargeScene) -> Explanation:
    """Integrated gradients; of texts at what the embedding gives, as an audit has them."""
    from auditbench_captum import integrated_gradients
    from auditbench_captum.embedded import Embedded

    def explain(seed: int) -> Answer:
        module, rows, starts, looked = scene.network, scene.rows, scene.starts, 0
        if scene.tokens:
            module = Embedded(scene.network, scene.rows[:1])
            rows, starts = module.rows(scene.rows), module.rows(scene.starts)
            starts[:, :, -1] = rows[:, :, -1]
            looked = 2 + len(rows) + len(starts)
        found = integrated_gradients(module, rows, baseline=starts, target="predicted", steps=STEPS)
        return Answer(model_rows=found.model_rows + looked)

    name = f"auditbench integrated gradients{' at the embedding' if scene.tokens else ''}, {STEPS} steps"
    return Explanation(name=name, library="auditbench_captum", explain=explain, steep=STEPS * len(scene.rows))


def _bare(scene: LargeScene, *, gradients: bool, count: int, batches: tuple[int, ...] = BATCHES) -> BareModel:
    model, rows = (scene.sloped, scene.points) if gradients else (scene.network, scene.rows.cpu().numpy())
    return BareModel(model, rows, device=scene.device, gradients=gradients, count=count, batches=batches)


def _memory_line(name: str, scene: LargeScene, each: Explanation) -> Line:
    """Of one explanation, and of the bare model at the largest batch that it used."""
    batches: list[int] = []
    handle = scene.network.register_forward_pre_hook(lambda _network, given: batches.append(len(given[0])))
    try:
        explaining = peak(partial(each.explain, 0), scene.device)
    finally:
        handle.remove()
    batch = max(batches)
    alone = peak(_bare(scene, gradients=each.steep > 0, count=batch, batches=(batch,)), scene.device)
    held = "" if explaining.device_bytes is None else f"; {_mib(explaining.device_bytes)} of the device in all"
    return Line(
        section=NAME,
        claim=f"{name}, {each.name}: most bytes held at once, over those of the bare model at the same batch",
        measured=explaining.bytes / alone.bytes,
        at_least=False,
        detail=f"{_mib(explaining.bytes)} and {_mib(alone.bytes)} at batches of {batch}, beside weights of "
        f"{_mib(scene.weight_bytes)}{held}",
    )


def _measurement(each: Explanation, turns: Mapping[str, Turns[Answer]], rows: int) -> Measurement:
    timing, model_rows = turns[each.name].timing, fmean(answer.model_rows or 0 for answer in turns[each.name].results)
    plain, sloped = (turns[bare].timing.per(turns[bare].results[0].model_rows or 1) for bare in (BARE, WITH_GRADIENTS))
    alone = (model_rows - each.steep) * plain.median + each.steep * sloped.median
    point = Point(name=each.name, error=None, timing=timing.per(rows), model_rows=model_rows / rows)
    overhead = timing.median / alone if plain.steady and sloped.steady else None
    return Measurement(point=point, library=each.library, explained=rows, overhead=overhead)


def _line(name: str, found: Measurement, bare: str) -> Line:
    point, claim = found.point, _claim(f"{name}, {found.point.name}")
    if not point.timing.steady:
        return missing_line(NAME, claim, f"spread of {point.timing.spread:.0%}", floor=_FLOOR)
    if found.overhead is None:
        return missing_line(NAME, claim, "spread of the bare model", floor=_FLOOR)
    return Line(
        section=NAME,
        claim=claim,
        measured=found.overhead,
        floor=_FLOOR,
        at_least=False,
        detail=f"{point.timing.median:.3g} s (spread {point.timing.spread:.0%}) and {point.model_rows:,.0f} model rows a "
        f"row, {found.explained} rows a call; {bare}",
    )


def _claim(what: str) -> str:
    return f"{what}: overhead over the bare model"


def _mib(count: float) -> str:
    return f"{count / _MIB:,.1f} MiB"
