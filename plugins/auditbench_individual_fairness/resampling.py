"""Bootstrap replicates of sums over groups, drawn as whole tables: of kinds of rows, of blocks of rows, or of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.statistics import Clusters, multinomial_replicates

if TYPE_CHECKING:
    Numbers: TypeAlias = npt.NDArray[np.float64]
    Codes: TypeAlias = npt.NDArray[np.int64]

MOST_UNITS = 1 << 12
_NUMBERS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """What is drawn with replacement in the place of rows.

    Attributes:
        of_row: Unit of each row, shape `(rows,)`.
        drawn_as: How many there are of each unit, shape `(units,)`: rows of a kind, or 1.
        sizes: What sums over a unit are divided by to be those of one draw, alike.
    """

    of_row: Codes
    drawn_as: Codes
    sizes: Numbers


def units_of(kinds: Codes, clusters: Clusters | None, rng: np.random.Generator) -> Units:
    """Clusters where there are some; else kinds of equal rows, so that the cost does not depend on the rows.

    Of more than `MOST_UNITS`, as of the kinds of numbers, so many blocks of rows or clusters that are put together by chance
    are drawn: the bootstrap of random groups, which has the variance of that of their members.

    Args:
        kinds: Shape `(rows,)`: rows of one kind count alike in every sum.

    Source: Wolter (2007), Introduction to Variance Estimation, chapter 2 (random groups).
    """
    if clusters is None:
        _, of_row, counts = np.unique(kinds, return_inverse=True, return_counts=True)
        if len(counts) <= MOST_UNITS:
            return Units(of_row=of_row, drawn_as=counts, sizes=counts.astype(np.float64))
    of_row, count = (np.arange(len(kinds)), len(kinds)) if clusters is None else (clusters.of_row, clusters.count)
    if count > MOST_UNITS:
        of_row, count = rng.permutation(count)[of_row] % MOST_UNITS, MOST_UNITS
    return Units(of_row=of_row, drawn_as=np.ones(count, dtype=np.int64), sizes=np.ones(count))


def drawn_units(units: Units, replicates: int, rng: np.random.Generator) -> Iterator[Numbers]:
    """How often each unit is drawn, in batches of shape `(batch, units)` that add up to `replicates`."""
    batch = max(1, _NUMBERS_AT_ONCE // len(units.drawn_as))
    for start in range(0, replicates, batch):
        yield multinomial_replicates(units.drawn_as, min(batch, replicates - start), rng).astype(np.float64)


def unit_sums(units: Units, groups: Codes, count: int, moments: Numbers) -> Numbers:
    """Sums over each group of one draw of each unit, shape `(units, groups, moments)`.

    Args:
        groups: Group of each row, shape `(rows,)`; `count` of them.
        moments: What is summed, shape `(rows, moments)`.
    """
    table = np.zeros((len(units.sizes) * count, moments.shape[1]))
    np.add.at(table, units.of_row * count + groups, moments)
    return table.reshape(len(units.sizes), count, -1) / units.sizes[:, np.newaxis, np.newaxis]
