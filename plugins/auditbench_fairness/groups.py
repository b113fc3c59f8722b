"""Groups of rows: the values of each sensitive feature, and the combinations of several."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Codes: TypeAlias = npt.NDArray[np.int64]

DENSE_CELLS = 1 << 12
"""Combinations of all features up to which a cell without rows is kept in the table of counts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """The finest groups: one cell a combination of all sensitive features.

    Attributes:
        features: Names of the features.
        levels: Values of each feature, sorted.
        row_cells: Cell of each row, shape `(rows,)`.
        digits: Index of each feature's value in each cell, shape `(cells, features)`.
    """

    features: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    row_cells: Codes
    digits: Codes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """Groups by one feature or by several at once.

    Attributes:
        feature: `sex`, or `sex & race` for the combination.
        depth: Number of features combined.
        groups: `Female`, or `Female & Black`; every combination, those without rows too unless there are very many.
        cell_groups: Group of each cell, shape `(cells,)`.
    """

    feature: str
    depth: int
    groups: tuple[str, ...]
    cell_groups: Codes

    def totals(self, by_cell: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sums over the cells of each group: `(cells, ...)` to `(groups, ...)`."""
        summed = np.zeros((len(self.groups), *by_cell.shape[1:]), dtype=by_cell.dtype)
        np.add.at(summed, self.cell_groups, by_cell)
        return summed


def cells_of(sensitive_features: Mapping[str, npt.NDArray[np.str_]]) -> Cells:
    """Number the combinations of all sensitive features, each an array of shape `(rows,)`."""
    encoded = [np.unique(values, return_inverse=True) for values in sensitive_features.values()]
    levels = tuple(tuple(str(name) for name in names) for names, _ in encoded)
    shape = tuple(len(names) for names in levels)
    codes = np.stack([inverse.reshape(-1) for _, inverse in encoded], axis=1).astype(np.int64)
    if math.prod(shape) <= DENSE_CELLS:
        digits = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1).astype(np.int64)
        row_cells = np.ravel_multi_index(tuple(codes.T), shape).astype(np.int64)
    else:
        digits, row_cells = np.unique(codes, axis=0, return_inverse=True)
    return Cells(features=tuple(sensitive_features), levels=levels, row_cells=row_cells.reshape(-1), digits=digits)


def groupings_of(cells: Cells, depth: int) -> tuple[Grouping, ...]:
    """Groups by each feature, then by each combination of two, ... up to `depth` features."""
    return tuple(
        _grouping(cells, chosen)
        for size in range(1, min(depth, len(cells.features)) + 1)
        for chosen in itertools.combinations(range(len(cells.features)), size)
    )


def _grouping(cells: Cells, chosen: tuple[int, ...]) -> Grouping:
    levels = [cells.levels[index] for index in chosen]
    shape = tuple(len(names) for names in levels)
    if math.prod(shape) <= DENSE_CELLS:
        groups = tuple(" & ".join(names) for names in itertools.product(*levels))
        cell_groups = np.ravel_multi_index(tuple(cells.digits[:, list(chosen)].T), shape).astype(np.int64)
    else:
        found, inverse = np.unique(cells.digits[:, list(chosen)], axis=0, return_inverse=True)
        groups = tuple(" & ".join(names[i] for names, i in zip(levels, row, strict=True)) for row in found.tolist())
        cell_groups = inverse.reshape(-1).astype(np.int64)
    return Grouping(
        feature=" & ".join(cells.features[index] for index in chosen),
        depth=len(chosen),
        groups=groups,
        cell_groups=cell_groups,
    )
