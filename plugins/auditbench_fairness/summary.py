"""What was measured of all groups, and the tables that show it."""

from __future__ import annotations

from dataclasses import dataclass, field

from auditbench.findings import Message
from auditbench.results import Cell, Column, Metric, Table
from auditbench_fairness.comparisons import Comparison
from auditbench_fairness.conditional import Condition
from auditbench_fairness.measures import ANALYZER, SMALLEST_SHOWN, message
from auditbench_fairness.setting import Setting

_FEW_ROWS = {
    f"{ANALYZER}.undefined.{name}" for name in ("few_outcomes", "no_denominator", "few_of_a_class", "one_class")
}
"""Reasons that say what a rate or an area is short of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A difference or ratio between groups.

    Attributes:
        compared: Groups that take part in any rate it is made from.
        left_out: Groups with rows, too few of them for at least one of these rates; may overlap with `compared`.
        lowest: The group with the lowest number, `highest` that with the highest, `farthest` that which is farthest from all
            rows; empty where they do not apply.
        detectable: Smallest difference of these groups that would be found with power 0.8; None where there is none.
    """

    metric: Metric
    compared: tuple[str, ...]
    left_out: int
    lowest: str = ""
    highest: str = ""
    farthest: str = ""
    detectable: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """The size of a group, and whether everything about it was estimated.

    Attributes:
        effective: How many independent rows of equal weight tell as much of it; None where its rows are such, or too few.
    """

    feature: str
    group: str
    depth: int
    n: int
    estimated: bool
    effective: float | None = None


@dataclass(slots=True, kw_only=True)
class Measured:
    """Everything measured so far, in the order of features."""

    group_metrics: list[Metric] = field(default_factory=list)
    disparity_metrics: list[Metric] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    lines: list[GroupLine] = field(default_factory=list)

    @property
    def with_influence(self) -> int:
        """How many metrics say what each row does to them."""
        return sum(metric.influence is not None for metric in (*self.group_metrics, *self.disparity_metrics))

    def add(self, other: Measured) -> None:
        """Append what another one holds."""
        self.group_metrics += other.group_metrics
        self.disparity_metrics += other.disparity_metrics
        self.summaries += other.summaries
        self.comparisons += other.comparisons
        self.conditions += other.conditions
        self.lines += other.lines


def group_table(measured: Measured, setting: Setting, name: str = "groups") -> Table:
    """One row a group, and a class where there are several: its size and every rate, mean or score of it.

    The effective number of rows stands beside the size where rows depend on each other or count unequally.
    """
    metrics = measured.group_metrics
    effective = {(line.feature, line.group): line.effective for line in measured.lines if line.effective is not None}
    names = list(dict.fromkeys(metric.name for metric in metrics))
    classes = any("class" in metric.where for metric in metrics)
    rows: dict[tuple[str, str, str], dict[str, Metric]] = {}
    for metric in metrics:
        key = metric.where["feature"], metric.where["group"], metric.where.get("class", "")
        rows.setdefault(key, {})[metric.name] = metric
    return Table(
        name=name,
        title=setting.title(name),
        columns=(
            Column(name="feature", label=message("column.feature")),
            Column(name="group", label=message("column.group")),
            *((Column(name="class", label=message("column.class")),) if classes else ()),
            Column(name="n", label=message("column.n"), kind="count"),
            *((Column(name="effective", label=message("column.effective"), kind="number"),) if effective else ()),
            *(Column(name=each, label=message(each), kind="number") for each in names),
            Column(name="note", label=message("column.note")),
        ),
        rows=tuple(
            _group_row(key, found, names, classes, [effective.get(key[:2])] if effective else [])
            for key, found in rows.items()
        ),
    )


def disparity_table(summaries: list[Summary], setting: Setting, name: str = "disparities") -> Table:
    """Every difference and ratio with its interval, and the groups it is taken over and not."""
    classes = any("class" in summary.metric.where for summary in summaries)
    return Table(
        name=name,
        title=setting.title(name),
        columns=(
            Column(name="feature", label=message("column.feature")),
            *((Column(name="class", label=message("column.class")),) if classes else ()),
            Column(name="measure", label=message("column.measure")),
            *(
                Column(name=each, label=message(f"column.{each}"), kind="number")
                for each in ("value", "low", "high", "detectable")
            ),
            *(Column(name=each, label=message(f"column.{each}")) for each in ("lowest", "highest")),
            *(Column(name=each, label=message(f"column.{each}"), kind="count") for each in ("compared", "left_out")),
            Column(name="note", label=message("column.note")),
        ),
        rows=tuple(_disparity_row(summary, classes) for summary in summaries),
    )


def _group_row(
    key: tuple[str, str, str], found: dict[str, Metric], names: list[str], classes: bool, effective: list[float | None]
) -> tuple[Cell, ...]:
    feature, group, of_class = key
    values = [found[name].value if name in found else None for name in names]
    n = next(iter(found.values())).n
    hidden = n < SMALLEST_SHOWN and all(value is None for value in values)
    return (
        feature,
        group,
        *((of_class or None,) if classes else ()),
        None if hidden else n,
        *effective,
        *values,
        _row_note(found),
    )


def _row_note(found: dict[str, Metric]) -> Message | None:
    """Why measures of a group are undefined: the reason of all of them, or every such rate with what it lacks."""
    reasons = {name: metric.reason for name, metric in found.items() if metric.reason is not None}
    if not reasons:
        return None
    if len(reasons) == len(found) and len(set(map(_key, reasons.values()))) == 1:
        return next(iter(reasons.values()))
    if not {reason.key.removesuffix("_hidden") for reason in reasons.values()} <= _FEW_ROWS:
        return message("not_estimated.in_part")
    return message(f"not_estimated.{'-'.join(reasons)}", minimum=next(iter(reasons.values())).values["minimum"])


def _key(reason: Message) -> str:
    return reason.key


def _disparity_row(summary: Summary, classes: bool) -> tuple[Cell, ...]:
    metric = summary.metric
    return (
        metric.where["feature"],
        *((metric.where.get("class"),) if classes else ()),
        message(metric.name),
        metric.value,
        metric.interval.low if metric.interval else None,
        metric.interval.high if metric.interval else None,
        summary.detectable,
        summary.lowest or summary.farthest or None,
        summary.highest or (message("all_rows") if summary.farthest else None),
        len(summary.compared),
        summary.left_out,
        metric.reason or (message(f"no_interval.{metric.no_interval}") if metric.no_interval else None),
    )
