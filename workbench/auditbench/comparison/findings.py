"""What became of each finding: by its rule and labels new, fixed, worse, better, or as it was within noise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from auditbench.comparison.changes import Labels, measured_otherwise
from auditbench.comparison.record import ChangeVerdict, FindingChange, FindingState, MetricChange
from auditbench.findings import Finding
from auditbench.results import AnalysisResult

_WORST_FIRST: tuple[ChangeVerdict, ...] = ("worse", "better", "changed", "within_noise")


def compare_findings(
    baseline: Sequence[AnalysisResult],
    candidate: Sequence[AnalysisResult],
    changes: Iterable[MetricChange],
    *,
    changed: Collection[str] = (),
) -> tuple[FindingChange, ...]:
    """Every finding of two runs, in the order of the candidate, those of the baseline alone last.

    Args:
        changes: Of all metrics of the two runs.
        changed: Analyzers that left the model or the data of a run other than they found them.
    """
    known = tuple(changes)
    before, after = _by_key(baseline), _by_key(candidate)
    first, second = (
        {result.analyzer: result for result in results if result.analyzer not in changed}
        for results in (baseline, candidate)
    )
    return tuple(
        _compared(before.get(key), after.get(key), known, (first, second))
        for key in (*after, *(k for k in before if k not in after))
    )


_Found: TypeAlias = tuple[str, Finding]
_Runs: TypeAlias = tuple[Mapping[str, AnalysisResult], Mapping[str, AnalysisResult]]


def _by_key(results: Iterable[AnalysisResult]) -> dict[tuple[str, str, Labels], _Found]:
    """Findings with their analyzer, by that, rule and labels."""
    return {
        (result.analyzer, finding.rule, tuple(sorted(finding.where.items()))): (result.analyzer, finding)
        for result in results
        for finding in result.findings
    }


def _compared(
    before: _Found | None, after: _Found | None, changes: Sequence[MetricChange], runs: _Runs
) -> FindingChange:
    analyzer, finding = _either(after, before)
    verdicts = {change.verdict for change in changes if _rests_on(finding, change)}
    metrics = next((verdict for verdict in _WORST_FIRST if verdict in verdicts), None)
    return FindingChange(
        rule=finding.rule,
        where=finding.where,
        title=finding.title,
        before=before[1].severity if before else None,
        after=after[1].severity if after else None,
        state=_state(before, after, metrics) if _same_measure(analyzer, runs) else "not_compared",
        metrics=metrics,
    )


def _either(after: _Found | None, before: _Found | None) -> _Found:
    if after is not None:
        return after
    if before is None:
        raise ValueError("expected a finding of one run at least")
    return before


def _same_measure(analyzer: str, runs: _Runs) -> bool:
    """Whether an analyzer looked at both runs, and in the same way."""
    first, second = (run.get(analyzer) for run in runs)
    looked = first is not None and second is not None and first.status == second.status == "ok"
    return looked and not measured_otherwise(first, second)


def _rests_on(finding: Finding, change: MetricChange) -> bool:
    return change.metric in finding.metrics and finding.where.items() <= change.where.items()


def _state(before: _Found | None, after: _Found | None, metrics: ChangeVerdict | None) -> FindingState:
    if before is None or after is None:
        return "new" if before is None else "fixed"
    if metrics in ("worse", "better", "changed", "within_noise"):
        return metrics
    return "within_noise" if before[1] == after[1] else "not_compared"
