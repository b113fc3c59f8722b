"""Training rows whose labels are worth a look: four rankings, and the rows that head them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Cell, Column, Table
from auditbench_training_rows.neighbours import of_own_cluster
from auditbench_training_rows.tracin import self_influence

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_training_rows.neighbours import Neighbours
    from auditbench_training_rows.studied import Studied

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Order: TypeAlias = npt.NDArray[np.int64]

MOST_ROWS = 100
"""Of the table."""
DISAGREEING = 0.5
"""A label disagrees with most neighbours when fewer than this share of them have it."""


def same_label_share(labels: npt.NDArray[np.int64], neighbours: Neighbours, train: npt.NDArray[np.int64]) -> Numbers:
    """Share of each row's neighbours whose label is the given one, shape `(rows,)`."""
    return np.asarray((train[neighbours.positions] == labels[:, np.newaxis]).mean(axis=1))


def rankings(train: Studied, neighbours: Neighbours) -> dict[str, Order]:
    """Positions of the training rows by each score, the most conspicuous first.

    `self_influence` where the network has a last linear layer; `loss`; `neighbours`: the smallest share of neighbours with
    the given label, of equal ones the row whose last neighbour is nearest; in a regression the largest distance from the
    neighbours' mean label. `margin`: the smallest probability of the given label less that of the likeliest other.
    """
    found: dict[str, Order] = {}
    if train.layer is not None:
        found["self_influence"] = _descending(self_influence(train.layer))
    found["loss"] = _descending(train.losses)
    if train.margins is None:
        found["neighbours"] = _descending(np.abs(train.y_true - train.y_true[neighbours.positions].mean(axis=1)))
        return found
    found["neighbours"] = np.lexsort(
        (neighbours.distances[:, -1], same_label_share(train.y_true, neighbours, train.y_true))
    )
    found["margin"] = _descending(-train.margins)
    return found


def contradicted(train: Studied, neighbours: Neighbours) -> npt.NDArray[np.bool_]:
    """Rows whose label the model or most of the neighbours contradict, shape `(rows,)`; in a regression every row."""
    if train.margins is None:
        return np.ones(len(train), dtype=np.bool_)
    few_alike = same_label_share(train.y_true, neighbours, train.y_true) < DISAGREEING
    return np.asarray((train.decisions != train.y_true) | few_alike)


def heads(orders: dict[str, Order], doubtful: npt.NDArray[np.bool_], count: int) -> dict[str, list[int]]:
    """The first `count` doubtful rows of each ranking."""
    return {name: order[doubtful[order]][:count].tolist() for name, order in orders.items()}


def candidate_table(
    train: Studied,
    orders: dict[str, Order],
    first: dict[str, list[int]],
    neighbours: Neighbours,
    names: tuple[str, ...],
) -> Table:
    """The rows of `heads`: those that head most rankings first, then by their mean rank."""
    ranks = {name: _ranks(order) for name, order in orders.items()}
    named_by = Counter(row for head in first.values() for row in head)
    mean_rank = np.mean([*ranks.values()], axis=0)
    chosen = sorted(named_by, key=lambda row: (-named_by[row], float(mean_rank[row]), row))[:MOST_ROWS]
    nearby: Any = (
        same_label_share(train.y_true, neighbours, train.y_true)
        if names
        else train.y_true[neighbours.positions].mean(axis=1)
    )
    own = None if train.layer is None else self_influence(train.layer)
    together = of_own_cluster(train.clusters, train.clusters, neighbours)
    rows: list[tuple[Cell, ...]] = [
        (
            train.row_ids[row],
            label_of(train.y_true[row], names),
            label_of(train.decisions[row], names),
            float(train.losses[row]),
            float(nearby[row]),
            None if own is None else float(own[row]),
            named_by[row],
            *(int(ranks[name][row]) + 1 for name in orders),
            *own_cluster_cell(together, row),
        )
        for row in chosen
    ]
    kind: Literal["text", "number"] = "text" if names else "number"
    return Table(
        name="candidates",
        title=_message("table.candidates", n=len(rows)),
        columns=(
            Column(name="row", label=_message("column.row")),
            Column(name="given", label=_message("column.given"), kind=kind),
            Column(name="predicted", label=_message("column.predicted"), kind=kind),
            Column(name="loss", label=_message("column.loss"), kind="number"),
            Column(
                name="neighbours_label",
                label=_message("column.neighbours_same" if names else "column.neighbours_mean"),
                kind="percent" if names else "number",
            ),
            Column(name="self_influence", label=_message("column.self_influence"), kind="number"),
            Column(name="named_by", label=_message("column.named_by"), kind="count"),
            *(Column(name=f"rank_{name}", label=_message(f"column.rank.{name}"), kind="count") for name in orders),
            *own_cluster_column(together),
        ),
        rows=tuple(rows),
        n=len(train),
        sample="training",
    )


def own_cluster_column(together: npt.NDArray[np.bool_] | None) -> tuple[Column, ...]:
    """The column that says how many neighbours are of a row's own cluster, where clusters are known."""
    return () if together is None else (Column(name="own_cluster", label=_message("column.own_cluster"), kind="count"),)


def own_cluster_cell(together: npt.NDArray[np.bool_] | None, row: int) -> tuple[Cell, ...]:
    """The cell of a row in this column."""
    return () if together is None else (int(together[row].sum()),)


def agreement_table(first: dict[str, list[int]], n: int) -> Table:
    """Share of the rows at the head of one ranking of `n` rows that are at the head of another; there are as many in each."""
    count = len(next(iter(first.values())))
    rows: list[tuple[Cell, ...]] = [
        (_message(f"ranking.{one}"), *(len({*first[one]} & {*first[other]}) / count for other in first))
        for one in first
    ]
    return Table(
        name="ranking_agreement",
        title=_message("table.ranking_agreement", n=count),
        columns=(
            Column(name="ranking", label=_message("column.ranking")),
            *(Column(name=name, label=_message(f"ranking.{name}"), kind="percent") for name in first),
        ),
        rows=tuple(rows),
        n=n,
        sample="training",
    )


def label_of(value: Any, names: tuple[str, ...]) -> str | float:
    """A class by name, or a value."""
    return names[int(value)] if names else float(value)


def _descending(scores: Numbers) -> Order:
    return np.argsort(-scores, kind="stable")


def _ranks(order: Order) -> Order:
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks


def _message(key: str, **values: int) -> Message:
    return Message(key=f"training-rows.{key}", values=values)
