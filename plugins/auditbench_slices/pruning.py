"""Slices that say no more than others: what a slice costs at equal membership in those that were kept before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from auditbench_slices.columns import Column
    from auditbench_slices.losses import Losses
    from auditbench_slices.search import Searched

    Rows = npt.NDArray[np.bool_]
    Strata = npt.NDArray[np.intp]


def kept_slices(searched: Searched, columns: Sequence[Column], losses: Losses, *, rate: float, most: int) -> list[int]:
    """The significant slices that each say more than all others of them, at most `most`, the most significant first.

    Going down from the most significant, each is compared with rows that are in the same of the slices kept so far, and a
    pair with the other rows of each of its two values that is significant by itself. Then those go that add nothing to the
    slices kept after them. So a pair within a value that explains it is left out, and a value that is worse only where a
    pair within it is; of slices with nearly the same rows one is left. What a slice adds must be significant at `rate` over
    the number of significant slices (Bonferroni), for of many that add nothing some seem to.
    """
    worse = searched.worse(rate)
    level = rate / max(1, len(worse))
    singles = {searched.slice_at(place).parts[0] for place in worse if searched.columns[place, 1] < 0}
    kept: dict[int, Rows] = {}
    given: list[Strata] = []
    for place in worse:
        found = searched.slice_at(place)
        rows = found.rows(columns)
        own = [part for part in found.parts if part in singles and len(found.parts) == 2]
        among = [strata_of([columns[column].codes == value]) for column, value in own]
        if all(added_p_value(rows, strata, losses) <= level for strata in (*among, *given)):
            kept[place] = rows
            given = [strata_of([*kept.values()])]
        if len(kept) == most:
            break
    for place in list(kept):
        others = [rows for other, rows in kept.items() if other != place]
        if others and added_p_value(kept[place], strata_of(others), losses) > level:
            del kept[place]
    return list(kept)


def strata_of(slices: Sequence[Rows]) -> Strata:
    """Number of the stratum of each row, from 0: rows of one stratum are in the same slices; shape `(rows,)`."""
    strata = slices[0].astype(np.intp)
    for rows in slices[1:]:
        _, strata = np.unique(2 * strata + rows, return_inverse=True)
    return strata


def added_p_value(rows: Rows, strata: Strata, losses: Losses) -> float:
    """Two-sided p-value of what `rows` cost beyond the other rows of their strata, twice the tail of what is worse.

    The sum of losses within each stratum is compared with that of as many rows drawn from it without replacement, which is
    the test of Mantel and Haenszel where losses are 0 or 1. 1 where no stratum has rows of both kinds.

    Args:
        rows: Shape `(rows,)`.
        strata: Number of the stratum of each row, from 0, shape `(rows,)`.

    Source: Mantel and Haenszel (1959), J. National Cancer Institute 22:719; Mantel (1963), J. American Statistical
    Association 58:690 (numbers in place of 0 and 1).
    """
    values = losses.values
    size = np.bincount(strata)
    mean = np.bincount(strata, weights=values) / np.maximum(size, 1)
    inside = np.bincount(strata[rows], minlength=len(size))
    centred = values - mean[strata]
    spread = np.bincount(strata, weights=centred**2)
    variance = float(np.sum(inside * (size - inside) / np.maximum(size * (size - 1), 1) * spread))
    excess = float(centred[rows].sum())
    if losses.clusters is not None:
        influence = (rows - (inside / np.maximum(size, 1))[strata]) * centred
        variance = max(variance, float(np.sum(losses.clusters.sums(influence) ** 2)))
    if variance <= 0:
        return 1.0
    return min(1.0, 2.0 * float(special.ndtr(-excess / np.sqrt(variance))))
