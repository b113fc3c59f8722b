"""What changed since the baseline, in lines: metrics beyond noise, findings that came or went, gates of another state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench_html.view.changes import change_row
from auditbench_html.view.markdown import to_markdown
from auditbench_html.view.outline import Outline
from auditbench_html.view.text import Text

if TYPE_CHECKING:
    from auditbench.comparison.record import Comparison, FindingChange, MetricChange

SIGNS = {"worse": "▼", "better": "▲", "changed": "◇", "new": "✚", "fixed": "✔"}
_METRICS = ("worse", "changed", "better")
_FINDINGS = ("new", "worse", "changed", "fixed", "better")


def change_lines(told: Outline, comparison: Comparison) -> tuple[str, ...]:
    """Everything that changed beyond noise, worse before better; then how much did not, and what else is other."""
    changes = [change for state in _METRICS for change in comparison.metrics if change.verdict == state]
    metrics = [line for line in (_metric(told, change) for change in changes) if line]
    findings = [
        _finding(told, change) for state in _FINDINGS for change in comparison.findings if change.state == state
    ]
    return (*_gates(told, comparison), *metrics, *findings, *_counts(told, comparison))


def about_baseline(told: Outline, comparison: Comparison) -> Text:
    """Which run this one is compared with, and on which rows."""
    say, facts = told.say, comparison.baseline
    key = "markdown.baseline_paired" if comparison.paired else "markdown.baseline_unpaired"
    return say.say(
        key,
        name=facts.name,
        version=facts.version or facts.model_digest[:12],
        pairs=comparison.pairs,
        before=facts.rows,
        rows=comparison.rows,
        verdict=say.say(f"verdict.{facts.verdict}"),
    )


def _gates(told: Outline, comparison: Comparison) -> list[str]:
    """Gates whose state is another than in the baseline."""
    lines = []
    for line in told.worst_first:
        state, before = line.decision.state, comparison.baseline.gates.get(line.decision.id)
        if before is not None and before != state:
            states = {name: told.say.say(f"state_label.{key}") for name, key in (("before", before), ("after", state))}
            text = told.say.say("markdown.gate_changed", gate=line.row.gate, title=line.row.title, **states)
            lines.append(f"- {to_markdown(text)}")
    return lines


def _metric(told: Outline, change: MetricChange) -> str:
    """A metric before and after; only those with a difference have a verdict that is told."""
    row = change_row(told.draft, change)
    if row is None:
        return ""
    text = told.say.say(
        "markdown.change" if row.change.interval else "markdown.change_exact",
        title=row.label,
        before=row.before.text,
        after=row.after.text,
        change=row.change.text,
        interval=row.change.interval,
    )
    return f"- **{SIGNS[change.verdict]} {to_markdown(row.chip.label)}** {to_markdown(text)}"


def _finding(told: Outline, change: FindingChange) -> str:
    state = to_markdown(told.say.say(f"markdown.finding_{change.state}"))
    return f"- **{SIGNS[change.state]} {state}** {to_markdown(told.say.tell(change.title))}"


def _counts(told: Outline, comparison: Comparison) -> list[str]:
    """How many metrics stayed within noise or have no comparison, and what else differs."""
    say = told.say
    verdicts = [change.verdict for change in comparison.metrics]
    counts = [
        say.say(f"markdown.{verdict}", n=verdicts.count(verdict))
        for verdict in ("within_noise", "not_tested", "not_compared")
        if verdict in verdicts
    ]
    kinds = dict.fromkeys(other.kind for other in comparison.others)
    if kinds:
        counts.append(say.say("markdown.others", what=say.series(say.say(f"markdown.other_{kind}") for kind in kinds)))
    return [f"- {to_markdown(say.sentences(counts))}"] if counts else []
