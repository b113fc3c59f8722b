"""Tables of what another pronoun changes: by whom it stands for, and by occupation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import Cell, Column, Table
from auditbench_flips.measures import column_unit, message
from auditbench_flips.pronoun_flips import PronounChange, PronounFlips
from auditbench_flips.winogender import PRONOUNS

if TYPE_CHECKING:
    from auditbench.context import AuditContext

MOST_OCCUPATIONS = 10


def pronoun_table(context: AuditContext, found: PronounFlips) -> Table:
    """A line for each pair of pronouns, whom these stand for, and each followed output."""
    decided = any(line.changed is not None for line in found.lines)
    several = len({line.output.place for line in found.lines if line.output is not None}) > 1
    columns = (
        Column(name="pronouns", label=message("column.pronouns")),
        Column(name="stands_for", label=message("column.stands_for")),
        *((Column(name="output", label=message("column.output")),) if several else ()),
        Column(name="n", label=message("column.sentences"), kind="count"),
        *(
            Column(name=name, label=message(f"column.{name}"), kind="number", unit=_unit(context))
            for name in ("mean_change", "low", "high")
        ),
        *((Column(name="changed", label=message("column.changed"), kind="percent"),) if decided else ()),
        Column(name="note", label=message("column.note")),
    )
    n = int(found.apart.sum())
    title = message("pronouns", n=n)
    if len(context.data.classes) == 2:
        threshold = context.model.facts.threshold
        positive, limit = context.data.classes[1], 0.5 if threshold is None else threshold
        title = message("pronouns_binary", n=n, positive=positive, threshold=limit)
    rows = tuple(_line(line, several=several, decided=decided) for line in found.lines)
    return Table(name="pronouns", title=title, columns=columns, rows=rows, n=n or None, sample="own")


def occupation_table(context: AuditContext, found: PronounFlips) -> Table:
    """Mean change of the occupations with the largest ones, female minus male pronoun."""
    names = np.asarray([schema.occupation for schema in found.schemas])
    means = [
        (str(name), float(found.changes[own].mean()), int(own.sum()))
        for name in np.unique(names[found.apart])
        for own in [(names == name) & found.apart]
    ]
    largest = sorted(means, key=lambda told: (-abs(told[1]), told[0]))[:MOST_OCCUPATIONS]
    output = found.lines[0].output
    columns = (
        Column(name="occupation", label=message("column.occupation")),
        Column(name="n", label=message("column.sentences"), kind="count"),
        Column(name="mean_change", label=message("column.mean_change"), kind="number", unit=_unit(context)),
    )
    return Table(
        name="occupations",
        title=message("occupations") if output is None else message("occupations_of", output=output.name),
        columns=columns,
        rows=tuple((name, n, mean) for name, mean, n in largest),
        n=int(found.apart.sum()) or None,
        sample="own",
    )


def _unit(context: AuditContext) -> str:
    return "nat" if context.data.task == "next-token" else column_unit(context.model)


def _line(line: PronounChange, *, several: bool, decided: bool) -> tuple[Cell, ...]:
    mean, interval = line.mean, line.mean.interval
    first, second = (PRONOUNS[place] for place in line.pair)
    note: Cell = mean.reason or ("" if interval is not None else message("undefined.too_few_clusters"))
    return (
        message(f"pronouns.{second}_{first}"),
        message(f"stands_for.{line.stands_for or 'all'}"),
        *((line.output.name if line.output else "",) if several else ()),
        mean.n or None,
        mean.value,
        *((None, None) if interval is None else (interval.low, interval.high)),
        *((line.changed.value if line.changed else None,) if decided else ()),
        note,
    )
