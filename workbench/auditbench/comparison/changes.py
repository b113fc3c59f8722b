"""What became of each metric from one run to the next: before, after, difference, interval, test, verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from auditbench.comparison.differences import (
    Difference,
    exact_difference,
    independent_difference,
    paired_difference,
    unpaired_difference,
)
from auditbench.comparison.pairing import Common
from auditbench.comparison.record import ChangeVerdict, MetricChange
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.safe_text import shortened
from auditbench.statistics.multiplicity import holm, holm_levels

Labels: TypeAlias = tuple[tuple[str, str], ...]
_EXACT = ("exact", "count")
_LONGEST = 40


def compare_metrics(
    baseline: Iterable[AnalysisResult],
    candidate: Iterable[AnalysisResult],
    common: Common,
    *,
    level: float,
    changed: Collection[str] = (),
) -> tuple[MetricChange, ...]:
    """Every metric of two runs, in the order of the candidate, those of the baseline alone last.

    Args:
        level: One less the rate at which the verdicts of all tested metrics together may find a change that is none.
        changed: Analyzers that left the model or the data of a run other than they found them.
    """
    before, after = dict(_by_key(baseline)), dict(_by_key(candidate))
    changes, differences = [], []
    for key in (*after, *(key for key in before if key not in after)):
        change, difference = _compared(key, before.get(key, ()), after.get(key, ()), common, changed)
        changes.append(change)
        differences.append(difference)
    return _judged(changes, differences, level)


def measured_otherwise(before: AnalysisResult | None, after: AnalysisResult | None) -> str:
    """What parameters of an analyzer differ between two runs, as text; empty where none do."""
    if before is None or after is None or before.parameters == after.parameters:
        return ""
    names = sorted({*before.parameters, *after.parameters})
    texts = [
        f"{name} {_short(before.parameters.get(name))} → {_short(after.parameters.get(name))}"
        for name in names
        if before.parameters.get(name) != after.parameters.get(name)
    ]
    return ", ".join(texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A metric and the result that it stands in."""

    metric: Metric
    result: AnalysisResult


_Key: TypeAlias = tuple[str, Labels]


def _by_key(results: Iterable[AnalysisResult]) -> Iterator[tuple[_Key, tuple[_Measured, ...]]]:
    """Metrics by full name and labels; more than one of a key can be told apart by nothing."""
    found: dict[_Key, tuple[_Measured, ...]] = {}
    for result in results:
        if result.status == "ok":
            for metric in result.metrics:
                key = (f"{result.analyzer}.{metric.name}", tuple(sorted(metric.where.items())))
                found[key] = (*found.get(key, ()), _Measured(metric=metric, result=result))
    yield from found.items()


def _compared(
    key: _Key,
    before: Sequence[_Measured],
    after: Sequence[_Measured],
    common: Common,
    changed: Collection[str],
) -> tuple[MetricChange, Difference | None]:
    """One metric, not judged yet, and its difference where it can be tested or is exact."""
    shown = (after or before)[0].metric
    change = MetricChange(
        metric=key[0],
        where=shown.where,
        unit=shown.unit,
        higher_is_better=shown.higher_is_better,
        before=before[0].metric.value if len(before) == 1 else None,
        after=after[0].metric.value if len(after) == 1 else None,
        repeatable=all(item.metric.repeatable for item in (*before, *after)),
        verdict="not_compared",
    )
    if (reason := _not_comparable(before, after, changed)) is not None:
        return dataclasses.replace(change, reason=reason), None
    first, second = before[0].metric, after[0].metric
    difference, why = _difference(first, second, common)
    if difference is not None:
        return change, difference
    simple = exact_difference(first, second)
    return dataclasses.replace(change, difference=simple.estimate, n=simple.n, verdict="not_tested", reason=why), None


def _not_comparable(
    before: Sequence[_Measured], after: Sequence[_Measured], changed: Collection[str]
) -> Message | None:
    """Why two metrics of one name have no difference; None where they have one."""
    if not before or not after:
        return Message(key="core.change_only_before" if before else "core.change_only_after")
    if len(before) > 1 or len(after) > 1:
        return Message(key="core.change_ambiguous", values={"n": max(len(before), len(after))})
    if (analyzer := after[0].result.analyzer) in changed:
        return Message(key="core.change_of_another_model", values={"analyzer": analyzer})
    first, second = before[0].metric, after[0].metric
    what = "; ".join(
        [
            *(
                f"{name} {_short(one)} → {_short(other)}"
                for name, one, other in (
                    ("unit", first.unit, second.unit),
                    ("method", first.method, second.method),
                    ("higher_is_better", first.higher_is_better, second.higher_is_better),
                )
                if one != other
            ),
            *filter(None, [measured_otherwise(before[0].result, after[0].result)]),
        ]
    )
    if what:
        return Message(key="core.change_measured_otherwise", values={"what": what})
    if first.value is None or second.value is None:
        return Message(key="core.change_undefined_before" if first.value is None else "core.change_undefined_after")
    return None


def _difference(before: Metric, after: Metric, common: Common) -> tuple[Difference | None, Message | None]:
    """The difference of two values with its uncertainty, or why it is not known."""
    if not (before.repeatable and after.repeatable):
        return None, Message(key="core.change_clocked")
    if all(metric.interval is None and metric.no_interval in _EXACT for metric in (before, after)):
        if common.is_exact(before, after):
            return exact_difference(before, after), None
        return None, Message(key="core.change_other_rows")
    if common.is_unchanged(before, after):
        return exact_difference(before, after, design="paired"), None
    pairs = common.rows
    by_rows = paired_difference if pairs.are_enough else unpaired_difference
    if pairs.one_says_clusters:
        difference = by_rows(before, after, pairs)
        return difference, Message(key="core.change_clusters_of_one_run") if difference is None else None
    difference = by_rows(before, after, pairs) if pairs.n else None
    difference = difference or independent_difference(before, after) or by_rows(before, after, pairs)
    return difference, Message(key="core.change_no_interval") if difference is None else None


def _judged(
    changes: Sequence[MetricChange], differences: Sequence[Difference | None], level: float
) -> tuple[MetricChange, ...]:
    """The changes with intervals and verdicts, by Holm's method over all that are tested."""
    tested = [index for index, item in enumerate(differences) if item is not None and item.design != "exact"]
    p_values = {index: item.p_value() for index in tested if (item := differences[index]) is not None}
    adjusted = dict(zip(tested, holm(list(p_values.values())).tolist(), strict=True))
    levels = dict(zip(tested, holm_levels(list(p_values.values()), level=level).tolist(), strict=True))
    return tuple(
        change
        if difference is None
        else dataclasses.replace(
            change,
            before=difference.before,
            after=difference.after,
            difference=difference.estimate,
            interval=_interval(difference, level),
            decided=_interval(difference, levels.get(index, level)),
            p_value=p_values.get(index),
            adjusted=adjusted.get(index),
            verdict=_verdict(change, difference, adjusted.get(index, 0.0) <= 1.0 - level),
            design=difference.design,
            n=difference.n,
        )
        for index, (change, difference) in enumerate(zip(changes, differences, strict=True))
    )


def _verdict(change: MetricChange, difference: Difference, certain: bool) -> ChangeVerdict:
    if not certain or difference.estimate == 0.0:
        return "within_noise"
    if change.higher_is_better is None:
        return "changed"
    return "better" if (difference.estimate > 0) == change.higher_is_better else "worse"


def _interval(difference: Difference, level: float) -> Interval:
    low, high = difference.bounds(level)
    return Interval(low=low, high=high, level=level, method=f"difference-{difference.design}")


def _short(value: object) -> str:
    return shortened("—" if value is None or value == "" else str(value), _LONGEST)
