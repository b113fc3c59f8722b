"""Seconds of Shapley values over those that the bare model takes for as many rows, in one process."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.lines import Line, missing_line
from benchmarks.measure import Measurement, measured
from benchmarks.methods import Method
from benchmarks.scenes import Scene, images, texts
from benchmarks.section import Scale, Section
from benchmarks.sections.superpixels import scene_walks
from benchmarks.workloads import table

NAME = "overhead"
FACTORED, BLACK_BOX, HEAVY = (1.3, 1.15), (1.6, 1.3), (1.1, None)


def run(scale: Scale) -> Section:
    """Tables at one round, as a module and as one that cannot be traced; images and texts as they are."""
    found, lines = {}, []
    for name in scale.tables:
        workload, rows = table(name, scale.device), scale.rows(200, 100)
        methods = [ours.walks(1, rows), ours.walks(1, rows, given="opaque module")]
        part = measured(workload, methods, repeats=scale.repeats)
        found[name] = tuple(part.values())
        factored, black_box = part.values()
        lines += [
            _line(f"{name}: overhead over the bare model", factored, *FACTORED),
            _line(f"{name}: overhead over the bare model, opaque module", black_box, *BLACK_BOX),
        ]
    for scene, method in _scenes(scale):
        (only,) = measured(scene, [method], repeats=scale.repeats).values()
        found[scene.name] = (only,)
        lines.append(_line(f"{scene.name}: overhead over the bare model", only, *HEAVY))
    return Section(name=NAME, lines=lines, measurements=found)


def _scenes(scale: Scale) -> list[tuple[Scene, Method[Scene]]]:
    with_images = (images(scale.device), scene_walks(252, scale.rows(16, 4)))
    if not scale.full:
        return [with_images]
    return [with_images, (texts(scale.device), scene_walks(508, 2))]


def _line(claim: str, found: Measurement, floor: float, aim: float | None) -> Line:
    point = found.point
    if not point.timing.steady:
        return missing_line(NAME, claim, f"spread of {point.timing.spread:.0%}", floor=floor, aim=aim)
    if found.overhead is None:
        return missing_line(NAME, claim, "spread of the bare model", floor=floor, aim=aim)
    detail = (
        f"spread {point.timing.spread:.0%}, {point.model_rows:,.0f} model rows a row, {found.explained} rows a call"
    )
    return Line(section=NAME, claim=claim, measured=found.overhead, floor=floor, aim=aim, at_least=False, detail=detail)
