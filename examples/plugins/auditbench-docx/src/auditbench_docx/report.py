"""From a run to a Word document: the verdict first, then what it rests on, and room to sign."""

from __future__ import annotations

from auditbench.findings import SEVERITIES, GateState
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench.safe_text import safe_text
from auditbench_docx.blocks import Grid, block_grids, drawn_elsewhere
from auditbench_docx.page import Page
from auditbench_docx.words import Words, words_of

MOST_ROWS = 200
"""Lines of a table; Word becomes slow with more, and run.json has them all."""
MOST_COLUMNS = 63
"""Columns of a table; Word opens no document with more, such as a confusion matrix of a hundred classes has."""
STATES: tuple[GateState, ...] = ("fail", "error", "not_run", "inconclusive", "pass")


def render_report(run: AuditRun, *, language: str) -> bytes:
    """The document."""
    words = words_of(run, language)
    page = Page(words.say("title", name=safe_text(run.audit.name)), language)
    _verdict(page, words, run)
    _gates(page, words, run)
    _missing(page, words, run)
    _findings(page, words, run)
    _changes(page, words, run)
    for result in run.results:
        if result.status == "ok":
            _section(page, words, result)
    page.heading(words.say("sign"))
    page.table([words.say("reviewer"), words.say("decision"), words.say("day"), words.say("signature")], [[""] * 4] * 2)
    return page.content()


def _verdict(page: Page, words: Words, run: AuditRun) -> None:
    page.paragraph(words.say(f"core.verdict_{run.verdict}"), strong=True)
    states = [gate.state for gate in run.gates]
    counted = words.say("comma").join(
        words.say("counted", state=words.say(f"core.state_{state}"), n=states.count(state))
        for state in STATES
        if state in states
    )
    page.paragraph(words.say("gates_in_all", n=len(states), counted=counted) if states else words.say("no_gates"))
    without = sum(result.is_missing for result in run.results)
    page.paragraph(words.say("results_missing", n=without) if without else "")
    facts = [
        ("model", f"{run.model.name} ({run.model.format}, {run.model.architecture})"),
        ("data", f"{run.data.name}, {words.say('rows_of', n=run.data.rows)}"),
        ("use", run.audit.intended_use),
        ("not_for", run.audit.not_for),
        ("owner", run.audit.owner),
        ("ended", run.volatile.ended),
        ("digest", run.model.digest),
        ("tool", f"Auditbench {run.provenance.product.rpartition(' ')[2]}"),
    ]
    page.table(["", ""], [[words.say(f"fact_{key}"), safe_text(text, 400)] for key, text in facts if text])
    page.bullets([words.tell(limit) for limit in run.model.limits])
    page.bullets([words.tell(warning) for warning in run.warnings])


def _gates(page: Page, words: Words, run: AuditRun) -> None:
    """Every gate, those first that stop the release."""
    order = sorted(run.gates, key=lambda gate: (not gate.stops_release, STATES.index(gate.state)))
    rows = tuple(
        (
            words.say(f"core.state_{gate.state}") + ("" if gate.blocking else words.say("advisory")),
            words.metric(gate.metric, gate.where),
            words.between(gate.value, gate.low, gate.high, gate.unit),
            words.limit(gate),
            words.rows(gate.n, gate.where),
            words.why(gate),
        )
        for gate in order
    )
    head = ("column_state", "column_metric", "column_value", "column_limit", "column_n", "column_why")
    _grid(page, words, Grid(words.say("gates"), tuple(map(words.say, head)), rows), level=1)


def _missing(page: Page, words: Words, run: AuditRun) -> None:
    """Analyses without a result, and why."""
    rows = tuple(
        (safe_text(result.analyzer), words.say(f"core.status_{result.status}"), words.tell(result.reason))
        for result in run.results
        if result.status != "ok"
    )
    head = ("column_analysis", "column_state", "column_why")
    _grid(page, words, Grid(words.say("missing"), tuple(map(words.say, head)), rows), level=1)


def _findings(page: Page, words: Words, run: AuditRun) -> None:
    found = [finding for result in run.results for finding in result.findings]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    rows = tuple(
        (words.say(f"severity_{finding.severity}"), words.tell(finding.title), words.tell(finding.action))
        for finding in found
    )
    head = ("column_severity", "column_finding", "column_action")
    _grid(page, words, Grid(words.say("findings"), tuple(map(words.say, head)), rows), level=1)


def _changes(page: Page, words: Words, run: AuditRun) -> None:
    """What became of each metric since the baseline."""
    rows = tuple(
        (
            words.metric(change.metric, change.where),
            words.value(change.before, change.unit),
            words.value(change.after, change.unit),
            words.between(
                change.difference,
                change.decided.low if change.decided else None,
                change.decided.high if change.decided else None,
            ),
            words.say(f"change_{change.verdict}"),
            words.tell(change.reason),
        )
        for change in (run.baseline.metrics if run.baseline else ())
    )
    head = ("column_metric", "column_before", "column_after", "column_change", "column_state", "column_why")
    _grid(page, words, Grid(words.say("changes"), tuple(map(words.say, head)), rows), level=1)


def _section(page: Page, words: Words, result: AnalysisResult) -> None:
    """One analysis: its metrics, its tables, what is drawn elsewhere, and how to read it."""
    page.heading(words.analyzer(result.analyzer))
    rows = tuple(
        (
            words.metric(f"{result.analyzer}.{metric.name}", metric.where),
            words.between(
                metric.value,
                metric.interval.low if metric.interval else None,
                metric.interval.high if metric.interval else None,
                metric.unit,
            ),
            words.size(metric),
            words.tell(metric.reason),
        )
        for metric in result.metrics
    )
    head = ("column_metric", "column_value", "column_n", "column_why")
    _grid(page, words, Grid(words.say("metrics"), tuple(map(words.say, head)), rows))
    for grid in block_grids(words, result):
        _grid(page, words, grid)
    figures = drawn_elsewhere(result)
    page.paragraph(words.say("figures", n=figures) if figures else "")
    page.bullets([words.tell(note.text) for note in result.notes])


def _grid(page: Page, words: Words, grid: Grid, *, level: int = 2) -> None:
    """A table under its title; nothing without rows, and no more rows and columns than Word can bear."""
    if not grid.rows:
        return
    page.heading(grid.title, level)
    page.table(grid.head[:MOST_COLUMNS], [row[:MOST_COLUMNS] for row in grid.rows[:MOST_ROWS]])
    if (left_out := len(grid.rows) - MOST_ROWS) > 0:
        page.paragraph(words.say("left_out", n=left_out))
    if (beside := len(grid.head) - MOST_COLUMNS) > 0:
        page.paragraph(words.say("columns_left_out", n=beside))
