"""Groups of rows: the values of each sensitive feature, and the combinations of several."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.bands import in_order
from auditbench.errors import DataError

Codes: TypeAlias = npt.NDArray[np.int64]
Level: TypeAlias = Hashable

DENSE_CELLS = 1 << 12
"""Combinations of all features up to which a cell without rows is kept in the table of counts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """The finest groups: one cell a combination of all sensitive features.

    Attributes:
        features: Names of the features.
        levels: Values of each feature that occur, sorted, bands such as `18 to 24` from low to high; `None` for missing ones, last.
        digits: Index of each feature's value in each cell, shape `(cells, features)`; cells in the order of values.
    """

    features: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]
    digits: Codes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """Groups by one feature or by several at once.

    Attributes:
        feature: `sex`, or `sex & race` for the combination.
        depth: Number of features combined.
        groups: `Female`, or `Female & Black`, each another; every combination, those without rows too unless there are very
            many. Where values read alike, as 1 and "1" do, a text has quotes.
        cell_groups: Group of each cell, shape `(cells,)`.
    """

    feature: str
    depth: int
    groups: tuple[str, ...]
    cell_groups: Codes

    def named(self, chosen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
        """Names of some of the groups, which are chosen by a mask of shape `(groups,)`."""
        return tuple(self.groups[index] for index in np.flatnonzero(chosen))

    def totals(self, by_cell: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sums over the cells of each group: `(cells, ...)` to `(groups, ...)`."""
        summed = np.zeros((len(self.groups), *by_cell.shape[1:]), dtype=by_cell.dtype)
        np.add.at(summed, self.cell_groups, by_cell)
        return summed


def lay_out(features: tuple[str, ...], levels: Sequence[Sequence[Level]], digits: Codes) -> tuple[Cells, Codes]:
    """Put cells that have rows in order: every combination of their values, unless there are too many.

    Args:
        levels: Values of each feature, in any order, also such as no cell has.
        digits: Shape `(found, features)`, may repeat.

    Returns:
        The cells, and which of them each found one is, shape `(found,)`.

    Raises:
        DataError: Values of a feature that have no order among them.
    """
    ordered, ranked = [], np.empty_like(digits)
    for index, (feature, values) in enumerate(zip(features, levels, strict=True)):
        used = np.unique(digits[:, index]).tolist()
        order = _sorted(feature, values, used)
        rank = np.zeros(len(values), dtype=np.int64)
        rank[order] = np.arange(len(order))
        ordered.append(tuple(values[code] for code in order))
        ranked[:, index] = rank[digits[:, index]]
    shape = tuple(map(len, ordered))
    if math.prod(shape) <= DENSE_CELLS:
        laid = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1).astype(np.int64)
        places = np.ravel_multi_index(tuple(ranked.T), shape).astype(np.int64)
    else:
        laid, places = np.unique(ranked, axis=0, return_inverse=True)
    return Cells(features=features, levels=tuple(ordered), digits=laid), places.reshape(-1)


def groupings_of(cells: Cells, depth: int) -> tuple[Grouping, ...]:
    """Groups by each feature, then by each combination of two, ... up to `depth` features.

    Raises:
        DataError: Two groups would have one name.
    """
    return tuple(
        _grouping(cells, chosen)
        for size in range(1, min(depth, len(cells.features)) + 1)
        for chosen in itertools.combinations(range(len(cells.features)), size)
    )


def _grouping(cells: Cells, chosen: tuple[int, ...]) -> Grouping:
    feature = " & ".join(cells.features[index] for index in chosen)
    levels = [_level_names(cells.levels[index]) for index in chosen]
    shape = tuple(len(names) for names in levels)
    if math.prod(shape) <= DENSE_CELLS:
        groups = tuple(" & ".join(names) for names in itertools.product(*levels))
        cell_groups = np.ravel_multi_index(tuple(cells.digits[:, list(chosen)].T), shape).astype(np.int64)
    else:
        found, inverse = np.unique(cells.digits[:, list(chosen)], axis=0, return_inverse=True)
        groups = tuple(" & ".join(names[i] for names, i in zip(levels, row, strict=True)) for row in found.tolist())
        cell_groups = inverse.reshape(-1).astype(np.int64)
    twice = [name for name, count in Counter(groups).items() if count > 1]
    if twice:
        raise DataError(
            f"expected groups that can be told apart by name, got {twice[0]!r} twice",
            where=f"groups, feature {feature!r}",
            fix="rename their values",
        )
    return Grouping(
        feature=feature,
        depth=len(chosen),
        groups=groups,
        cell_groups=cell_groups,
    )


def _level_names(levels: Sequence[Level]) -> tuple[str, ...]:
    """The values as text, and as Python writes them where two of them read alike."""
    count = Counter(map(str, levels))
    return tuple(repr(level) if count[str(level)] > 1 else str(level) for level in levels)


def _sorted(feature: str, values: Sequence[Level], used: list[int]) -> list[int]:
    """Indices of the used values in their order: bands of numbers from low to high; others by numbers first, then by kind and
    value; missing ones last."""
    places = {values[code]: code for code in used if values[code] is not None}
    bands = in_order([value for value in places if isinstance(value, str)])
    if bands is not None and len(bands) == len(places):
        return [*(places[name] for name in bands), *(code for code in used if values[code] is None)]

    def key(code: int) -> tuple[int, str, Any]:
        value = values[code]
        if value is None:
            return 2, "", 0
        return (0, "", value) if isinstance(value, int | float) else (1, type(value).__qualname__, value)

    try:
        return sorted(used, key=key)
    except TypeError as error:
        raise DataError(
            f"expected groups whose values can be sorted, got {error}",
            where=f"groups, feature {feature!r}",
            fix="give each group as text or as a number",
        ) from error
