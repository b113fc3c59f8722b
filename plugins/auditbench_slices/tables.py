"""The tables of the report: the slices that were tested, and what the search would have found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.results import Cell, Column, Table
from auditbench_slices.detectable import POWER
from auditbench_slices.study import SMALLEST_SHOWN, Study, message

if TYPE_CHECKING:
    from auditbench.statistics import IntervalEstimate
    from auditbench_slices.confirming import Tested


def slice_table(study: Study) -> tuple[Table, ...]:
    """One line a slice that was tested on the second half; none where there is no such slice."""
    if not study.tested:
        return ()
    table = Table(
        name="slices",
        title=study.about_loss("slices", n=len(study.tested), confirmed=len(study.confirmed)),
        columns=(
            Column(name="feature", label=message("column.columns")),
            Column(name="group", label=message("column.values")),
            Column(name="n_searched", label=message("column.n_searched"), kind="count"),
            Column(name="n", label=message("column.n"), kind="count"),
            Column(name="loss", label=message(f"column.{study.losses.name}")),
            Column(name="difference", label=message("column.difference")),
            Column(name="search_p_value", label=message("column.search_p_value"), kind="number"),
            Column(name="p_value", label=message("column.p_value"), kind="number"),
            Column(name="confirmed", label=message("column.confirmed")),
        ),
        rows=tuple(_line(study, tested) for tested in study.tested),
        n=study.halves[1],
    )
    return (table,)


def detectable_table(study: Study) -> tuple[Table, ...]:
    """How much worse a slice would have to be to be found, by its size; none where nothing was searched."""
    if not study.detectable:
        return ()
    table = Table(
        name="detectable",
        title=study.about_loss("detectable", power=POWER, slices=study.slices),
        columns=(
            Column(name="share", label=message("column.share"), kind="percent"),
            Column(name="n", label=message("column.n_searched"), kind="count"),
            Column(name="difference", label=message("column.detectable")),
        ),
        rows=tuple((each.share, each.n, _excess(study, each.difference)) for each in study.detectable),
        n=study.halves[0],
    )
    return (table,)


def _line(study: Study, tested: Tested) -> tuple[Cell, ...]:
    labels = tested.found.labels
    return (
        " & ".join(labels),
        " & ".join(labels.values()),
        tested.found.n,
        tested.n if tested.n >= SMALLEST_SHOWN else None,
        _estimate(tested.mean, "share" if study.losses.is_share else "number"),
        _estimate(tested.difference, "points" if study.losses.is_share else "number"),
        tested.found.adjusted,
        tested.adjusted,
        tested.is_confirmed(study.params.confirmation_rate),
    )


def _estimate(estimate: IntervalEstimate | None, kind: str) -> Cell:
    """A value with its interval, where it has one."""
    if estimate is None or estimate.estimate is None:
        return None
    scale = 100 if kind == "points" else 1
    if estimate.low is None or estimate.high is None:
        return message(f"cell.{kind}", value=scale * estimate.estimate)
    ends = {"low": scale * estimate.low, "high": scale * estimate.high}
    return message(f"cell.{kind}_interval", value=scale * estimate.estimate, **ends)


def _excess(study: Study, difference: float | None) -> Cell:
    if difference is None:
        return message("undefined.no_difference")
    return message("cell.points", value=100 * difference) if study.losses.is_share else difference
