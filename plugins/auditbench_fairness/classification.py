"""Rates of groups of a classifier, and what differs between groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import FEWEST_CLUSTERS, contrast_intervals, contrast_p_values
from auditbench_fairness.comparisons import Comparison, fisher_exact
from auditbench_fairness.conditional import RATE, measure_conditions
from auditbench_fairness.disparities import (
    LEVEL,
    Disparity,
    Measurement,
    detectable_difference,
    disparities,
    measure_disparity,
)
from auditbench_fairness.groups import Grouping
from auditbench_fairness.influences import disparity_influence, group_rate_influence
from auditbench_fairness.measures import (
    disparity_metric,
    few_clusters,
    few_outcomes,
    group_metric,
    no_weight,
    small_group,
)
from auditbench_fairness.questions import Question, Rows, questions_of
from auditbench_fairness.rates import RATES, Counts, Mask, rate_parts
from auditbench_fairness.summary import GroupLine, Measured, Summary

if TYPE_CHECKING:
    from auditbench_fairness import Params


def measure_classifier(
    params: Params, by_cell: Counts, groupings: tuple[Grouping, ...], rows: Rows, room: int
) -> Measured:
    """Rates, differences and comparisons of a binary or multiclass classifier.

    Metrics say what each row does to them as long as there is room for that: features before their combinations, and what
    differs between groups before the groups.

    Args:
        by_cell: Rows by cell, label and decision, shape `(cells, classes, classes)`, as the rows number the classes.
        room: How many numbers may say what rows do to metrics.
    """
    measured = Measured()
    for grouping in groupings:
        for question in questions_of(grouping, grouping.totals(by_cell), rows):
            answer = _answer(question, params, room)
            room -= len(question.places) * answer.with_influence
            if rows.strata is not None and RATE in question.rates:
                conditions = measure_conditions(question, rows.strata, params)
                answer.conditions += conditions.conditions
                answer.disparity_metrics += conditions.metrics
            measured.add(answer)
    return measured


def _answer(question: Question, params: Params, room: int) -> Measured:
    """Everything about one question; `room` is how many numbers may say what rows do to metrics."""
    estimated = question.estimable(params.minimum_group, params.minimum_outcomes)
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
    """The largest groups, in their order."""
    return sorted(np.argsort(-question.sizes, kind="stable")[:most].tolist())


def _group_metrics(question: Question, params: Params, estimated: Mask, *, by_row: bool) -> list[Metric]:
    _, trials = rate_parts(question.counts)
    limits = {name: shares.limited(LEVEL) for name, shares in question.shares.items()}
    metrics = []
    for group in _listed(question, params.most_groups):
        for name in question.rates:
            index, shares = RATES.index(name), limits[name]
            known = bool(estimated[group, index])
            influence = None
            if known and by_row:
                influence = group_rate_influence(question, group, name)
            metrics.append(
                group_metric(
                    name,
                    float(shares.value[group]) if known else None,
                    (float(shares.low[group]), float(shares.high[group])) if known else None,
                    n=int(question.sizes[group]),
                    denominator=int(trials[group, index]),
                    clusters=None if question.clusters is None or not known else int(question.clusters[group]),
                    where=question.labels(group),
                    method=_method(question),
                    reason=None if known else _reason(question, group, name, params),
                    influence=influence,
                )
            )
    return metrics


def _method(question: Question) -> str:
    if question.rows is None:
        return "wilson"
    return "weighted-wilson" if question.rows.clusters is None else "cluster-wilson"


def _reason(question: Question, group: int, rate: str, params: Params) -> Message:
    n, trials = int(question.sizes[group]), int(rate_parts(question.counts, [rate])[1][group, 0])
    if n < params.minimum_group:
        return small_group(n, params.minimum_group)
    if question.clusters is not None and question.clusters[group] < FEWEST_CLUSTERS:
        return few_clusters()
    if trials < params.minimum_outcomes:
        return few_outcomes(trials, params.minimum_outcomes)
    return no_weight() if question.clusters is None else few_clusters()


def _disparities(question: Question, gaps: tuple[Disparity, ...], estimated: Mask, *, by_row: bool) -> list[Summary]:
    summaries = []
    for disparity in gaps:
        measured = measure_disparity(disparity, question, estimated)
        known = measured.estimate.estimate is not None
        influence = None
        if by_row and known:
            influence = disparity_influence(disparity, question, estimated)
        metric = disparity_metric(
            disparity.name,
            measured.estimate,
            n=int(question.sizes[measured.groups].sum()),
            denominator=measured.denominator,
            clusters=question.clusters_among(measured.groups) if known else None,
            where=question.labels(),
            influence=influence,
        )
        summaries.append(_summary(question, measured, metric))
    return summaries


def _summary(question: Question, measured: Measurement, metric: Metric) -> Summary:
    names, extremes = question.grouping.groups, measured.extremes

    def name(place: int | None) -> str:
        return "" if place is None else names[place]

    return Summary(
        metric=metric,
        compared=question.grouping.named(measured.groups),
        left_out=int((question.sizes[measured.incomplete] > 0).sum()),
        lowest=name(extremes.lowest),
        highest=name(extremes.highest),
        farthest=name(extremes.farthest),
        detectable=extremes.detectable,
    )


def _comparisons(question: Question, params: Params, estimated: Mask) -> list[Comparison]:
    hits, trials = rate_parts(question.counts)
    listed = [group for group in _listed(question, params.most_groups) if question.sizes[group]]
    if int((question.sizes > 0).sum()) == 2:
        listed = listed[:1]  # the second comparison would be the first one mirrored
    found = []
    for name in question.rates:
        index = RATES.index(name)
        rest = trials[:, index].sum() - trials[:, index]
        enough = (rest >= params.minimum_outcomes) & ~np.isnan(question.contrasts[name].gap)
        groups = [each for each in listed if estimated[each, index] and enough[each]]
        contrast = question.contrasts[name].among(np.asarray(groups, dtype=np.intp))
        gaps = contrast_intervals(contrast)
        if question.rows is None:
            tests = [_fisher(hits[:, index], trials[:, index], group) for group in groups]
        else:
            tests = contrast_p_values(contrast).tolist()
        found += [
            Comparison(
                where=question.labels(group),
                measure=name,
                value=float(contrast.own.values[place]),
                rest=float(contrast.rest.values[place]),
                low=None if np.isnan(gaps.low[place]) else float(gaps.low[place]),
                high=None if np.isnan(gaps.high[place]) else float(gaps.high[place]),
                n=int(trials[group, index]),
                p_value=tests[place],
                detectable=detectable_difference(
                    contrast.rest.trials[place], contrast.rest.share[place], contrast.own.trials[place]
                ),
            )
            for place, group in enumerate(groups)
        ]
    return sorted(found, key=lambda each: listed.index(question.grouping.groups.index(each.where["group"])))


def _fisher(hits: Counts, trials: Counts, group: int) -> float:
    own, rows = int(hits[group]), int(trials[group])
    return fisher_exact(own, rows, int(hits.sum()) - own, int(trials.sum()) - rows)


def _lines(question: Question, estimated: Mask) -> list[GroupLine]:
    columns = [RATES.index(name) for name in question.rates]
    trials = question.shares[question.rates[0]].trials
    return [
        GroupLine(
            feature=question.grouping.feature,
            group=name,
            depth=question.grouping.depth,
            n=int(question.sizes[index]),
            estimated=bool(estimated[index, columns].all()),
            effective=None if question.rows is None or not estimated[index, columns[0]] else float(trials[index]),
        )
        for index, name in enumerate(question.grouping.groups)
    ]
