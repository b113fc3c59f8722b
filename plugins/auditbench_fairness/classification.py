"""Rates of groups of a classifier, and what differs between groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import newcombe_difference, wilson_intervals
from auditbench_fairness.comparisons import Comparison, fisher_exact
from auditbench_fairness.disparities import disparities, measure_disparity
from auditbench_fairness.groups import Grouping
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
    from auditbench.context import AuditContext
    from auditbench_fairness import Params


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One table of counts by group, and which rates of it have a meaning.

    Attributes:
        counts: Shape `(groups, 2, 2)`.
        where: Labels besides feature and group, such as the class that is compared with all others.
    """

    grouping: Grouping
    counts: Counts
    rates: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)


def measure_classifier(
    context: AuditContext, params: Params, by_cell: Counts, groupings: tuple[Grouping, ...]
) -> Measured:
    """Rates, differences and comparisons of a binary or multiclass classifier.

    Args:
        by_cell: Rows by cell, label and decision, shape `(cells, classes, classes)`.
    """
    classes = context.data.classes
    chosen = _compared_classes(by_cell, params.most_classes)
    measured = Measured()
    for grouping in groupings:
        counts = grouping.totals(by_cell)
        for question in _questions(grouping, counts, classes, chosen):
            measured.add(_answer(question, params))
    return measured


def estimable(counts: Counts, minimum_group: int, minimum_outcomes: int) -> Mask:
    """Which rates of which groups rest on enough rows, shape `(groups, rates)`."""
    _, trials = rate_parts(counts)
    sizes = counts.sum(axis=(-2, -1))
    return np.asarray((sizes >= minimum_group)[:, np.newaxis] & (trials >= minimum_outcomes), dtype=np.bool_)


def _compared_classes(by_cell: Counts, most: int) -> tuple[int, ...]:
    """The positive class of two; of several, the most frequent ones in the order of the classes."""
    labels = by_cell.sum(axis=(0, 2))
    if len(labels) == 2:
        return (1,)
    return tuple(sorted(np.argsort(-labels, kind="stable")[:most].tolist()))


def _questions(
    grouping: Grouping, counts: Counts, classes: tuple[str, ...], chosen: tuple[int, ...]
) -> tuple[Question, ...]:
    if len(classes) == 2:
        return (Question(grouping=grouping, counts=one_against_rest(counts, 1), rates=RATES),)
    against_rest = (
        Question(
            grouping=grouping,
            counts=one_against_rest(counts, index),
            rates=CLASS_RATES,
            where={"class": classes[index]},
        )
        for index in chosen
    )
    return (Question(grouping=grouping, counts=right_and_wrong(counts), rates=("accuracy",)), *against_rest)


def _answer(question: Question, params: Params) -> Measured:
    estimated = estimable(question.counts, params.minimum_group, params.minimum_outcomes)
    summaries = _disparities(question, params, estimated)
    return Measured(
        group_metrics=_group_metrics(question, params, estimated),
        disparity_metrics=[summary.metric for summary in summaries],
        summaries=summaries,
        comparisons=_comparisons(question, params, estimated),
        lines=_lines(question, estimated),
    )


def _listed(question: Question, most: int) -> list[int]:
    """Groups in the order of the feature's values, only the largest where there are many."""
    sizes = question.counts.sum(axis=(-2, -1))
    return sorted(np.argsort(-sizes, kind="stable")[:most].tolist())


def _group_metrics(question: Question, params: Params, estimated: Mask) -> list[Metric]:
    hits, trials = rate_parts(question.counts)
    sizes = question.counts.sum(axis=(-2, -1))
    bounds = wilson_intervals(hits.reshape(-1), trials.reshape(-1)).reshape(*hits.shape, 2)
    metrics = []
    for group in _listed(question, params.most_groups):
        for name in question.rates:
            index = RATES.index(name)
            known, n, rows = bool(estimated[group, index]), int(sizes[group]), int(trials[group, index])
            low, high = bounds[group, index].tolist()
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
                )
            )
    return metrics


def _reason(n: int, denominator: int, params: Params) -> Message:
    if n < params.minimum_group:
        return small_group(n, params.minimum_group)
    return few_outcomes(denominator, params.minimum_outcomes)


def _disparities(question: Question, params: Params, estimated: Mask) -> list[Summary]:
    sizes = question.counts.sum(axis=(-2, -1))
    summaries = []
    for disparity in disparities(question.rates, to_overall=params.reference == "overall"):
        measured = measure_disparity(disparity, question.counts, estimated)
        metric = disparity_metric(
            disparity.name,
            measured.estimate,
            n=int(sizes[measured.groups].sum()),
            denominator=measured.denominator,
            where={"feature": question.grouping.feature, **question.where},
        )
        summaries.append(
            Summary(
                metric=metric,
                compared=int(measured.groups.sum()),
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
