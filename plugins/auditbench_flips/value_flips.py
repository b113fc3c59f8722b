"""What exchanging the values of a sensitive input does to decisions and scores, by group and by value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import Cell, Column, Metric, Table
from auditbench.statistics import clusters_of, share_interval
from auditbench_flips.exchanging import Exchanged, SensitiveInput, exchange
from auditbench_flips.measures import (
    Followed,
    Versions,
    change_unit,
    column_unit,
    followed_outputs,
    mean_metric,
    message,
    share_metric,
)

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_flips.params import Params


@dataclass(slots=True, kw_only=True)
class ValueFlips:
    """What was found of all sensitive inputs.

    Attributes:
        decisions: A line for each group of enough rows and value that it is exchanged for; `scores` one for each followed
            output.
        rows: Evaluated rows that were exchanged, by feature.
    """

    metrics: list[Metric] = field(default_factory=list)
    decisions: list[tuple[Cell, ...]] = field(default_factory=list)
    scores: list[tuple[Cell, ...]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


def measure_values(context: AuditContext, sensitive: Sequence[SensitiveInput], params: Params) -> ValueFlips:
    """Exchange the values of each sensitive input that has at least two to exchange."""
    found = ValueFlips()
    followed = followed_outputs(context, params.most_classes)
    for each in sensitive:
        if len(each.raw) < 2:
            continue
        exchanged = exchange(context, each, params)
        found.rows[each.feature] = len(exchanged.rows)
        if context.data.task != "regression":
            found.metrics += _decision_metrics(context, each, exchanged, params)
            found.decisions += _decision_lines(context, each, exchanged, params)
        for output in followed:
            metrics = list(_score_metrics(context, each, exchanged, output, params))
            found.metrics += metrics
            found.scores += [_score_line(metric, output) for metric in metrics if metric.value is not None]
    return found


def decision_table(context: AuditContext, found: ValueFlips) -> Table:
    """How often the decision changes, and of two classes in which direction."""
    binary = len(context.data.classes) == 2
    columns = (
        *(Column(name=name, label=message(f"column.{name}")) for name in ("feature", "group", "other_group")),
        Column(name="n", label=message("column.n"), kind="count"),
        *(Column(name=name, label=message(f"column.{name}"), kind="percent") for name in ("changed", "low", "high")),
        *(
            Column(name=name, label=message(f"column.{name}", positive=context.data.classes[1]), kind="percent")
            for name in (("becomes_positive", "stays_no_positive") if binary else ())
        ),
        Column(name="note", label=message("column.note")),
    )
    title = message("decisions_binary" if binary else "decisions", n=len(found.decisions), **_rule(context))
    return Table(name="decisions", title=title, columns=columns, rows=tuple(found.decisions), n=_rows(found))


def score_table(context: AuditContext, found: ValueFlips) -> Table:
    """By how much the score changes on the mean."""
    unit = column_unit(context.model)
    columns = (
        *(Column(name=name, label=message(f"column.{name}")) for name in ("feature", "group", "other_group", "output")),
        Column(name="n", label=message("column.n"), kind="count"),
        *(
            Column(name=name, label=message(f"column.{name}"), kind="number", unit=unit)
            for name in ("mean_change", "low", "high")
        ),
        Column(name="note", label=message("column.note")),
    )
    binary = len(context.data.classes) == 2
    title = message("scores_binary" if binary else "scores", n=len(found.scores), **_rule(context))
    return Table(name="scores", title=title, columns=columns, rows=tuple(found.scores), n=_rows(found))


def _rule(context: AuditContext) -> dict[str, float | str]:
    """The positive class and its threshold, where there is one."""
    classes, threshold = context.data.classes, context.model.facts.threshold
    return {"positive": classes[1], "threshold": 0.5 if threshold is None else threshold} if len(classes) == 2 else {}


def _rows(found: ValueFlips) -> int:
    return max(found.rows.values(), default=0)


def _versions(exchanged: Exchanged, group: int, value: int) -> Versions:
    own = exchanged.groups == group
    clusters = exchanged.rows.clusters
    return Versions(
        before=exchanged.before[own],
        after=exchanged.after[own, value],
        clusters=None if clusters is None else clusters[own],
    )


def _pairs(exchanged: Exchanged) -> Iterator[tuple[int, int]]:
    """Every group with every other value."""
    for group in range(len(exchanged.values)):
        for value in range(len(exchanged.values)):
            if group != value:
                yield group, value


def _decision_metrics(
    context: AuditContext, sensitive: SensitiveInput, exchanged: Exchanged, params: Params
) -> Iterator[Metric]:
    """Share of rows whose decision another value changes: of all exchanged rows, and of each group."""
    decisions = context.model.decisions(exchanged.before)
    changed = np.zeros(len(exchanged.rows), dtype=np.bool_)
    for value in range(len(exchanged.values)):
        changed |= context.model.decisions(exchanged.after[:, value]) != decisions
    ids, where = exchanged.rows.clusters, {"feature": sensitive.feature}
    least = params.minimum_group
    few = message("undefined.few_rows", minimum=least)
    yield share_metric("decision_change", changed, ids, where=where, minimum=least, undefined=few)
    for group, name in enumerate(exchanged.values):
        own = exchanged.groups == group
        of_own = None if ids is None else ids[own]
        yield share_metric(
            "decision_change", changed[own], of_own, where={**where, "group": name}, minimum=least, undefined=few
        )


def _decision_lines(
    context: AuditContext, sensitive: SensitiveInput, exchanged: Exchanged, params: Params
) -> Iterator[tuple[Cell, ...]]:
    binary = len(context.data.classes) == 2
    for group, value in _pairs(exchanged):
        versions = _versions(exchanged, group, value)
        head = (sensitive.feature, exchanged.values[group], exchanged.values[value])
        if len(versions) < params.minimum_group:
            continue
        changed = versions.changed(context.model)
        found = share_interval(changed, clusters_of(versions.clusters))
        becomes = context.model.decisions(versions.after) == 1
        directions = (float((changed & becomes).mean()), float((changed & ~becomes).mean())) if binary else ()
        note: Cell = "" if found.low is not None else message("undefined.too_few_clusters")
        yield (*head, len(versions), found.estimate, found.low, found.high, *directions, note)


def _score_metrics(
    context: AuditContext, sensitive: SensitiveInput, exchanged: Exchanged, output: Followed, params: Params
) -> Iterator[Metric]:
    """Mean change of one output for every group and other value, with intervals that hold for all of a feature at once."""
    pairs = [*_pairs(exchanged)]
    for group, value in pairs:
        versions = _versions(exchanged, group, value)
        yield mean_metric(
            "score_change",
            versions.changes(context.model)[:, output.place],
            versions.clusters,
            context.rng(f"{sensitive.feature} {group} {value} {output.place}"),
            minimum=params.minimum_group,
            where={
                "feature": sensitive.feature,
                "from": exchanged.values[group],
                "to": exchanged.values[value],
                **output.where,
            },
            undefined=message("undefined.few_rows", minimum=params.minimum_group),
            unit=change_unit(context.model),
            comparisons=len(pairs),
        )


def _score_line(metric: Metric, output: Followed) -> tuple[Cell, ...]:
    low, high = (None, None) if metric.interval is None else (metric.interval.low, metric.interval.high)
    note: Cell = "" if low is not None else message("undefined.too_few_clusters")
    where = metric.where
    return (where["feature"], where["from"], where["to"], output.name, metric.n, metric.value, low, high, note)
