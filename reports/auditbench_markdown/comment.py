"""The comment: verdict, gates that did not pass, what changed, findings, and what passed, folded."""

from __future__ import annotations

from dataclasses import replace

from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench_html.view.markdown import code, emphasis, strong, to_markdown
from auditbench_html.view.outline import GateLine, Outline, outline
from auditbench_html.view.page import FindingRow
from auditbench_html.view.text import Text, joined, words
from auditbench_markdown.changes import about_baseline, change_lines
from auditbench_markdown.fitting import Part, fit, size

LONGEST = 65_536
"""Most characters of a comment on GitHub; GitLab and the others take more."""
MARK = "<!-- auditbench report -->"
"""First line of the comment, by which a pipeline finds the one to replace."""
MISSING = "markdown.missing"
"""Title of the section of analyses without a result."""
SIGNS = {"pass": "✔", "warn": "▲", "fail": "✖", "error": "◆", "none": "○"}


def render_comment(run: AuditRun, *, language: str = "en", longest: int = LONGEST) -> bytes:
    """The comment for a run, of at most `longest` UTF-16 code units; the same run gives the same bytes."""
    told = outline(run, "auditbench_markdown", language, missing=MISSING)
    head, foot = _head(told), _foot(told)
    parts = [
        part
        for part in (_open_gates(told), _changes(told), _missing(told), _findings(told), _passed(told))
        if part.lines
    ]
    return (head + fit(parts, longest - size(head) - size(foot)) + foot).encode("utf-8")


def _head(told: Outline) -> str:
    say, screen = told.say, told.screen
    title = say.say("markdown.title", verdict=screen.verdict, model=told.model)
    counted = [say.say("markdown.state", n=words(str(count.n)), state=count.label) for count in screen.counts]
    numbers = joined(
        say.say("markdown.gates", n=len(told.gates)),
        *counted,
        say.say("markdown.rows", rows=told.run.data.rows),
        told.date or say.say("date.unknown"),
    )
    paragraphs = [f"### {SIGNS[screen.tone]} {to_markdown(title)}", to_markdown(screen.reason), to_markdown(numbers)]
    if screen.notice:
        paragraphs.append(strong(screen.notice))
    return "\n\n".join([MARK, *paragraphs, ""])


def _open_gates(told: Outline) -> Part:
    """Gates that did not pass, those first that stop a release."""
    lines = tuple(_gate(told, line) for line in told.worst_first if line.row.tone != "pass")
    return _part(told, "markdown.open", "markdown.more_gates", lines)


def _gate(told: Outline, line: GateLine) -> str:
    row = line.row
    key = "markdown.gate_advisory" if row.tone == "fail" and not row.blocking else "markdown.gate"
    about = to_markdown(told.say.say(key, kind=row.kind, gate=row.gate))
    parts = [f"- **{SIGNS[row.tone]} {to_markdown(row.state)}**{about}", to_markdown(line.sentence)]
    if row.explanation:
        parts.append(to_markdown(told.say.say("gate.why", text=row.explanation)))
    if row.waiver_chip:
        parts.append(to_markdown(told.say.say("markdown.waived", label=row.waiver_chip.label)))
    if row.waiver:
        parts.append(to_markdown(row.waiver))
    return told.say.mark("gap").join(parts)


def _changes(told: Outline) -> Part:
    """What changed since the baseline; nothing where there is none."""
    comparison = told.run.baseline
    if comparison is None:
        return _part(told, "markdown.changes", "markdown.more_changes", ())
    part = _part(told, "markdown.changes", "markdown.more_changes", change_lines(told, comparison))
    return replace(part, heading=f"{part.heading}\n{to_markdown(about_baseline(told, comparison))}\n")


def _missing(told: Outline) -> Part:
    """Analyses without a result, and why."""
    lines = tuple(
        f"- {to_markdown(told.say.sentences([_analysis(told, result), told.say.tell(result.reason)]))}"
        for result in told.run.results
        if result.reason is not None
    )
    return _part(told, MISSING, "markdown.more_analyses", lines)


def _analysis(told: Outline, result: AnalysisResult) -> Text:
    title = told.draft.analyzer_title(result.analyzer)
    return told.say.say("markdown.analysis", analyzer=title, status=told.say.say(f"status.{result.status}"))


def _findings(told: Outline) -> Part:
    lines = tuple(_finding(told, row) for row in told.findings)
    return _part(told, "markdown.findings", "markdown.more_findings", lines)


def _finding(told: Outline, row: FindingRow) -> str:
    """A finding and what to do; its detail where no gate above has told it."""
    chip = to_markdown(told.say.say("markdown.chip", chip=row.chip.label))
    parts = [f"{row.number}. {strong(row.title)}{chip}"]
    if row.detail and not row.gates:
        parts.append(to_markdown(row.detail))
    if row.action:
        parts.append(f"{emphasis(told.say.say('markdown.do'))} {to_markdown(row.action)}")
    return told.say.mark("gap").join(parts)


def _passed(told: Outline) -> Part:
    """A folded table of the gates that passed."""
    say = told.say
    lines = [
        f"| {code(line.row.gate)} | {to_markdown(line.row.title)} | {to_markdown(line.row.decided_on.text)} "
        f"| {to_markdown(line.row.decided_on.interval)} | {to_markdown(line.row.limit)} |"
        for line in told.gates
        if line.row.tone == "pass"
    ]
    columns = (
        "markdown.column_gate",
        "markdown.column_measure",
        "column.observed",
        "markdown.interval",
        "column.limit",
    )
    names = " | ".join(to_markdown(say.say(key)) for key in columns)
    summary = to_markdown(say.say("markdown.passed", n=len(lines)))
    return Part(
        heading=f"<details><summary>{summary}</summary>\n\n| {names} |\n|---|---|---|---|---|",
        lines=tuple(lines),
        left_out=lambda n: f"| {to_markdown(say.say('markdown.more_gates', n=n))} | | | | |",
        closing="\n</details>",
    )


def _part(told: Outline, title: str, left_out: str, lines: tuple[str, ...]) -> Part:
    return Part(
        heading=f"#### {to_markdown(told.say.say(title))}\n",
        lines=lines,
        left_out=lambda n: f"\n{to_markdown(told.say.say(left_out, n=n))}",
    )


def _foot(told: Outline) -> str:
    """Where the rest is, and how to tell this run from another."""
    run, say = told.run, told.say
    report = run.config.get("report", {})
    formats = report.get("formats", ()) if isinstance(report, dict) else ()
    key = "markdown.full" if "html" in formats or not formats else "markdown.full_record"
    line = say.say(key, code=words(str(run.exit_code)), digest=run.model.digest[:12], version=words(told.version))
    return f"{to_markdown(line)}\n"
