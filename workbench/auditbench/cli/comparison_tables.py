"""A comparison of two runs as tables on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from auditbench.cli.terminal import Tone, cells, padded, say, say_prose
from auditbench.cli.words import counted, labels, number, spoken
from auditbench.safe_text import safe_text

if TYPE_CHECKING:
    from auditbench.comparison.record import Comparison, FindingChange, MetricChange
    from auditbench.run import AuditRun

CHANGES: dict[str, tuple[str, Tone]] = {
    "worse": ("worse", "bad"),
    "better": ("better", "good"),
    "changed": ("changed", "caution"),
    "within_noise": ("within noise", "quiet"),
    "not_tested": ("not tested", "quiet"),
    "not_compared": ("not compared", "quiet"),
}
FINDINGS: dict[str, tuple[str, Tone]] = {
    "new": ("new", "bad"),
    "worse": ("worse", "bad"),
    "fixed": ("fixed", "good"),
    "better": ("better", "good"),
    "changed": ("changed", "caution"),
    "within_noise": ("within noise", "quiet"),
    "not_compared": ("not compared", "quiet"),
}
_TOLD = ("worse", "better", "changed")
_NAME = 96
_VALUE = 40


def say_comparison(comparison: Comparison, candidate: AuditRun, baseline: AuditRun, *, every: bool = False) -> None:
    """Print what changed in metrics and findings, and what else is other.

    Args:
        every: Also list the metrics whose change is none that is certain.
    """
    say(f"{safe_text(candidate.audit.name)} beside {safe_text(comparison.baseline.name)}", "strong")
    say_prose(change_line(comparison))
    say_prose(_rows(comparison))
    shown = [change for change in comparison.metrics if every or change.verdict in _TOLD]
    order = list(CHANGES)
    _say_metrics(sorted(shown, key=lambda change: order.index(change.verdict)), candidate)
    _say_findings(comparison.findings, candidate, baseline)
    _say_others(comparison)


def change_line(comparison: Comparison) -> str:
    """How many metrics and findings came to what, in one line."""
    verdicts = Counter[str](change.verdict for change in comparison.metrics)
    states = Counter[str](finding.state for finding in comparison.findings)
    metrics = [f"{verdicts[key]:,} {words}" for key, (words, _) in CHANGES.items() if verdicts[key]]
    findings = [f"{states[key]:,} {words}" for key, (words, _) in FINDINGS.items() if states[key]]
    text = f"Metrics since the baseline: {', '.join(metrics) or 'none'}."
    return f"{text} Findings: {', '.join(findings)}." if findings else text


def _rows(comparison: Comparison) -> str:
    tested = f"{counted(comparison.tested, 'metric')} tested together at level {comparison.level:g} by Holm's method"
    alone = f"{comparison.baseline_only:,} in the baseline alone, {comparison.candidate_only:,} in this run alone"
    if comparison.paired:
        return f"Compared row by row on {counted(comparison.pairs, 'row')} of both runs ({alone}); {tested}."
    if comparison.pairs:
        return f"Only {counted(comparison.pairs, 'row')} of both runs ({alone}), so all rows count; {tested}."
    return f"No row is known to be in both runs ({alone}), so the two are independent; {tested}."


def _say_metrics(changes: Sequence[MetricChange], run: AuditRun) -> None:
    if not changes:
        say()
        say("No metric changed beyond noise.")
        return
    heads = ("", "metric", "before", "after", "difference", "interval of it", "rows compared")
    rows = [_metric_row(change) for change in changes]
    _say_table("Metrics", heads, rows, [CHANGES[change.verdict][1] for change in changes])
    named: dict[str, list[str]] = {}
    for change in changes:
        if change.reason is not None:
            named.setdefault(spoken(run, change.reason), []).append(change.metric)
    for reason, names in named.items():
        say_prose(
            f"  {safe_text(names[0])}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}: {reason}", "quiet"
        )


def _metric_row(change: MetricChange) -> tuple[str, ...]:
    bounds = change.decided
    interval = f"{_signed(bounds.low)} to {_signed(bounds.high)}" if bounds else "—"
    rows = "—" if change.n is None else f"{change.n:,}{f' {change.design}' if change.design else ''}"
    return (
        CHANGES[change.verdict][0],
        safe_text(f"{change.metric}{labels(change.where)}", _NAME),
        number(change.before, change.unit),
        number(change.after, change.unit),
        _signed(change.difference),
        interval,
        rows,
    )


def _say_findings(findings: Sequence[FindingChange], candidate: AuditRun, baseline: AuditRun) -> None:
    if not findings:
        return
    order = list(FINDINGS)
    listed = sorted(findings, key=lambda finding: order.index(finding.state))
    say()
    say("Findings", "strong")
    for finding in listed:
        words, tone = FINDINGS[finding.state]
        severity = " → ".join(dict.fromkeys(str(part) for part in (finding.before, finding.after) if part))
        title = spoken(candidate if finding.after else baseline, finding.title)
        close = ", although its metrics moved within noise" if _by_noise(finding) else ""
        say_prose(f"  {padded(words, 12)}  {padded(severity, 6)}  {title}{close}", tone)


def _by_noise(finding: FindingChange) -> bool:
    return finding.state in ("new", "fixed") and finding.metrics == "within_noise"


def _say_others(comparison: Comparison) -> None:
    if not comparison.others:
        say()
        say("Nothing else differs: the same model, data, gates, configuration and packages.")
        return
    rows = [
        (
            other.kind,
            safe_text(other.name, _NAME),
            safe_text(other.before, _VALUE) or "—",
            safe_text(other.after, _VALUE) or "—",
        )
        for other in comparison.others
    ]
    _say_table("What else differs", ("", "name", "before", "after"), rows, [""] * len(rows))


def _say_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], tones: Iterable[Tone]) -> None:
    """Print columns as wide as their widest cell, one line a row."""
    widths = [max(cells(row[index]) for row in (heads, *rows)) for index in range(len(heads))]
    say()
    say(title, "strong")
    for row, tone in zip((heads, *rows), ("quiet", *tones), strict=True):
        say("  " + "  ".join(map(padded, row, widths)).rstrip(), tone)


def _signed(value: float | None) -> str:
    """A difference to three significant digits, with its sign."""
    if value is None:
        return "—"
    return f"{value:+.3g}".replace("-", "−") if value else "0"
