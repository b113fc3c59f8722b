"""What each row does to rates of groups and to what differs between them.

All rows of a group with one label and one decision do the same to a rate for their weight, so an influence is a small
table by group, label and decision, looked up for every row; see `auditbench.statistics.influence` for its meaning and its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.statistics import (
    GroupedRows,
    largest_difference_derivatives,
    largest_difference_to_derivatives,
    smallest_ratio_derivatives,
    stored_influence,
)
from auditbench_fairness.disparities import Disparity
from auditbench_fairness.questions import Question
from auditbench_fairness.rates import RATES, Mask, rate_parts, rate_sides

Numbers: TypeAlias = npt.NDArray[np.float64]
RowInfluence: TypeAlias = npt.NDArray[np.float32]


def group_rate_influence(question: Question, group: int, rate: str) -> RowInfluence | None:
    """Influence of each row on a rate of one group, shape `(rows,)`: 0 for rows of other groups.

    The rate must be a share of at least one row of the group.
    """
    derivatives = np.zeros(len(question.counts))
    derivatives[group] = 1.0
    return _by_row(_rate_table(question, question.weighted, rate, derivatives), question)


def disparity_influence(disparity: Disparity, question: Question, estimated: Mask) -> RowInfluence | None:
    """Influence of each row on a disparity, shape `(rows,)`; the extreme groups and rate are taken as given.

    `None` where the rate of one of these groups is 0 or 1: its rows would count as certain.

    Args:
        question: The disparity of its rates must be defined.
        estimated: Shape `(groups, rates)`: which groups take part, by rate.
    """
    taken = {name: estimated[:, RATES.index(name)] for name in disparity.rates}
    known = {name: question.shares[name].share[mask] for name, mask in taken.items()}
    derivatives, overall = np.zeros(len(question.counts)), 0.0
    if disparity.kind == "difference":
        rate = max(known, key=lambda name: float(known[name].max() - known[name].min()))
        derivatives[taken[rate]] = largest_difference_derivatives(known[rate])
    elif disparity.kind == "ratio":
        rate = min(known, key=lambda name: float(known[name].min() / known[name].max()))
        derivatives[taken[rate]] = smallest_ratio_derivatives(known[rate])
    else:
        (rate,) = disparity.rates
        hits, trials = (part[0] for part in rate_parts(question.weighted.sum(axis=0), [rate]))
        slopes = largest_difference_to_derivatives(known[rate], hits / trials)
        derivatives[taken[rate]], overall = slopes[:-1], float(slopes[-1])
    if np.isin(question.shares[rate].share[derivatives != 0], (0.0, 1.0)).any():
        return None
    all_rows = _rate_table(question, question.weighted.sum(axis=0, keepdims=True), rate, np.array([overall]))
    return _by_row(_rate_table(question, question.weighted, rate, derivatives) + all_rows, question)


def mean_influence_by_group(
    values: npt.ArrayLike, rows: GroupedRows, derivatives: Sequence[float] | Numbers, overall: float = 0.0
) -> RowInfluence | None:
    """Influence of each row on a function of the means of groups and of all rows, shape `(rows,)`.

    Args:
        values: Shape `(rows,)`.
        derivatives: Of the function by the mean of each group, shape `(groups,)`; 0 for groups that play no part.
        overall: Its derivative by the mean of all rows.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers - numbers[0]  # exact where all are equal
    slopes = np.asarray(derivatives, dtype=np.float64)
    weight = np.ones(len(numbers)) if rows.weights is None else rows.weights
    sizes = np.bincount(rows.of_row, weight, minlength=len(slopes))
    sizes = np.where(sizes > 0, sizes, 1.0)
    means = np.bincount(rows.of_row, weight * numbers, minlength=len(slopes)) / sizes
    each = slopes * len(numbers) / sizes
    own = weight * (numbers - means[rows.of_row]) * each[rows.of_row]
    mean, total = np.average(numbers, weights=weight), float(weight.sum())
    return stored_influence(own + overall * weight * (numbers - mean) * (len(numbers) / total))


def _rate_table(question: Question, counts: Numbers, rate: str, derivatives: Numbers) -> Numbers:
    """Sum over groups of derivative x influence on the rate, by group and flattened cell: shape `(groups, 4)`.

    A row among those that the rate of its group is a share of moves it by rows / share x (hit - rate), times its weight.
    """
    hit, among = rate_sides(rate)
    cells = counts.reshape(len(counts), 4)
    trials = cells @ among
    each = np.divide(derivatives * len(question.places), trials, out=np.zeros(len(counts)), where=trials > 0)
    share = np.divide(cells @ hit, trials, out=np.zeros(len(counts)), where=trials > 0)
    return np.asarray(each[:, np.newaxis] * (hit - share[:, np.newaxis] * among), dtype=np.float64)


def _by_row(table: Numbers, question: Question) -> RowInfluence | None:
    if question.weights is not None:
        return stored_influence(table.reshape(-1)[question.places] * question.weights)
    stored = stored_influence(table.reshape(-1))
    return None if stored is None else stored[question.places]
