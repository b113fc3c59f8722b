"""Rates of groups of a classifier, and what differs between groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import MOST_INFLUENCES, newcombe_difference, wilson_intervals
from auditbench_fairness.comparisons import Comparison, fisher_exact
from auditbench_fairness.disparities import Disparity, disparities, measure_disparity
from auditbench_fairness.few_classes import FewClasses
from auditbench_fairness.groups import Grouping
from auditbench_fairness.influences import Places, disparity_influence, group_rate_influence, row_places
from auditbench_fairness.measures import disparity_metric, few_outcomes, group_metric, small_group
from auditbench_fairness.rates import (
    CLASS_RATES,
    RATES,
    Counts,
    Mask,
    one_against_rest,
    rate_parts,
    right_and_wrong,
)
from auditbench_fairness.summary import GroupLine, Measured, Summary

if TYPE_CHECKING:
    from auditbench_fairness import Params


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The evaluated rows: the cell of each, shape `(rows,)`, and its label and decision."""

    cells: Places
    classes: FewClasses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One table of counts by group, and which rates of it have a meaning.

    Attributes:
        counts: Shape `(groups, 2, 2)`.
        places: Place of each row in the flattened counts, shape `(rows,)`.
        where: Labels besides feature and group, such as the class that is compared with all others.
    """

    grouping: Grouping
    counts: Counts
    places: Places
    rates: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)


def measure_classifier(params: Params, by_cell: Counts, groupings: tuple[Grouping, ...], rows: Rows) -> Measured:
    """Rates, differences and comparisons of a binary or multiclass classifier.

    Metrics say what each row does to them as long as `MOST_INFLUENCES` numbers are enough for that: features before their
    combinations, and what differs between groups before the groups.

    Args:
        by_cell: Rows by cell, label and decision, shape `(cells, classes, classes)`, as the rows number the classes.
    """
    measured, room = Measured(), MOST_INFLUENCES
    for grouping in groupings:
        for question in _questions(grouping, grouping.totals(by_cell), rows):
            answer = _answer(question, params, room)
            room -= len(question.places) * answer.with_influence
            measured.add(answer)
    return measured


def estimable(counts: Counts, minimum_group: int, minimum_outcomes: int) -> Mask:
    """Which rates of which groups rest on enough rows, shape `(groups, rates)`."""
    _, trials = rate_parts(counts)
    sizes = counts.sum(axis=(-2, -1))
    return np.asarray((sizes >= minimum_group)[:, np.newaxis] & (trials >= minimum_outcomes), dtype=np.bool_)


def _questions(grouping: Grouping, counts: Counts, rows: Rows) -> Iterator[Question]:
    row_groups, classes = grouping.cell_groups[rows.cells], rows.classes
    binary = classes.size == 2 and bool(classes.compared)
    if not binary:
        right = classes.y_true == classes.y_pred
        yield Question(
            grouping=grouping,
            counts=right_and_wrong(counts),
            places=row_places(row_groups, right, np.ones_like(right)),
            rates=("accuracy",),
        )
    for index, name in classes.compared:
        yield Question(
            grouping=grouping,
            counts=one_against_rest(counts, index),
            places=row_places(row_groups, classes.y_true == index, classes.y_pred == index),
            rates=RATES if binary else CLASS_RATES,
            where={} if binary else {"class": name},
        )


def _answer(question: Question, params: Params, room: int) -> Measured:
    """Everything about one question; `room` is how many numbers may say what rows do to metrics."""
    estimated = estimable(question.counts, params.minimum_group, params.minimum_outcomes)
    rows = len(question.places)
    gaps = disparities(question.rates, to_overall=params.reference == "overall")
    groups = len(_listed(question, params.most_groups)) * len(question.rates)
    summaries = _disparities(question, gaps, estimated, by_row=len(gaps) * rows <= room)
    return Measured(
        group_metrics=_group_metrics(question, params, estimated, by_row=(len(gaps) + groups) * rows <= room),
        disparity_metrics=[summary.metric for summary in summaries],
        summaries=summaries,
        comparisons=_comparisons(question, params, estimated),
        lines=_lines(question, estimated),
    )


def _listed(question: Question, most: int) -> list[int]:
    """Groups in the order of the feature's values, only the largest where there are many."""
    sizes = question.counts.sum(axis=(-2, -1))
    return sorted(np.argsort(-sizes, kind="stable")[:most].tolist())


def _group_metrics(question: Question, params: Params, estimated: Mask, *, by_row: bool) -> list[Metric]:
    hits, trials = rate_parts(question.counts)
    sizes = question.counts.sum(axis=(-2, -1))
    bounds = wilson_intervals(hits.reshape(-1), trials.reshape(-1)).reshape(*hits.shape, 2)
    metrics = []
    for group in _listed(question, params.most_groups):
        for name in question.rates:
            index = RATES.index(name)
            known, n, rows = bool(estimated[group, index]), int(sizes[group]), int(trials[group, index])
            low, high = bounds[group, index].tolist()
            influence = None
            if known and by_row:
                influence = group_rate_influence(question.counts, question.places, group, name)
            metrics.append(
                group_metric(
                    name,
                    int(hits[group, index]) / rows if known else None,
                    (low, high) if known else None,
                    n=n,
                    denominator=rows,
                    where=_where(question, group),
                    method="wilson",
                    reason=None if known else _reason(n, rows, params),
                    influence=influence,
                )
            )
    return metrics


def _reason(n: int, denominator: int, params: Params) -> Message:
    if n < params.minimum_group:
        return small_group(n, params.minimum_group)
    return few_outcomes(denominator, params.minimum_outcomes)


def _disparities(question: Question, gaps: tuple[Disparity, ...], estimated: Mask, *, by_row: bool) -> list[Summary]:
    sizes = question.counts.sum(axis=(-2, -1))
    summaries = []
    for disparity in gaps:
        measured = measure_disparity(disparity, question.counts, estimated)
        influence = None
        if by_row and measured.estimate.estimate is not None:
            influence = disparity_influence(disparity, question.counts, estimated, question.places)
        metric = disparity_metric(
            disparity.name,
            measured.estimate,
            n=int(sizes[measured.groups].sum()),
            denominator=measured.denominator,
            where={"feature": question.grouping.feature, **question.where},
            influence=influence,
        )
        summaries.append(
            Summary(
                metric=metric,
                compared=question.grouping.named(measured.groups),
                left_out=int((sizes[measured.incomplete] > 0).sum()),
            )
        )
    return summaries


def _comparisons(question: Question, params: Params, estimated: Mask) -> list[Comparison]:
    hits, trials = rate_parts(question.counts)
    sizes = question.counts.sum(axis=(-2, -1))
    listed = [group for group in _listed(question, params.most_groups) if sizes[group]]
    if int((sizes > 0).sum()) == 2:
        listed = listed[:1]  # the second comparison would be the first one mirrored
    found = []
    for group in listed:
        for name in question.rates:
            index = RATES.index(name)
            own, rows = int(hits[group, index]), int(trials[group, index])
            rest, rest_rows = int(hits[:, index].sum()) - own, int(trials[:, index].sum()) - rows
            if not estimated[group, index] or rest_rows < params.minimum_outcomes:
                continue
            interval = newcombe_difference(own, rows, rest, rest_rows)
            found.append(
                Comparison(
                    where=_where(question, group),
                    measure=name,
                    value=own / rows,
                    rest=rest / rest_rows,
                    low=interval.low,
                    high=interval.high,
                    n=rows,
                    p_value=fisher_exact(own, rows, rest, rest_rows),
                )
            )
    return found


def _lines(question: Question, estimated: Mask) -> list[GroupLine]:
    sizes = question.counts.sum(axis=(-2, -1))
    columns = [RATES.index(name) for name in question.rates]
    return [
        GroupLine(
            feature=question.grouping.feature,
            group=name,
            depth=question.grouping.depth,
            n=int(sizes[index]),
            estimated=bool(estimated[index, columns].all()),
        )
        for index, name in enumerate(question.grouping.groups)
    ]


def _where(question: Question, group: int) -> dict[str, str]:
    return {"feature": question.grouping.feature, "group": question.grouping.groups[group], **question.where}
