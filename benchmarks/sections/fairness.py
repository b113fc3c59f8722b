"""Rates of groups over many rows: one pass against other libraries, and what bootstrap intervals add to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks import fairness
from benchmarks.clock import Timing, take_turns
from benchmarks.lines import Line, times_line
from benchmarks.section import Scale, Section

if TYPE_CHECKING:
    from auditbench_fairness import GroupCounts

NAME = "fairness"
FULL_ROWS, QUICK_ROWS = 1_000_000, 50_000
PEERS: dict[str, tuple[Callable[[fairness.FairnessWorkload], fairness.Rates], str, float]] = {
    "fairlearn MetricFrame": (fairness.fairlearn, "fairlearn", 1000),
    "aif360 ClassificationMetric": (fairness.aif360, "aif360", 200),
    "pandas groupby by hand": (fairness.pandas_groupby, "pandas", 8),
}
BOOTSTRAP_FLOOR = 1.5
CROSSED_SECONDS = 10.0
_FEWEST_ROWS = 5000
"""With fewer, cells have no positives, and libraries differ in what they call the rate of nothing."""
_PASSES = 10
_MOST_TURNS = 5
_OURS, _BOOTSTRAP = "auditbench group_metrics", "auditbench group_metrics, 1,000 replicates"
_REPLICATES = "auditbench metrics_of_counts, 1,000 replicates"


def run(scale: Scale) -> Section:
    """Four metrics of two crossed features, given as integers and, in a full run, as categories and text."""
    rows = max(scale.rows(FULL_ROWS, QUICK_ROWS), _FEWEST_ROWS)
    kinds = fairness.KINDS if scale.full else fairness.KINDS[:1]
    lines = [line for kind in kinds for line in _lines(fairness.make_workload(rows, kind=kind), scale)]
    lines.append(_crossed(fairness.crossed(fairness.make_workload(rows, kind="text")), scale))
    notes = [f"{package} is not installed" for _, package, _ in PEERS.values() if find_spec(package) is None]
    return Section(name=NAME, lines=lines, notes=notes)


def _lines(workload: fairness.FairnessWorkload, scale: Scale) -> list[Line]:
    """Every peer has to give the same rates."""
    import numpy as np

    peers = {name: run for name, (run, package, _) in PEERS.items() if find_spec(package) is not None}
    functions: dict[str, Callable[[int], fairness.Rates]] = {
        **{name: partial(_once, run, workload) for name, run in peers.items()},
        _OURS: partial(_several, workload, 0),
        _BOOTSTRAP: partial(_several, workload, fairness.REPLICATES),
        _REPLICATES: partial(_several_from_counts, fairness.counted(workload)),
    }
    turns = take_turns(functions, repeats=min(_MOST_TURNS, scale.repeats))
    for name in peers:
        np.testing.assert_allclose(turns[name].results[0], turns[_OURS].results[0], rtol=1e-12)
    once, boot, replicates = (turns[name].timing.per(_PASSES) for name in (_OURS, _BOOTSTRAP, _REPLICATES))
    claimed = f"{len(workload.y_true):,} rows, {workload.kind}"
    floored = len(workload.y_true) == FULL_ROWS and workload.kind == "integers"
    lines = [_line(claimed, name, turns[name].timing, once, floored) for name in peers]
    limit = BOOTSTRAP_FLOOR if floored else None
    cost = f"{claimed}: 1,000 bootstrap replicates, over one pass"
    whole = f"{claimed}: one pass and 1,000 bootstrap replicates, over one pass"
    lines += [
        times_line(NAME, cost, (_REPLICATES, replicates), (_OURS, once), floor=limit, at_least=False),
        times_line(NAME, whole, (_BOOTSTRAP, boot), (_OURS, once), at_least=False),
    ]
    return lines


def _crossed(workload: fairness.FairnessWorkload, scale: Scale) -> Line:
    """Seconds of four crossed features with intervals."""
    turns = take_turns({_BOOTSTRAP: partial(_crossed_once, workload)}, repeats=min(_MOST_TURNS, scale.repeats))
    timing = turns[_BOOTSTRAP].timing
    return Line(
        section=NAME,
        claim=f"{len(workload.y_true):,} rows, text, 4 features: seconds of one pass and 1,000 bootstrap replicates",
        measured=timing.median,
        floor=CROSSED_SECONDS if len(workload.y_true) == FULL_ROWS else None,
        at_least=False,
        detail=f"spread {timing.spread:.0%}",
    )


def _crossed_once(workload: fairness.FairnessWorkload, turn: int) -> fairness.Rates:
    return fairness.ours(workload, n_boot=fairness.REPLICATES)


def _line(claimed: str, name: str, theirs: Timing, once: Timing, floored: bool) -> Line:
    """Floors hold for a million rows of integers; of others the ratio is only stated."""
    floor = PEERS[name][2] if floored else None
    return times_line(NAME, f"{claimed}: speed against {name}", (name, theirs), (_OURS, once), floor=floor)


def _once(
    run: Callable[[fairness.FairnessWorkload], fairness.Rates], workload: fairness.FairnessWorkload, turn: int
) -> fairness.Rates:
    return run(workload)


def _several(workload: fairness.FairnessWorkload, replicates: int, turn: int) -> fairness.Rates:
    for _ in range(_PASSES):
        rates = fairness.ours(workload, n_boot=replicates)
    return rates


def _several_from_counts(counts: GroupCounts, turn: int) -> fairness.Rates:
    for _ in range(_PASSES):
        rates = fairness.ours_from_counts(counts, n_boot=fairness.REPLICATES)
    return rates
