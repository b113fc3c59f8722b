"""A finished run as a terminal shows it, and as a script reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.cli.gate_lines import observed, state_tone, state_words, states_counted
from auditbench.cli.terminal import cells, padded, say, say_prose
from auditbench.cli.words import VERDICTS, counted, duration, english, labels, number, spoken
from auditbench.paths import as_argument
from auditbench.safe_text import LONGEST_TEXT, safe_text

if TYPE_CHECKING:
    from auditbench.results import AnalysisResult, Metric
    from auditbench.run import AuditRun

_MOST_FINDINGS = 5
_LEFT_OUT = (
    "A required analyzer was left out by --only or --skip, so the audit is incomplete: run it without these options, or set "
    "`required = false` in the tables of those that you can do without."
)


def say_run(run: AuditRun, folder: Path, *, debug: bool = False) -> None:
    """Print the verdict and why, headline numbers, the gravest findings, what is missing, files, and where time went.

    Args:
        debug: Also print the trace of each analyzer that failed and of each report that was not written.
    """
    from auditbench.store import report_files

    title, tone = VERDICTS[run.verdict]
    say(f"{title}: {safe_text(run.audit.name)}", tone)
    if run.status != "complete":
        say("This run is interrupted; what had finished is kept.", "caution")
    say_prose(_sentence(run))
    if found := findings_by_severity(run):
        parts = ", ".join(f"{count:,} {severity}" for severity, count in found.items())
        say(f"{counted(sum(found.values()), 'finding')}: {parts}.")
    for program in run.model.programs:
        text = f"Opening the model ran code from {safe_text(program.name)} ({program.kind})"
        say(f"{text}, trusted by its sha256 {program.sha256}", "caution")
    for limit in run.model.limits:
        say_prose(f"model: {spoken(run, limit)}", "caution")
    _say_numbers(run)
    _say_gates(run)
    _say_findings(run)
    _say_incomplete(run, folder, debug=debug)
    _say_change(run)
    for warning in run.warnings:
        say_prose(f"warning: {spoken(run, warning)}", "caution")
        if debug and (trace := run.volatile.details.get(f"render:{warning.values.get('format')}")):
            _say_indented(trace.rstrip().split("\n"))
    say()
    for file in report_files(folder):
        say(f"report   {file}")
    say(f"record   {folder / 'run.json'}")
    say_times(run)
    if sent := run.volatile.sent:
        again, rows = sent.get("again", 0), counted(sent.get("rows", 0), "row")
        say(
            f"sent     {counted(sent.get('requests', 0), 'request')} to servers of models, {again:,} of them again; {rows}"
        )


def run_document(run: AuditRun, folder: Path) -> dict[str, Any]:
    """The same for a script: JSON types only."""
    from auditbench.record import plain
    from auditbench.store import report_files

    return {
        "name": run.audit.name,
        "status": run.status,
        "verdict": run.verdict,
        "exit_code": run.exit_code,
        "rows": run.data.rows,
        "programs": [plain(program) for program in run.model.programs],
        "limits": [spoken(run, limit) for limit in run.model.limits],
        "folder": str(folder),
        "record": str(folder / "run.json"),
        "reports": [str(file) for file in report_files(folder)],
        "gates": [{**plain(gate), "reason": spoken(run, gate.reason) or None} for gate in run.gates],
        "analyzers": [
            {
                "name": result.analyzer,
                "status": result.status,
                "required": result.required,
                "reason": spoken(run, result.reason) or None,
            }
            for result in run.results
        ],
        "analyzers_by_status": results_by_status(run),
        "findings": findings_by_severity(run),
        "warnings": [spoken(run, warning) for warning in run.warnings],
        "baseline": None if run.baseline is None else plain(run.baseline),
        "seconds": dict(run.volatile.seconds),
        "sent": dict(run.volatile.sent),
    }


def findings_by_severity(run: AuditRun) -> dict[str, int]:
    """How many findings each severity has, the gravest first; without those that have none."""
    from auditbench.findings import SEVERITIES

    found = Counter(finding.severity for result in run.results for finding in result.findings)
    return {severity: found[severity] for severity in SEVERITIES if found[severity]}


def results_by_status(run: AuditRun) -> dict[str, int]:
    """How many analyzers ended in each status, in the order in which they ran."""
    return dict(Counter(result.status for result in run.results))


def say_times(run: AuditRun) -> None:
    """Print how long each stage took, the longest first."""
    seconds = run.volatile.seconds
    if not seconds:
        return
    total = sum(seconds.values())
    parts = [f"{safe_text(name)} {duration(took)}" for name, took in sorted(seconds.items(), key=lambda item: -item[1])]
    say_prose(f"time     {duration(total)}: {', '.join(parts)}")


def _sentence(run: AuditRun) -> str:
    found = results_by_status(run)
    apart = found.get("not_applicable", 0)
    of = f"{found.get('ok', 0)} of {counted(len(run.results) - apart, 'analyzer')} completed"
    on = f"on {counted(run.data.rows, 'row')}"
    rest = f", and {counted(apart, 'analyzer does', 'analyzers do')} not apply" if apart else ""
    return f"{states_counted(run.gates)}; {of} {on}{rest}."


def _say_gates(run: AuditRun) -> None:
    from auditbench.gate_sentences import worst_first

    gates = [gate for gate in worst_first(run.gates) if gate.state != "pass"]
    if not gates:
        return
    say()
    say("Gates that did not pass", "strong")
    for gate in gates:
        say(f"  {state_words(gate)}  {safe_text(gate.metric)}{labels(gate.where)}", state_tone(gate))
        say_prose(f"      {observed(gate, spoken(run, gate.reason))}")


def _say_numbers(run: AuditRun) -> None:
    from auditbench.findings import changed_their_subject
    from auditbench.headline_metrics import headline_metrics

    catalogue, found, changed = english(run), headline_metrics(run.results), changed_their_subject(run.warnings)
    if not found:
        return
    say()
    say("Numbers", "strong")
    titles = [safe_text(catalogue.say(name)) + labels(metric.where) for name, metric in found]
    width = max(map(cells, titles))
    for title, (name, metric) in zip(titles, found, strict=True):
        doubt = "; not to be relied on: its analyzer changed the model" if name.partition(".")[0] in changed else ""
        say(f"  {padded(title, width)}  {_with_interval(metric)}{doubt}", "caution" if doubt else "")


def _with_interval(metric: Metric) -> str:
    value, interval = number(metric.value, metric.unit), metric.interval
    if interval is None:
        return f"{value} ({metric.no_interval.replace('_', ' ')})"
    low, high = number(interval.low), number(interval.high, metric.unit)
    return f"{value} ({interval.level:.0%} interval {low} to {high})"


def _say_findings(run: AuditRun) -> None:
    """The titles of the gravest findings."""
    from auditbench.findings import SEVERITIES

    found = [finding for result in run.results for finding in result.findings]
    if not found:
        return
    catalogue = english(run)
    say()
    say("Findings", "strong")
    shown = _MOST_FINDINGS + (len(found) == _MOST_FINDINGS + 1)  # a single further one takes the line of its count
    for finding in sorted(found, key=lambda one: SEVERITIES.index(one.severity))[:shown]:
        say_prose(f"  {finding.severity}: {safe_text(catalogue.text(finding.title), LONGEST_TEXT)}")
    if len(found) > shown:
        say(f"  and {len(found) - shown:,} more", "quiet")


def _say_incomplete(run: AuditRun, folder: Path, *, debug: bool) -> None:
    without = [result for result in run.results if result.status != "ok"]
    if not without:
        return
    say()
    say("Analyzers without a result", "strong")
    width = max(cells(safe_text(result.analyzer)) for result in without)
    for result in without:
        say_prose(_line(run, result, width), "bad" if result.is_missing else "caution")
        if result.reason and (place := result.reason.values.get("place")):
            say(f"      raised at {safe_text(str(place))}", "quiet")
        if debug and (trace := run.volatile.details.get(result.analyzer)):
            _say_indented(trace.rstrip().split("\n"))
    if not debug and any(run.volatile.details.get(result.analyzer) for result in without):
        say_prose(f"  `auditbench show {as_argument(folder)} --debug` shows what they raised or wrote last", "quiet")
    reasons = {result.reason.key for result in without if result.is_missing and result.reason}
    if "core.skipped_by_command" in reasons:
        say_prose(f"  {_LEFT_OUT}", "bad")


def _say_change(run: AuditRun) -> None:
    if run.baseline is None:
        return
    from auditbench.cli.comparison_tables import change_line

    say()
    say_prose(change_line(run.baseline))


def _line(run: AuditRun, result: AnalysisResult, width: int) -> str:
    required = " (required)" if result.is_missing else ""
    state = result.status.replace("_", " ")
    return f"  {padded(safe_text(result.analyzer), width)}  {state}{required}: {spoken(run, result.reason)}"


def _say_indented(lines: Iterable[str]) -> None:
    for line in lines:
        say(f"      {line}", "quiet")
