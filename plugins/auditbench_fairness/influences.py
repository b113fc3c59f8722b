"""What each row does to rates of groups and to what differs between them.

All rows of a group with one label and one decision do the same to a rate, so an influence is a small table by group, label
and decision, looked up for every row; see `auditbench.statistics.influence` for its meaning and its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.statistics import (
    largest_difference_derivatives,
    largest_difference_to_derivatives,
    smallest_ratio_derivatives,
    stored_influence,
)
from auditbench_fairness.disparities import Disparity
from auditbench_fairness.rates import RATES, Counts, Mask, rate_parts, rate_sides

Numbers: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]
RowInfluence: TypeAlias = npt.NDArray[np.float32]


def row_places(row_groups: Places, label: npt.NDArray[np.bool_], decision: npt.NDArray[np.bool_]) -> Places:
    """The place of each row in a table of counts of shape `(groups, 2, 2)` laid flat, shape `(rows,)`."""
    return np.asarray((row_groups * 2 + label) * 2 + decision, dtype=np.int64)


def group_rate_influence(counts: Counts, places: Places, group: int, rate: str) -> RowInfluence | None:
    """Influence of each row on a rate of one group, shape `(rows,)`: 0 for rows of other groups.

    Args:
        counts: Shape `(groups, 2, 2)`; the rate must be a share of at least one row of the group.
        places: Place of each row in `counts`.
    """
    derivatives = np.zeros(len(counts))
    derivatives[group] = 1.0
    return _by_row(_rate_table(counts, rate, derivatives), places)


def disparity_influence(disparity: Disparity, counts: Counts, estimated: Mask, places: Places) -> RowInfluence | None:
    """Influence of each row on a disparity, shape `(rows,)`; the extreme groups and rate are taken as given.

    `None` where the rate of one of these groups is 0 or 1: its rows would count as certain.

    Args:
        counts: Shape `(groups, 2, 2)`; the disparity must be defined.
        estimated: Shape `(groups, rates)`: which groups take part, by rate.
    """
    hits, trials = rate_parts(counts)
    values = np.divide(hits, trials, out=np.zeros(hits.shape), where=trials > 0)
    taken = {name: estimated[:, RATES.index(name)] for name in disparity.rates}
    known = {name: values[mask, RATES.index(name)] for name, mask in taken.items()}
    derivatives, overall = np.zeros(len(counts)), 0.0
    if disparity.kind == "difference":
        rate = max(known, key=lambda name: float(known[name].max() - known[name].min()))
        derivatives[taken[rate]] = largest_difference_derivatives(known[rate])
    elif disparity.kind == "ratio":
        rate = min(known, key=lambda name: float(known[name].min() / known[name].max()))
        derivatives[taken[rate]] = smallest_ratio_derivatives(known[rate])
    else:
        (rate,) = disparity.rates
        column = RATES.index(rate)
        slopes = largest_difference_to_derivatives(known[rate], hits[:, column].sum() / trials[:, column].sum())
        derivatives[taken[rate]], overall = slopes[:-1], float(slopes[-1])
    if np.isin(values[derivatives != 0, RATES.index(rate)], (0.0, 1.0)).any():
        return None
    all_rows = _rate_table(counts.sum(axis=0, keepdims=True), rate, np.array([overall]))
    return _by_row(_rate_table(counts, rate, derivatives) + all_rows, places)


def mean_influence_by_group(
    values: npt.ArrayLike, row_groups: Places, derivatives: Sequence[float] | Numbers, overall: float = 0.0
) -> RowInfluence | None:
    """Influence of each row on a function of the means of groups and of all rows, shape `(rows,)`.

    Args:
        values: Shape `(rows,)`.
        row_groups: Group of each row, shape `(rows,)`.
        derivatives: Of the function by the mean of each group, shape `(groups,)`; 0 for groups that play no part.
        overall: Its derivative by the mean of all rows.
    """
    numbers = np.asarray(values, dtype=np.float64)
    slopes = np.asarray(derivatives, dtype=np.float64)
    sizes = np.maximum(np.bincount(row_groups, minlength=len(slopes)), 1)
    means = np.bincount(row_groups, numbers, minlength=len(slopes)) / sizes
    each = slopes * len(numbers) / sizes
    own = (numbers - means[row_groups]) * each[row_groups]
    return stored_influence(own + overall * (numbers - numbers.mean()))


def _rate_table(counts: Counts, rate: str, derivatives: Numbers) -> Numbers:
    """Sum over groups of derivative x influence on the rate, by group and flattened cell: shape `(groups, 4)`.

    A row among those that the rate of its group is a share of moves it by rows / share x (hit - rate).
    """
    hit, among = rate_sides(rate)
    cells = counts.reshape(len(counts), 4)
    trials = np.maximum(cells @ among, 1)
    each = derivatives * float(cells.sum()) / trials
    return np.asarray(each[:, np.newaxis] * (hit - (cells @ hit / trials)[:, np.newaxis] * among), dtype=np.float64)


def _by_row(table: Numbers, places: Places) -> RowInfluence | None:
    stored = stored_influence(table.reshape(-1))
    return None if stored is None else stored[places]
