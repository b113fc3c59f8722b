"""The frontier as a figure, and what every rule is, costs and gives each group, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.results import Axis, Cell, Column, Metric, Point, Scatter, Table
from auditbench_mitigation.grouping import Groups
from auditbench_mitigation.measures import (
    GROUP_RATES,
    SMALLEST_SHOWN,
    Measured,
    interval_of,
    is_as_is,
    message,
)
from auditbench_mitigation.measuring import Measuring, share
from auditbench_mitigation.rules import NotRun, Threshold

if TYPE_CHECKING:
    from auditbench.findings import Message
    from auditbench.statistics import IntervalEstimate

_Kind: TypeAlias = Literal["text", "number", "count", "percent"]
Value: TypeAlias = float | str


def frontier(rules: Sequence[Measured], gap: str, said: Mapping[str, Value]) -> Scatter | None:
    """Accuracy against a gap, both with intervals; None where the gap is not estimated.

    Args:
        said: What titles say: feature, positive class.
    """
    points = []
    for one in rules:
        x, y = one.gaps[gap], one.accuracy
        if x.estimate is None or y.estimate is None:
            return None
        points.append(
            Point(
                label=" ".join(one.rule.labels.values()),
                title=_title(one),
                x=x.estimate,
                y=y.estimate,
                x_interval=interval_of(x),
                y_interval=interval_of(y),
                highlighted=is_as_is(one),
            )
        )
    return Scatter(
        name="frontier",
        title=message(f"frontier_{gap}", **said),
        x=Axis(label=message(gap)),
        y=Axis(label=message("accuracy")),
        points=tuple(points),
        frontier=_unbeaten(points),
    )


def rule_table(
    rules: Sequence[Measured],
    not_run: Sequence[NotRun],
    gap: str,
    said: Mapping[str, Value],
    trained: Mapping[str, int],
) -> Table:
    """Every rule with its accuracy and its gap, and every method that was not run, with the reason.

    Args:
        trained: Networks that were trained, by method.
    """
    lines: list[tuple[Cell, ...]] = [
        (
            message(f"method.{one.rule.method}"),
            one.rule.allowed,
            *_three(one.accuracy),
            *_three(one.gaps[gap]),
            one.drawn,
            trained.get(one.rule.method, 0),
            _note(one, gap),
        )
        for one in rules
    ]
    nothing = (None,) * 8
    lines += [(message(f"method.{item.method}"), *nothing, 0, item.reason) for item in not_run]
    return Table(
        name="rules",
        title=message(f"rules_{gap}", **said),
        columns=(
            _column("method"),
            _column("allowed_gap", "number"),
            *(_column(f"accuracy{end}", "number") for end in ("", "_low", "_high")),
            *(_column(f"gap{end}", "number") for end in ("", "_low", "_high")),
            _column("drawn", "percent"),
            _column("trained", "count"),
            _column("note"),
        ),
        rows=tuple(lines),
    )


def threshold_table(groups: Groups, rules: Sequence[Measured], said: Mapping[str, Value], fitted: int) -> Table | None:
    """The thresholds of every group, from so many fitted rows; None where no rule has any."""
    lines: list[tuple[Cell, ...]] = []
    for one in rules:
        for each in one.rule.thresholds:
            above = each.above if each.above is not None and math.isfinite(each.above) else None
            lines.append((_title(one), groups.names[each.group], above, each.share, _of_threshold(each)))
    if not lines:
        return None
    return Table(
        name="thresholds",
        title=message("thresholds", **said),
        columns=(
            _column("method"),
            _column("group"),
            _column("above", "number"),
            _column("share", "percent"),
            _column("note"),
        ),
        rows=tuple(lines),
        n=fitted,
    )


def group_tables(
    measuring: Measuring,
    groups: Groups,
    rules: Sequence[Measured],
    changes: Sequence[Metric],
    said: Mapping[str, Value],
) -> Iterator[Table]:
    """For each rate, what every group has by the model as it is and by every rule, and what changes."""
    for rate in GROUP_RATES:
        found = {
            (metric.where["group"], _labels(metric.where)): metric
            for metric in changes
            if metric.name == f"group_{rate}_change"
        }
        yield Table(
            name=f"group_{rate}",
            title=message(f"group_{rate}", **said),
            columns=(
                _column("method"),
                _column("group"),
                _column("n", "count"),
                *(_column(name, "number") for name in ("before", "after", "change", "low", "high")),
            ),
            rows=(
                *_changed(measuring, groups, rules, rate, found),
                *(
                    (message("every_method"), _left_out(measuring, group, name, rate), *(None,) * 6)
                    for group, name in enumerate(groups.names)
                    if group not in measuring.estimated(rate)
                ),
            ),
        )


def _changed(
    measuring: Measuring,
    groups: Groups,
    rules: Sequence[Measured],
    rate: str,
    found: Mapping[tuple[str, tuple[tuple[str, str], ...]], Metric],
) -> Iterator[tuple[Cell, ...]]:
    """A line for each rule and each group that is estimated."""
    first, *others = rules
    for one in others:
        for group in measuring.estimated(rate).tolist():
            change = found[groups.names[group], _labels(one.rule.labels)]
            before, after = (share(measuring, rate, each.decided, group).estimate for each in (first, one))
            ends = (None, None) if change.interval is None else (change.interval.low, change.interval.high)
            size = int(measuring.sizes(rate)[group])
            yield (_title(one), groups.names[group], size, before, after, change.value, *ends)


def _of_threshold(each: Threshold) -> Cell:
    if each.above is None:
        return message("threshold.chance", chance=each.chance)
    if math.isfinite(each.above):
        return ""
    return message("threshold.none" if each.above > 0 else "threshold.all")


def _left_out(measuring: Measuring, group: int, name: str, rate: str) -> Message:
    """A group that is not estimated, with the rows that it has and those that it needs."""
    rows, minimum = int(measuring.sizes()[group]), measuring.minimum_group
    of_all = rows < minimum
    if not of_all:
        rows, minimum = int(measuring.sizes(rate)[group]), measuring.minimum_outcomes
    if rows == 0:
        return message("left_out.empty" if of_all else "left_out.no_outcomes", group=name)
    if rows < SMALLEST_SHOWN:
        key = "left_out.few" if of_all else "left_out.few_outcomes"
        return message(key, group=name, shown_from=SMALLEST_SHOWN, minimum=minimum)
    return message("left_out.small", group=name, n=rows, minimum=minimum)


def _labels(where: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The labels of a rule among those of a metric."""
    return tuple(sorted((key, value) for key, value in where.items() if key not in ("feature", "group")))


def _title(one: Measured) -> Message:
    if one.rule.allowed is None:
        return message(f"method.{one.rule.method}")
    return message(f"point.{one.rule.method}", allowed=one.rule.allowed)


def _note(one: Measured, gap: str) -> Cell:
    if one.gaps[gap].estimate is None:
        return message("undefined.one_group")
    if one.gaps[gap].low is None or one.accuracy.low is None:
        return message("undefined.no_interval")
    return message("note.mixed", n=one.rule.networks) if one.rule.networks > 1 else ""


def _three(found: IntervalEstimate) -> tuple[Cell, Cell, Cell]:
    return found.estimate, found.low, found.high


def _unbeaten(points: Sequence[Point]) -> tuple[str, ...]:
    """Points that no other beats in accuracy at the same gap or a smaller one, by their gap."""
    best, found = -1.0, []
    for point in sorted(points, key=lambda each: (each.x, -each.y)):
        if point.y > best:
            best = point.y
            found.append(point.label)
    return tuple(found)


def _column(name: str, kind: _Kind = "text") -> Column:
    return Column(name=name, label=message(f"column.{name}"), kind=kind)
