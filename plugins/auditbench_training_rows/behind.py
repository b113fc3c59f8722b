"""What stands behind the answers: the training rows that are near to a case, those that move it, and classes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Cell, Column, Matrix, Table
from auditbench_training_rows.candidates import label_of, own_cluster_cell, own_cluster_column, same_label_share
from auditbench_training_rows.neighbours import distance_percentile, of_own_cluster

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_training_rows.neighbours import Neighbours
    from auditbench_training_rows.studied import Studied
    from auditbench_training_rows.tracin import Influences

    Numbers: TypeAlias = npt.NDArray[np.float64]

FEWEST_CASES = 3
"""Rows that are listed where an audit has no chosen cases."""
SHOWN = 4
"""Training rows of each kind that are listed beside a case."""


def case_table(
    rows: Studied, train: Studied, near: Neighbours, usual: Neighbours, names: tuple[str, ...], cases: int
) -> Table:
    """The first `cases` rows: each one's prediction and label, what its neighbours say, and how far it lies from them."""
    percentiles = distance_percentile(near.distances[:, -1], usual.distances[:, -1])
    together = of_own_cluster(rows.clusters, train.clusters, near)
    nearby = (
        same_label_share(rows.decisions.astype(np.int64), near, train.y_true)
        if names
        else train.y_true[near.positions].mean(axis=1)
    )
    kind: Literal["text", "number"] = "text" if names else "number"
    return Table(
        name="cases",
        title=_message("table.cases"),
        columns=(
            Column(name="case", label=_message("column.case")),
            Column(name="predicted", label=_message("column.predicted"), kind=kind),
            Column(name="observed", label=_message("column.observed"), kind=kind),
            Column(
                name="neighbours",
                label=_message("column.neighbours_predicted" if names else "column.neighbours_mean"),
                kind="percent" if names else "number",
            ),
            Column(name="nearest_distance", label=_message("column.nearest_distance"), kind="number"),
            Column(name="percentile", label=_message("column.percentile"), kind="percent"),
            *own_cluster_column(together),
        ),
        rows=tuple(
            (
                rows.row_ids[at],
                label_of(rows.decisions[at], names),
                label_of(rows.y_true[at], names),
                float(nearby[at]),
                float(near.distances[at, 0]),
                float(percentiles[at]),
                *own_cluster_cell(together, at),
            )
            for at in range(cases)
        ),
        n=len(train),
        sample="training",
    )


def neighbour_table(rows: Studied, train: Studied, near: Neighbours, names: tuple[str, ...], cases: int) -> Table:
    """The nearest training rows of each case."""
    lines: list[tuple[Cell, ...]] = [
        (
            rows.row_ids[at],
            train.row_ids[position],
            label_of(train.y_true[position], names),
            label_of(train.decisions[position], names),
            float(distance),
        )
        for at in range(cases)
        for position, distance in zip(near.positions[at, :SHOWN], near.distances[at, :SHOWN], strict=True)
    ]
    return Table(
        name="neighbours",
        title=_message("table.neighbours"),
        columns=(*_columns(names), Column(name="distance", label=_message("column.distance"), kind="number")),
        rows=tuple(lines),
        n=len(train),
        sample="training",
    )


def influence_table(rows: Studied, train: Studied, found: Influences, names: tuple[str, ...], cases: int) -> Table:
    """The training rows that support and oppose the answer for each case most; those of no influence are left out."""
    lines: list[tuple[Cell, ...]] = []
    for at in range(cases):
        for positions, sizes, sign in ((found.supporters, found.support, 1), (found.opponents, found.opposition, -1)):
            for position, size in zip(positions[at, :SHOWN], sizes[at, :SHOWN], strict=True):
                if size * sign > 0:
                    lines.append(
                        (
                            rows.row_ids[at],
                            train.row_ids[position],
                            label_of(train.y_true[position], names),
                            label_of(train.decisions[position], names),
                            float(size),
                            _message("supports" if sign > 0 else "opposes"),
                        )
                    )
    return Table(
        name="influences",
        title=_message("table.influences"),
        columns=(
            *_columns(names),
            Column(name="influence", label=_message("column.influence"), kind="number"),
            Column(name="direction", label=_message("column.direction")),
        ),
        rows=tuple(lines),
        n=len(train),
        sample="training",
    )


def class_matrix(answers: npt.NDArray[np.int64], by_class: Numbers, names: tuple[str, ...]) -> Matrix:
    """Net influence of the training rows of each class on the explained rows of each answer, as a part of all influence.

    Three digits: a cell is a mean over a few rows.
    """
    known = np.isfinite(by_class).all(axis=1)
    values: list[tuple[float | None, ...]] = []
    for index in range(len(names)):
        members = by_class[known & (answers == index)]
        values.append(tuple(members.mean(axis=0).round(3).tolist()) if len(members) else (None,) * len(names))
    return Matrix(
        name="influence_by_class",
        title=_message("matrix.influence_by_class", n=int(known.sum())),
        row_label=_message("matrix.explained_answer"),
        column_label=_message("matrix.training_label"),
        rows=names,
        columns=names,
        values=tuple(values),
        n=int(known.sum()),
    )


def _columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    kind: Literal["text", "number"] = "text" if names else "number"
    return (
        Column(name="case", label=_message("column.case")),
        Column(name="row", label=_message("column.row")),
        Column(name="given", label=_message("column.given"), kind=kind),
        Column(name="predicted", label=_message("column.predicted"), kind=kind),
    )


def _message(key: str, **values: int) -> Message:
    return Message(key=f"training-rows.{key}", values=values)
