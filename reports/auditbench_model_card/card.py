"""A run as a model card: metadata, then sections with evidence of the audit and fields for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from auditbench.run import AuditRun
from auditbench_html.view.facts import facts_section
from auditbench_html.view.importance import strongest_inputs
from auditbench_html.view.markdown import code, emphasis, strong, to_markdown
from auditbench_html.view.numbers import estimate
from auditbench_html.view.outline import Outline, outline
from auditbench_html.view.page import FactList
from auditbench_model_card.fields import count_line, field_line, fields_of
from auditbench_model_card.metadata import headline_metrics, metadata

MOST_FINDINGS = 12
MOST_GATES = 50
_STATED = ("facts.intended_use", "facts.not_for", "facts.owner", "facts.licence")


def render_card(run: AuditRun, *, language: str = "en") -> bytes:
    """The model card of a run; the same run gives the same bytes."""
    told = outline(run, "auditbench_model_card", language)
    about = facts_section(told.draft)
    model, data, *training = about.lists
    parts = [
        f"# {to_markdown(told.say.say('model_card.title', model=told.model))}\n",
        f"{count_line(told)}\n",
        f"{to_markdown(told.say.say('model_card.source', date=told.date or told.say.say('date.unknown')))}\n",
        _section(told, "details", _facts(told, model)),
        _section(told, "uses"),
        _section(told, "risks", _risks(told)),
        _section(told, "start"),
        _section(told, "training", [line for facts in training for line in _facts(told, facts)]),
        _section(told, "evaluation", [*_facts(told, data), "", *_metrics(told), *_gates(told)]),
        _section(told, "examination", _examination(told)),
        _section(told, "environment"),
        _section(told, "people"),
    ]
    return (metadata(told) + "\n" + "\n".join(part for part in parts if part)).encode("utf-8")


def _section(told: Outline, name: str, evidence: Iterable[str] = ()) -> str:
    """A heading, what the audit found, and fields for people; empty without either."""
    fields = [field_line(told, field) for field in fields_of(told.run).get(name, ())]
    lines = list(evidence)
    if not fields and not lines:
        return ""
    heading = to_markdown(told.say.say(f"model_card.section.{name}"))
    parts = ["\n".join(part) for part in (lines, fields) if part]
    return f"## {heading}\n\n" + "\n\n".join(parts) + "\n"


def _facts(told: Outline, facts: FactList) -> list[str]:
    """Facts of the record; those that the card asks people for stand among its fields."""
    asked = {str(told.say.say(key)) for key in _STATED}
    return [
        f"- {strong(fact.label)} {to_markdown(fact.value)}"
        for fact in facts.facts
        if not fact.missing and str(fact.label) not in asked
    ]


def _risks(told: Outline) -> Iterator[str]:
    """The verdict, what limits how the model was opened, and findings with what to do."""
    say, screen = told.say, told.screen
    yield to_markdown(say.sentences([say.say("model_card.verdict", verdict=screen.verdict), screen.reason]))
    yield ""
    limits = [f"- {to_markdown(say.tell(limit))}" for limit in told.run.model.limits]
    yield from (*limits, "") if limits else ()
    for row in told.findings[:MOST_FINDINGS]:
        action = f" {emphasis(row.action)}" if row.action else ""
        yield f"{row.number}. {strong(row.title)}{action}"
    if (rest := len(told.findings) - MOST_FINDINGS) > 0:
        yield f"\n{to_markdown(say.say('model_card.more_findings', n=rest))}"


def _metrics(told: Outline) -> Iterator[str]:
    rows = [(name, metric, metric.interval) for name, metric in headline_metrics(told.run)]
    if not rows:
        return
    yield from _table_head(told, "measure", "value", "interval", "rows")
    for name, metric, bounds in rows:
        shown = estimate(
            told.say,
            metric.value,
            low=bounds.low if bounds else None,
            high=bounds.high if bounds else None,
            unit=metric.unit,
            without_interval=metric.no_interval,
        )
        title = told.draft.metric_title(name, metric.where)
        count = told.say.say("count", n=metric.n)
        yield _row(to_markdown(title), to_markdown(shown.text), to_markdown(shown.interval), to_markdown(count))
    yield ""


def _gates(told: Outline) -> Iterator[str]:
    lines = told.worst_first
    if not lines:
        return
    yield from _table_head(told, "gate", "state", "sentence")
    for line in lines[:MOST_GATES]:
        yield _row(code(line.row.gate), to_markdown(line.row.state), to_markdown(line.sentence))
    if len(lines) > MOST_GATES:
        yield f"\n{to_markdown(told.say.say('model_card.more_gates', n=len(lines) - MOST_GATES))}"


def _examination(told: Outline) -> list[str]:
    """Which inputs the explanations name, where they name any."""
    found = strongest_inputs(told.draft)
    sentence = found.sentence(told.draft) if found else None
    if not sentence:
        return []
    return [to_markdown(told.say.sentences([sentence, told.say.say("plain.cause")]))]


def _table_head(told: Outline, *names: str) -> Iterator[str]:
    yield _row(*(to_markdown(told.say.say(f"model_card.column.{name}")) for name in names))
    yield _row(*("---" for _ in names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
