"""The search on the first half: every single value and pair of values, and the false discovery rate over all of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.statistics import benjamini_hochberg
from auditbench_slices.comparing import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from auditbench_slices.columns import Column
    from auditbench_slices.losses import Losses

    Numbers = npt.NDArray[np.float64]
    Places = npt.NDArray[np.int64]
    Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows with one value of one column, or with one value of each of two.

    Attributes:
        parts: Place of a column and of one of its levels, for each column.
    """

    parts: tuple[tuple[int, int], ...]

    def rows(self, columns: Sequence[Column]) -> Rows:
        """Which rows are in it, shape `(rows,)`."""
        masks = [columns[column].codes == level for column, level in self.parts]
        inside: Rows = np.logical_and.reduce(masks)
        return inside

    def labels(self, columns: Sequence[Column]) -> dict[str, str]:
        """Name of its value by name of the column."""
        return {columns[column].name: columns[column].levels[level] for column, level in self.parts}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searched:
    """Every slice that was tested on the first half.

    Attributes:
        columns: Place of the column and of the second one, -1 where there is none, shape `(slices, 2)`; `levels` alike.
        n: Rows of each, shape `(slices,)`.
        p_value: Two-sided, of what is worse, shape `(slices,)`; `adjusted` by Benjamini and Hochberg over all slices.
        paired: Columns that were paired.
    """

    columns: Places
    levels: Places
    n: Places
    p_value: Numbers
    adjusted: Numbers
    paired: int

    def __len__(self) -> int:
        return len(self.n)

    def slice_at(self, place: int) -> Slice:
        """One of them."""
        parts = zip(self.columns[place].tolist(), self.levels[place].tolist(), strict=True)
        return Slice(parts=tuple((column, level) for column, level in parts if column >= 0))

    def worse(self, rate: float) -> list[int]:
        """Those that are significant at the rate, the most significant first; of equals the one of fewer columns."""
        found = np.flatnonzero(self.adjusted <= rate)
        order = np.lexsort((self.columns[found, 1] >= 0, self.p_value[found]))
        return [int(place) for place in found[order]]


def search(columns: Sequence[Column], losses: Losses, *, minimum: int, most_paired: int) -> Searched:
    """Test all slices of at least `minimum` rows that leave out as many.

    A pair that has the same rows as one of its two values is that value and not counted twice. Of many columns those are
    paired of which a value is most significant, which the first half decides, as all here.

    Args:
        columns: Of the rows of the first half; `losses` theirs.
    """
    every = range(len(columns))
    singles = [_tested(columns, (place,), losses, minimum, {}) for place in every]
    counts = {place: np.bincount(columns[place].codes, minlength=len(columns[place].levels)) for place in every}
    strongest = sorted(every, key=lambda place: float(np.min(singles[place].p_value, initial=2.0)))[:most_paired]
    pairs = itertools.combinations(sorted(strongest), 2)
    parts = singles + [_tested(columns, pair, losses, minimum, counts) for pair in pairs]
    p_value = np.concatenate([np.empty(0), *(part.p_value for part in parts)])
    return Searched(
        columns=np.concatenate([np.empty((0, 2), dtype=np.int64), *(part.columns for part in parts)]),
        levels=np.concatenate([np.empty((0, 2), dtype=np.int64), *(part.levels for part in parts)]),
        n=np.concatenate([np.empty(0, dtype=np.int64), *(part.n for part in parts)]),
        p_value=p_value,
        adjusted=benjamini_hochberg(p_value),
        paired=len(strongest),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """The tested slices of one column, or of one pair of columns."""

    columns: Places
    levels: Places
    n: Places
    p_value: Numbers


def _tested(
    columns: Sequence[Column], places: tuple[int, ...], losses: Losses, minimum: int, counts: dict[int, Places]
) -> _Part:
    """Slices of one column or two.

    Args:
        counts: Rows of each level, by column; read for pairs alone.
    """
    first, width = columns[places[0]], 1
    codes = first.codes
    if len(places) == 2:
        width = len(columns[places[1]].levels)
        codes = codes * width + columns[places[1]].codes
    found = compare(codes, len(first.levels) * width, losses, minimum=minimum)
    kept = found.testable
    levels = np.stack(np.divmod(np.arange(len(kept)), width), axis=1)
    if len(places) == 2:
        for side, place in enumerate(places):
            kept = kept & (found.n < counts[place][levels[:, side]])
    chosen = np.flatnonzero(kept)
    if len(places) == 1:
        levels[:, 1] = -1
    of_columns = np.tile((*places, -1)[:2], (len(chosen), 1)).astype(np.int64)
    return _Part(columns=of_columns, levels=levels[chosen], n=found.n[chosen], p_value=found.p_value[chosen])
