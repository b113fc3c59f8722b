"""Which cells of tables are missing, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.data import FeatureSpec, TableInput
from auditbench.results import Cell, Column, Metric, Table
from auditbench.statistics import IntervalEstimate, largest_difference
from auditbench_data_bias.estimates import share_estimates
from auditbench_data_bias.measures import few_rows, message, metric_of, shown_size

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData
    from auditbench.statistics import Shares
    from auditbench_data_bias.groups import Grouping, PartRows
    from auditbench_data_bias.params import Params

    Mask: TypeAlias = npt.NDArray[np.bool_]

BATCH_ROWS = 1 << 14


def missing_cells(data: EvaluationData) -> dict[str, Mask]:
    """Which evaluated rows lack a cell, shape `(rows,)`, by input column; columns that no row lacks are left out.

    Of a category, a value that the model does not know counts too: to the model it is the same.
    """
    found: dict[str, list[Mask]] = {}
    for rows in data.batches(BATCH_ROWS):
        for name, item in data.inputs.items():
            if isinstance(item, TableInput):
                for column, feature in enumerate(item.features):
                    found.setdefault(feature.name, []).append(_missing(feature, rows.inputs[name][:, column]))
    joined = {name: np.concatenate(masks) for name, masks in found.items()}
    return {name: mask for name, mask in joined.items() if mask.any()}


def missing_metrics(
    rows: PartRows, cells: Mapping[str, Mask], groupings: Sequence[Grouping], params: Params
) -> list[Metric]:
    """The largest difference between two groups in the share of evaluated rows that lack a cell, for each input column."""
    metrics = []
    for grouping, column, mask in _pairs(cells, groupings):
        sizes, shares = grouping.sizes("evaluated"), _shares(rows, grouping, mask)
        large = (sizes >= params.minimum_group) & ~np.isnan(shares.share)
        metrics.append(
            metric_of(
                "missing_difference",
                largest_difference([shares.among(large)]),
                n=int(sizes[large].sum()),
                clusters=rows.clusters,
                higher_is_better=False,
                where={"feature": grouping.feature, "input": column},
                undefined=message("undefined.one_group"),
            )
        )
    return metrics


def missing_table(rows: PartRows, cells: Mapping[str, Mask], groupings: Sequence[Grouping], params: Params) -> Table:
    """A line for each input column that is missing somewhere and each group."""
    columns = (
        *(Column(name=name, label=message(f"column.{name}")) for name in ("input", "feature", "group")),
        Column(name="n", label=message("column.n"), kind="count"),
        *(Column(name=name, label=message(f"column.{name}"), kind="percent") for name in ("missing", "low", "high")),
        Column(name="note", label=message("column.note")),
    )
    lines = [
        _line(column, grouping, group, found, params)
        for grouping, column, mask in _pairs(cells, groupings)
        for found in [share_estimates(_shares(rows, grouping, mask), rows)]
        for group in grouping.listed(params.most_groups)
    ]
    return Table(name="missing", title=message("missing", n=len(cells)), columns=columns, rows=tuple(lines))


def _shares(rows: PartRows, grouping: Grouping, mask: Mask) -> Shares:
    """Share of each group that lacks the cell."""
    grouped = rows.grouped(grouping.codes["evaluated"], len(grouping.groups))
    return grouped.shares(mask, np.ones(len(mask), dtype=np.bool_))


def _pairs(cells: Mapping[str, Mask], groupings: Sequence[Grouping]) -> list[tuple[Grouping, str, Mask]]:
    """Each single sensitive feature with each input column but itself."""
    single = [grouping for grouping in groupings if grouping.depth == 1]
    return [(each, name, mask) for name, mask in cells.items() for each in single if each.feature != name]


def _missing(feature: FeatureSpec, column: npt.NDArray[np.float64]) -> Mask:
    if feature.kind == "number":
        return np.isnan(column)
    known = (column >= 0) & (column < len(feature.categories))
    return np.asarray(~known, dtype=np.bool_)


def _line(
    column: str, grouping: Grouping, group: int, found: Sequence[IntervalEstimate], params: Params
) -> tuple[Cell, ...]:
    n = int(grouping.sizes("evaluated")[group])
    head = (column, grouping.feature, grouping.groups[group], shown_size(n))
    own = found[group]
    if n < params.minimum_group or own.estimate is None:
        return (*head, None, None, None, few_rows(n, params.minimum_group))
    note: Cell = "" if own.low is not None else message("undefined.too_few_clusters")
    return (*head, own.estimate, own.low, own.high, note)
