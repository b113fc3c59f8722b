"""Metrics of this plugin: of every rule, what it changes, and what it changes for each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import Clusters, IntervalEstimate
from auditbench_mitigation.grouping import Groups
from auditbench_mitigation.measuring import GAPS, Measuring, gap, gap_change, share, share_change
from auditbench_mitigation.rules import AS_IS, Rule

if TYPE_CHECKING:
    from auditbench_mitigation.grouping import Mask

ANALYZER = "mitigation"
SMALLEST_SHOWN = 10
"""Rows below which no text gives their number: it could point at persons."""
GROUP_RATES = ("selection_rate", "true_positive_rate", "accuracy")
HIGHER_IS_BETTER = {"accuracy": True, "true_positive_rate": True, "selection_rate": None}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """A rule with what its decisions are measured to be.

    Attributes:
        decided: Of the measured rows, shape `(rows,)`.
        drawn: Share of these rows whose decision is drawn by chance.
    """

    rule: Rule
    decided: Mask
    drawn: float
    accuracy: IntervalEstimate
    gaps: Mapping[str, IntervalEstimate]


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def measured_rule(measuring: Measuring, rule: Rule, decided: Mask, drawn: float) -> Measured:
    """Measure the decisions of a rule."""
    return Measured(
        rule=rule,
        decided=decided,
        drawn=drawn,
        accuracy=share(measuring, "accuracy", decided),
        gaps={name: gap(measuring, name, decided) for name in GAPS},
    )


def rule_metrics(measuring: Measuring, groups: Groups, rules: tuple[Measured, ...]) -> Iterator[Metric]:
    """Accuracy and gaps of every rule, and how far they are from those of the first, the model as it is."""
    first = rules[0]
    for one in rules:
        where = {"feature": groups.feature, **one.rule.labels}
        yield _metric(measuring, "accuracy", one.accuracy, where=where, better=True)
        for name, found in one.gaps.items():
            yield _metric(measuring, name, found, where=where, better=False, n=_compared_rows(measuring, name))
        if one is first:
            continue
        change = share_change(measuring, "accuracy", first.decided, one.decided)
        yield _metric(measuring, "accuracy_change", change, where=where, better=True)
        for name in GAPS:
            change = gap_change(measuring, name, first.decided, one.decided)
            rows = _compared_rows(measuring, name)
            yield _metric(measuring, f"{name}_change", change, where=where, better=False, n=rows)


def group_metrics(measuring: Measuring, groups: Groups, rules: tuple[Measured, ...]) -> Iterator[Metric]:
    """What every rule changes for each group whose rate is estimated."""
    first, *others = rules
    for one in others:
        for rate in GROUP_RATES:
            for group in measuring.estimated(rate).tolist():
                change = share_change(measuring, rate, first.decided, one.decided, group)
                rows = measuring.rows_of(group)
                yield _metric(
                    measuring,
                    f"group_{rate}_change",
                    change,
                    where={"feature": groups.feature, "group": groups.names[group], **one.rule.labels},
                    better=HIGHER_IS_BETTER[rate],
                    n=int(rows.sum()),
                    denominator=int(measuring.sizes(rate)[group]),
                    clusters=None if measuring.clusters is None else measuring.clusters.among(rows),
                )


def interval_of(found: IntervalEstimate) -> Interval | None:
    """The interval of an estimate, where it has one."""
    if found.low is None or found.high is None:
        return None
    return Interval(low=found.low, high=found.high, level=found.level, method=found.method)


def is_as_is(one: Measured) -> bool:
    """Whether it is the model as it is."""
    return one.rule.method == AS_IS


def _compared_rows(measuring: Measuring, name: str) -> int:
    """Rows of the groups that a gap is taken over, that its rates are shares of."""
    return sum(int(measuring.sizes(rate)[measuring.estimated(rate)].sum()) for rate in GAPS[name])


def _metric(
    measuring: Measuring,
    name: str,
    found: IntervalEstimate,
    *,
    where: Mapping[str, str],
    better: bool | None,
    n: int | None = None,
    denominator: int | None = None,
    clusters: Clusters | None = None,
) -> Metric:
    clusters = clusters or measuring.clusters
    interval = interval_of(found)
    known = found.estimate is not None
    few = clusters is not None and not clusters.are_enough
    return Metric(
        name=name,
        value=found.estimate,
        higher_is_better=better,
        interval=interval,
        no_interval="" if interval or not known else "few_clusters" if few else "not_estimated",
        n=len(measuring.y_true) if n is None else n,
        denominator=denominator,
        clusters=None if clusters is None else clusters.count,
        where=dict(where),
        method=f"{ANALYZER}.{name}.formula",
        reason=None if known else message("undefined.one_group"),
    )
