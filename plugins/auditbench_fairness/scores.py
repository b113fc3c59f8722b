"""Scores of groups: how well they rank, how high they are, and whether they match what happened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from auditbench.findings import Message
from auditbench.statistics import (
    GroupedRows,
    calibration_error_influence,
    clusters_of,
)
from auditbench_fairness.groups import Grouping
from auditbench_fairness.means import MeanQuestion, Measure, measure_means
from auditbench_fairness.measures import few_of_a_class
from auditbench_fairness.regression import group_reasons
from auditbench_fairness.summary import Measured

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_fairness import Params

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SCORES = ("auc", "mean_score", "calibration_gap", "calibration_error")
BINS = 10


def measure_scores(
    context: AuditContext,
    params: Params,
    row_cells: npt.NDArray[np.int64],
    groupings: tuple[Grouping, ...],
    room: int,
) -> Measured:
    """Area under the curve, mean score, and calibration of every group, and what differs; nothing where scores are decisions.

    Metrics say what each row does to them in the order of `measure_classifier`.

    Args:
        row_cells: Cell of each row, shape `(rows,)`.
        room: How many numbers may say what rows do to metrics.
    """
    data = context.data
    score = context.model.probabilities(context.finite_outputs())[:, 1].astype(np.float64)
    measured = Measured()
    if np.isin(score, (0.0, 1.0)).all():
        return measured
    clusters = clusters_of(data.clusters)
    for grouping in groupings:
        rows = GroupedRows(
            of_row=grouping.cell_groups[row_cells],
            groups=len(grouping.groups),
            clusters=clusters,
            weights=data.weights,
        )
        measures = _measures(rows, score, data.y_true == 1, params)
        found = measure_means(
            MeanQuestion(grouping=grouping, rows=rows, measures=measures), params, room // max(1, len(score))
        )
        room -= len(score) * found.with_influence
        measured.add(found)
    return measured


def _measures(rows: GroupedRows, score: Numbers, positive: Mask, params: Params) -> list[Measure]:
    reasons = group_reasons(rows, params.minimum_group)
    error = score - positive
    ranked = tuple(
        reason if reason is not None else _one_class(positive[rows.of_row == group], params.minimum_outcomes)
        for group, reason in enumerate(reasons)
    )
    areas, folded = area_values(rows, score, positive), calibration_values(rows, score, positive)
    means, gaps = rows.mean_contrast(score), rows.mean_contrast(error)
    noise = np.array([_is_noise(score, positive, rows.of_row == group) for group in range(rows.groups)])
    distances = rows.means(folded)
    return [
        Measure(
            name="auc",
            unit="1",
            values=areas,
            groups=replace(rows.means(areas), log_odds=True),
            contrast=None,
            reasons=ranked,
        ),
        Measure(
            name="mean_score",
            unit="1",
            values=score,
            groups=means.own,
            contrast=means,
            reasons=reasons,
            least=0,
            most=1,
        ),
        Measure(
            name="calibration_gap",
            unit="1",
            values=error,
            groups=gaps.own,
            contrast=gaps,
            reasons=reasons,
            least=-1,
            most=1,
        ),
        Measure(
            name="calibration_error",
            unit="1",
            values=folded,
            groups=replace(distances, error=np.where(noise, np.nan, distances.error)),
            contrast=None,
            reasons=reasons,
            least=0,
            most=1,
        ),
    ]


def area_values(rows: GroupedRows, score: Numbers, positive: Mask) -> Numbers:
    """A value a row, shape `(rows,)`, whose mean over a group is its area under the curve; 0 for groups of one class.

    The area plus the influence of the row, which DeLong's structural components give; with weights, shares of the other
    class are of its weight.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837, eq. 4.
    """
    weight = np.ones(len(score)) if rows.weights is None else rows.weights
    values = np.zeros(len(score))
    order = np.argsort(rows.of_row, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(rows.of_row[order])) + 1):
        sides = [own[positive[own]], own[~positive[own]]]
        totals = [float(weight[side].sum()) for side in sides]
        if min(totals) == 0:
            continue
        above = _share_below(score[sides[0]], score[sides[1]], weight[sides[1]])
        below = 1.0 - _share_below(score[sides[1]], score[sides[0]], weight[sides[0]])
        area = float(np.average(above, weights=weight[sides[0]]))
        for side, parts, total in zip(sides, (above, below), totals, strict=True):
            values[side] = area + (parts - area) * (sum(totals) / total)
    return values


def calibration_values(rows: GroupedRows, score: Numbers, positive: Mask) -> Numbers:
    """A value a row, shape `(rows,)`, whose mean over a group is its calibration error: score less label, with the sign that
    makes the gap of its bin positive.

    Bins are `BINS` of equal width; each holds its lower edge, the last one both.
    """
    weight = np.ones(len(score)) if rows.weights is None else rows.weights
    bins = np.minimum((np.searchsorted(np.linspace(0.0, 1.0, BINS + 1), score, side="right") - 1), BINS - 1)
    place = rows.of_row * BINS + bins
    gap = np.bincount(place, weight * (score - positive), minlength=rows.groups * BINS)
    return np.asarray(np.sign(gap)[place] * (score - positive), dtype=np.float64)


def _share_below(values: Numbers, others: Numbers, weight: Numbers) -> Numbers:
    """Share of the weight of others below each value, equal ones counted half."""
    order = np.argsort(others, kind="stable")
    summed = np.concatenate([[0.0], np.cumsum(weight[order])])
    ordered = others[order]
    twice = sum(summed[np.searchsorted(ordered, values, side=side)] for side in ("left", "right"))
    return np.asarray(twice / (2.0 * summed[-1]), dtype=np.float64)


def _one_class(positive: Mask, minimum: int) -> Message | None:
    rarer = min(int(positive.sum()), int((~positive).sum()))
    return few_of_a_class(rarer, minimum) if rarer < minimum else None


def _is_noise(score: Numbers, positive: Mask, own: Mask) -> bool:
    """Whether the calibration error of these rows could be what chance adds to one of 0, so that no interval holds."""
    return calibration_error_influence(score[own], positive[own], bins=BINS) is None
