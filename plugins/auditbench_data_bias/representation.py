"""Who is in the data: the share of each group and intersection in the evaluated and in the training rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import Cell, Column, Metric, Table
from auditbench_data_bias.estimates import nothing, share_estimates
from auditbench_data_bias.measures import SMALLEST_SHOWN, message, metric_of, shown_size

if TYPE_CHECKING:
    from auditbench_data_bias.groups import Grouping, PartRows
    from auditbench_data_bias.measures import Part


def share_metrics(parts: Sequence[PartRows], groupings: Sequence[Grouping], most_groups: int) -> list[Metric]:
    """The share of every listed group among the rows of each part, with Wilson's interval.

    A group of a few rows has no value: with the number of all rows it would say how many it has.
    """
    return [
        metric
        for rows in parts
        for grouping in groupings
        if rows.part in grouping.codes
        for metric in _shares(rows, grouping, grouping.listed(most_groups))
    ]


def share_table(parts: Sequence[PartRows], groupings: Sequence[Grouping], metrics: Sequence[Metric]) -> Table:
    """A line for each group: its rows and its share in each part."""
    told = [rows.part for rows in parts]
    found = {(metric.name, *_place(metric)): metric for metric in metrics}
    sizes = {
        (part, grouping.feature, group): int(n)
        for grouping in groupings
        for part in grouping.codes
        for group, n in zip(grouping.groups, grouping.sizes(part), strict=True)
    }
    lines = dict.fromkeys(_place(metric) for metric in metrics)
    columns = [Column(name=name, label=message(f"column.{name}")) for name in ("feature", "group")]
    for part in told:
        columns.append(Column(name=f"{part}_n", label=message(f"column.{part}_n"), kind="count"))
        columns += [
            Column(name=f"{part}_{name}", label=message(f"column.{part}_{name}"), kind="percent")
            for name in ("share", "low", "high")
        ]
    columns.append(Column(name="note", label=message("column.note")))
    return Table(
        name="representation",
        title=message("representation", n=len(lines)),
        columns=tuple(columns),
        rows=tuple(_line(place, told, found, sizes) for place in lines),
    )


def _shares(rows: PartRows, grouping: Grouping, listed: Sequence[int]) -> Iterator[Metric]:
    sizes = grouping.sizes(rows.part)
    shares = rows.shares_of(grouping.codes[rows.part], np.asarray(listed, dtype=np.int64))
    for group, estimate in zip(listed, share_estimates(shares, rows), strict=True):
        hidden = 0 < int(sizes[group]) < SMALLEST_SHOWN
        yield metric_of(
            "share",
            nothing() if hidden else estimate,
            n=len(rows),
            part=rows.part,
            clusters=rows.clusters,
            where={"feature": grouping.feature, "value": grouping.groups[group]},
            undefined=message("undefined.share_hidden", shown_from=SMALLEST_SHOWN) if hidden else None,
        )


def _line(
    place: tuple[str, str],
    told: Sequence[Part],
    found: Mapping[tuple[str, str, str], Metric],
    sizes: Mapping[tuple[Part, str, str], int],
) -> tuple[Cell, ...]:
    cells: list[Cell] = [*place]
    note: Cell = ""
    for part in told:
        metric = found.get(("share" if part == "evaluated" else "training_share", *place))
        if metric is None:
            cells += [None, None, None, None]
            note = note or message("undefined.no_column")
            continue
        bounds = (None, None) if metric.interval is None else (metric.interval.low, metric.interval.high)
        cells += [shown_size(sizes[part, *place]), metric.value, *bounds]
        if metric.reason is not None:
            note = metric.reason
        elif metric.no_interval:
            note = note or message("undefined.too_few_clusters")
    return (*cells, note)


def _place(metric: Metric) -> tuple[str, str]:
    return metric.where["feature"], metric.where["value"]
