"""Rows by category of sex, of race, or of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from auditbench.bands import MISSING_GROUP

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.bool_]
    Codes: TypeAlias = npt.NDArray[np.int64]

Standing: TypeAlias = Literal["compared", "left_out", "small", "empty"]

MOST_WITH_EMPTY = 100
"""Categories up to which those without rows are listed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Categories:
    """The categories by one feature, or by two at once.

    Attributes:
        feature: `sex`, or `sex & race`.
        names: `Female`, or `Female & Black`: every combination, those without rows too unless there are very many.
        known: Rows of a known category, shape `(rows,)`; the others are counted and in no category.
        of_row: Category of each known row, shape `(known rows,)`.
        sizes: Rows of each category.
        standing: Of each category: `compared` by ratios; `left_out` of them, for it is a small share of the rows; `small`, and
            not estimated; `empty`.
    """

    feature: str
    names: tuple[str, ...]
    known: Mask
    of_row: Codes
    sizes: Codes
    standing: tuple[Standing, ...]

    @property
    def unknown(self) -> int:
        """Rows of an unknown category."""
        return int(len(self.known) - self.known.sum())

    def of(self, *standing: Standing) -> list[int]:
        """The categories that stand so."""
        return [place for place, each in enumerate(self.standing) if each in standing]


def categories_of(
    sensitive: Mapping[str, npt.NDArray[np.str_]],
    features: Sequence[str],
    *,
    unknown: Collection[str],
    smallest: float,
    minimum: int,
) -> Categories:
    """The categories by these features.

    Args:
        unknown: Values of an unknown category, beside missing ones; case does not matter.
        smallest: Share of the known rows below which a category is left out of ratios.
        minimum: Rows below which nothing is estimated of a category.
    """
    unnamed = {MISSING_GROUP, *(name.casefold() for name in unknown)}
    columns = [sensitive[name] for name in features]
    levels = [[str(name) for name in np.unique(column) if str(name).casefold() not in unnamed] for column in columns]
    known = np.logical_and.reduce([np.isin(column, level) for column, level in zip(columns, levels, strict=True)])
    codes = np.zeros(int(known.sum()), dtype=np.int64)
    for column, level in zip(columns, levels, strict=True):
        codes = codes * len(level) + np.searchsorted(np.asarray(level), column[known])
    names = [" & ".join(parts) for parts in product(*levels)]
    if len(names) > MOST_WITH_EMPTY:
        found, codes = np.unique(codes, return_inverse=True)
        names = [names[place] for place in found]
    sizes = np.bincount(codes, minlength=len(names))
    return Categories(
        feature=" & ".join(features),
        names=tuple(names),
        known=known,
        of_row=codes,
        sizes=sizes,
        standing=tuple(_standing(int(size), int(known.sum()), smallest, minimum) for size in sizes),
    )


def _standing(size: int, rows: int, smallest: float, minimum: int) -> Standing:
    if size == 0:
        return "empty"
    if size < minimum:
        return "small"
    return "left_out" if size < smallest * rows else "compared"
