"""LIME on tables: speed with shared and with independent perturbations, where they follow lime's own law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.cache import kept, key_of
from benchmarks.errors import library_version
from benchmarks.lines import Line, missing_line, times_line
from benchmarks.measure import Measurement, measured
from benchmarks.methods import installed, missing
from benchmarks.peers import captum, lime
from benchmarks.section import Scale, Section
from benchmarks.workloads import table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.methods import Method
    from benchmarks.workloads import Table

NAME = "lime"
SHARED_FLOORS = {"syn12": 50, "bc30": 60, "syn100": 60}
INDEPENDENT_FLOOR, INDEPENDENT_AIM = 3.5, 6
NOISE_FLOOR = 1.25
"""Of the distance from lime's weights over that which noise explains; 1 is expected."""
_ROWS = 300
_LAW_ROWS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How ours draws perturbations, and what it has to reach with them."""

    name: str
    method: Method[Table]
    floor: float
    aim: float | None = None


def run(scale: Scale) -> Section:
    """Measure every table that the scale has time for: the law of both kinds first, then the speed of those that hold it."""
    found, lines, notes = {}, [], []
    for name in scale.tables:
        workload, peer = table(name, scale.device), lime.lime_tabular(scale.rows(4, 2))
        kinds = _kinds(name, scale)
        methods = [peer, *(kind.method for kind in kinds), *([captum.captum_lime(1)] if scale.full else [])]
        found[name] = measured(workload, installed(methods), repeats=scale.repeats)
        if not missing([peer]):
            lines += [line for kind in kinds for line in _lines(workload, kind, found[name], scale)]
        notes += [f"{name}: {library} is not installed" for library in missing(methods)]
    tables = {name: tuple(part.values()) for name, part in found.items()}
    return Section(name=NAME, lines=lines, measurements=tables, notes=notes)


def _kinds(name: str, scale: Scale) -> tuple[Kind, Kind]:
    shared = ours.lime_weights(scale.rows(_ROWS, _ROWS))
    independent = ours.lime_weights(scale.rows(16, 4), independent=True)
    return (
        Kind(name="shared", method=shared, floor=SHARED_FLOORS[name]),
        Kind(name="independent", method=independent, floor=INDEPENDENT_FLOOR, aim=INDEPENDENT_AIM),
    )


def _lines(workload: Table, kind: Kind, found: dict[str, Measurement], scale: Scale) -> tuple[Line, Line]:
    law = _law_line(workload, kind, scale)
    claim = f"{workload.name}: speed against lime, {kind.name} perturbations, {kind.method.rows} rows"
    if law.verdict == "below":
        return law, missing_line(NAME, claim, "the weights are not lime's", floor=kind.floor, aim=kind.aim)
    sides = ((name, found[name].point.timing) for name in (lime.LIME, kind.method.name))
    return law, times_line(NAME, claim, *sides, floor=kind.floor, aim=kind.aim, detail=law.detail)


def _law_line(workload: Table, kind: Kind, scale: Scale) -> Line:
    """The distance of the two means over seeds, as a share of what their noise alone explains."""
    import numpy as np

    rows, seeds = min(_LAW_ROWS, len(workload.rows)), scale.rows(24, 8)
    theirs = _kept_weights(workload, rows, seeds)
    mine = _weights(kind.method, workload, rows, seeds)
    distance = np.square(theirs.mean(axis=0) - mine.mean(axis=0)).sum()
    expected = (theirs.var(axis=0, ddof=1) + mine.var(axis=0, ddof=1)).sum() / seeds
    noise = np.sqrt(expected / np.square(theirs.mean(axis=0)).sum())
    ratio = float(np.sqrt(distance / expected))
    seen = noise * np.sqrt(NOISE_FLOOR**2 - 1)
    return Line(
        section=NAME,
        claim=f"{workload.name}: distance of the mean weights from lime's over that expected from noise, {kind.name}",
        measured=ratio,
        floor=NOISE_FLOOR,
        at_least=False,
        detail=f"{ratio * noise:.2%} apart, {noise:.2%} expected, a bias of {seen:.2%} is seen; {seeds} seeds each",
    )


def _kept_weights(workload: Table, rows: int, seeds: int) -> npt.NDArray[np.float64]:
    """Those of the lime library, which differ only with its version, the model and the rows."""
    explained = workload.rows[:rows]
    key = key_of(explained, workload.predict(explained), also=(seeds, library_version("lime"), lime.SAMPLES))
    made = kept(
        f"law-{workload.name}", key, lambda: {"weights": _weights(lime.lime_tabular(rows), workload, rows, seeds)}
    )
    return made["weights"]


def _weights(method: Method[Table], workload: Table, rows: int, seeds: int) -> npt.NDArray[np.float64]:
    """Shape `(seeds, rows, features)`."""
    import numpy as np

    answers = [method.explain(workload, workload.rows[:rows], seed) for seed in range(seeds)]
    return np.stack([np.asarray(answer.values, dtype=np.float64) for answer in answers])
