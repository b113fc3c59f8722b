"""The indices as metrics, their parts and the benefits of groups as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from auditbench.findings import Message
from auditbench.results import Cell, Column, Metric, Table
from auditbench.statistics import Clusters, IntervalEstimate, IntervalEstimates
from auditbench_individual_fairness.groups import Grouping
from auditbench_individual_fairness.inequality import ALL_ROWS
from auditbench_individual_fairness.measures import (
    SMALLEST_SHOWN,
    measured,
    message,
    small_group,
    without_value,
)

if TYPE_CHECKING:
    from auditbench_individual_fairness import Params

Found: TypeAlias = Mapping[str, Mapping[str, IntervalEstimates]]

INDICES = ("generalized_entropy", "theil", "coefficient_of_variation")
PARTS = ("generalized_entropy_between_groups", "generalized_entropy_within_groups")
_SPLIT = ("generalized_entropy", "theil")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the indices rest on.

    Attributes:
        benefit: `binary` or `ratio`, the last part of keys of titles.
        words: Values of these titles: positive label and threshold of `binary`.
    """

    rows: int
    clusters: Clusters | None
    alpha: float
    benefit: str
    words: Mapping[str, float | str]


def index_metrics(found: Found, setting: Setting) -> list[Metric]:
    """The indices of all rows, and the parts of the generalized entropy by feature."""
    metrics = []
    for feature, measures in found.items():
        for name, estimates in measures.items():
            if name not in (PARTS if feature else INDICES):
                continue
            where = {"feature": feature} if feature != ALL_ROWS else {}
            estimate = _at(estimates)
            if estimate.low is None and setting.clusters is not None and not setting.clusters.are_enough:
                estimate = replace(estimate, reason="too_few_clusters")
            metrics.append(measured(name, estimate, n=setting.rows, clusters=setting.clusters, where=where))
    return metrics


def undefined_indices(reason: Message, groupings: tuple[Grouping, ...], rows: int) -> list[Metric]:
    """The same metrics, undefined for a reason."""
    of_features = [({"feature": part.feature}, name) for part in groupings for name in PARTS]
    return [
        without_value(name, reason, n=rows, where=where)
        for where, name in [*(({}, name) for name in INDICES), *of_features]
    ]


def part_table(found: Found, setting: Setting) -> Table:
    """Each index as the sum of what is between the groups of a feature and what is within them."""
    rows = [_part_row(found, feature, name, setting) for feature in found if feature != ALL_ROWS for name in _SPLIT]
    return Table(
        name="parts",
        title=message(f"parts.{setting.benefit}", **setting.words),
        columns=(
            Column(name="feature", label=message("column.feature")),
            Column(name="index", label=message("column.index")),
            Column(name="groups", label=message("column.groups"), kind="count"),
            *(
                Column(name=name, label=message(f"column.{name}"), kind="number")
                for name in ("whole", "between", "between_low", "between_high", "within", "within_low", "within_high")
            ),
            Column(name="share", label=message("column.share"), kind="percent"),
        ),
        rows=tuple(rows),
        n=setting.rows,
    )


def benefit_table(found: Found, groupings: tuple[Grouping, ...], params: Params, setting: Setting) -> Table:
    """Mean benefit of each group, and how unequally benefits are shared out within it."""
    return Table(
        name="benefits",
        title=message(f"benefits.{setting.benefit}", **setting.words),
        columns=(
            Column(name="feature", label=message("column.feature")),
            Column(name="group", label=message("column.group")),
            Column(name="n", label=message("column.n"), kind="count"),
            *(
                Column(name=name, label=message(f"column.{name}"), kind="number")
                for name in ("mean_benefit", "mean_low", "mean_high", "index_within", "index_low", "index_high")
            ),
            Column(name="note", label=message("column.note")),
        ),
        rows=tuple(
            _group_row(found[grouping.feature], grouping, group, params.minimum_group)
            for grouping in groupings
            for group in grouping.listed(params.most_groups)
        ),
        n=setting.rows,
    )


def _part_row(found: Found, feature: str, name: str, setting: Setting) -> tuple[Cell, ...]:
    measures = found[feature]
    whole = _at(found[ALL_ROWS][name]).estimate
    between, within = (_at(measures[f"{name}_{part}_groups"]) for part in ("between", "within"))
    share = between.estimate / whole if between.estimate is not None and whole else None
    return (
        feature,
        message(f"index.{name}", alpha=setting.alpha),
        len(measures["mean_benefit"].estimate),
        whole,
        *(between.estimate, between.low, between.high),
        *(within.estimate, within.low, within.high),
        share,
    )


def _group_row(
    measures: Mapping[str, IntervalEstimates], grouping: Grouping, group: int, minimum: int
) -> tuple[Cell, ...]:
    size = int(grouping.sizes[group])
    name = grouping.names[group]
    if size < minimum:
        hidden = None if size < SMALLEST_SHOWN else size
        return (grouping.feature, name, hidden, *(None,) * 6, small_group(size, minimum))
    mean, own = _at(measures["mean_benefit"], group), _at(measures["generalized_entropy"], group)
    note = message("undefined.no_benefit") if own.estimate is None else None
    return (
        grouping.feature,
        name,
        size,
        *(mean.estimate, mean.low, mean.high),
        *(own.estimate, own.low, own.high),
        note,
    )


def _at(estimates: IntervalEstimates, place: int | None = None) -> IntervalEstimate:
    """One of several estimates, NaN as None."""
    values = [
        float(part if place is None else part[place]) for part in (estimates.estimate, estimates.low, estimates.high)
    ]
    estimate, low, high = (None if math.isnan(value) else value for value in values)
    return IntervalEstimate(estimate=estimate, low=low, high=high, level=estimates.level, method=estimates.method)
