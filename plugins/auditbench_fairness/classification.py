"""Rates of groups of a classifier, and what differs between groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import multinomial_replicates, newcombe_difference, percentile_intervals, wilson_intervals
from auditbench_fairness.comparisons import Comparison, fisher_exact
from auditbench_fairness.groups import Cells, Grouping
from auditbench_fairness.measures import disparity_metric, group_metric, message
from auditbench_fairness.rates import (
    CLASS_RATES,
    RATES,
    Counts,
    Mask,
    Numbers,
    counts_by_cell,
    disparities,
    one_against_rest,
    rate_parts,
    right_and_wrong,
)
from auditbench_fairness.summary import GroupLine, Measured, Summary

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_fairness import Params


BATCH_CELLS = 1 << 20
"""Counts that one batch of bootstrap replicates may hold; bounds the memory of many groups."""


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
    context: AuditContext, params: Params, cells: Cells, groupings: tuple[Grouping, ...], y_pred: npt.NDArray[Any]
) -> Measured:
    """Rates, differences and comparisons of a binary or multiclass classifier whose decisions are `y_pred`."""
    classes, y_true = context.data.classes, context.data.y_true
    by_cell = counts_by_cell(cells.row_cells, len(cells.digits), y_true, y_pred, len(classes))
    chosen = _compared_classes(by_cell, params.most_classes)
    measured = Measured()
    for grouping in groupings:
        counts = grouping.totals(by_cell)
        for question in _questions(grouping, counts, classes, chosen):
            rng = context.rng("/".join([grouping.feature, *question.where.values()]))
            measured.add(_answer(question, params, rng))
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


def _answer(question: Question, params: Params, rng: np.random.Generator) -> Measured:
    estimated = estimable(question.counts, params.minimum_group, params.minimum_outcomes)
    summaries = _disparities(question, params, estimated, rng)
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
    if n == 0:
        return message("undefined.empty_group")
    if n < params.minimum_group:
        return message("undefined.small_group", n=n, minimum=params.minimum_group)
    if denominator == 0:
        return message("undefined.no_denominator")
    return message("undefined.few_outcomes", n=denominator, minimum=params.minimum_outcomes)


def _disparities(question: Question, params: Params, estimated: Mask, rng: np.random.Generator) -> list[Summary]:
    values = _replicated(question, estimated, params.replicates, rng)
    wanted = [name for name in values if params.reference == "overall" or "_to_overall" not in name]
    stacked = np.stack([values[name] for name in wanted], axis=1)
    estimates = percentile_intervals(stacked[0], stacked[1:])
    sizes = question.counts.sum(axis=(-2, -1))
    summaries = []
    for index, name in enumerate(wanted):
        taking_part = _taking_part(name, estimated)
        reason = "undefined.zero_in_every_group" if taking_part.sum() > 1 else "undefined.fewer_than_two_groups"
        metric = disparity_metric(
            name,
            estimates,
            index,
            n=int(sizes[taking_part].sum()),
            where={"feature": question.grouping.feature, **question.where},
            reason=message(reason),
        )
        summaries.append(
            Summary(
                metric=metric,
                compared=int(taking_part.sum()),
                left_out=int((sizes[~taking_part] > 0).sum()),
                undefined_replicates=int(estimates.undefined_replicates[index]),
            )
        )
    return summaries


def _replicated(
    question: Question, estimated: Mask, replicates: int, rng: np.random.Generator
) -> Mapping[str, Numbers]:
    """Disparities of the counts and of their bootstrap replicates, each of shape `(1 + replicates,)`.

    Groups that take no part are drawn as one, which changes nothing about the others or about all rows.
    """
    known = estimated.any(axis=1)
    counts = np.concatenate([question.counts[known], question.counts[~known].sum(axis=0, keepdims=True)])
    taking_part = np.concatenate([estimated[known], np.zeros((1, len(RATES)), dtype=np.bool_)])
    batch = max(1, BATCH_CELLS // counts.size)
    parts = [disparities(counts[np.newaxis], taking_part, question.rates)]
    for start in range(0, replicates, batch):
        drawn = multinomial_replicates(counts, min(batch, replicates - start), rng)
        parts.append(disparities(drawn, taking_part, question.rates))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _taking_part(name: str, estimated: Mask) -> Mask:
    """The groups that a difference or ratio is taken over; for equalized odds those with both rates."""
    if name.startswith("equalized_odds"):
        return np.asarray(estimated[:, 1] & estimated[:, 2], dtype=np.bool_)
    owners = {"demographic_parity": "selection_rate", "equal_opportunity": "true_positive_rate"}
    rate = next((rate for prefix, rate in owners.items() if name.startswith(prefix)), None)
    rate = rate or next(rate for rate in RATES if name.startswith(rate))
    return np.asarray(estimated[:, RATES.index(rate)], dtype=np.bool_)


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
