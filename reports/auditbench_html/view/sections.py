"""One section a topic: the finding, the figures, what they do not show, and how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Table
from auditbench_html.view.blocks import changes_figure, custom_figure, percentiles_figure, scatter_figure, table_figure
from auditbench_html.view.curves import curve_figure
from auditbench_html.view.draft import Draft, topics_in_order
from auditbench_html.view.drawn import drawn_rows
from auditbench_html.view.figures import Figure
from auditbench_html.view.gates import WORST_FIRST, worst_chip
from auditbench_html.view.groups import group_figures, repeats_groups
from auditbench_html.view.importance import agreement_on_top, importance_figures, strongest_inputs
from auditbench_html.view.matrices import matrix_figure
from auditbench_html.view.measures import measure_figures, value_list
from auditbench_html.view.methods import measure_entries, method_entries
from auditbench_html.view.numbers import short
from auditbench_html.view.page import Fact, FactList, GateRow, Link, Section, StateBox
from auditbench_html.view.record import duration
from auditbench_html.view.swarm import swarm_figure
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words
from auditbench_html.view.uncompared import uncompared_groups, undefined_measures
from auditbench_html.view.verdict import gate_sentence

MOST_ASIDE = 3
"""Figures of one kind, such as one a class, that stand open; more of them are closed at first."""
MOST_CLOSED = 40


def topic_sections(draft: Draft) -> dict[str, Section]:
    """A section for each topic with a result, by topic, in the order of the page."""
    found = {}
    for topic in topics_in_order(draft.run):
        results = [result for result in draft.run.results if result.topic == topic]
        if any(result.status == "ok" for result in results):
            found[topic] = _section(draft, topic, results)
    return found


def _section(draft: Draft, topic: str, results: list[AnalysisResult]) -> Section:
    say = draft.say
    gates = tuple(row for row in draft.gates if row.topic == topic)
    finished = [result for result in results if result.status == "ok"]
    agreements = [matrix_figure(draft, r, block) for r in finished for block in r.matrices if block.kind == "agreement"]
    figures = importance_figures(draft) if topic == "explanation" else []
    swarm = swarm_figure(draft) if topic == "explanation" else None
    if swarm is not None:
        figures.insert(1, swarm)
    overview = figures + agreements
    drawn = drawn_rows(draft, topic, finished)
    figures = [] if drawn else overview
    lists, states = [], [_state(draft, result) for result in results if result.status != "ok"]
    for result in finished:
        figures += result_figures(draft, result)
        states += uncompared_groups(draft, result) + undefined_measures(draft, result)
        facts = value_list(draft, result)
        if facts is not None:
            lists.append(facts)
    aside = [figure for figure in figures if figure.aside]
    if len(aside) > MOST_ASIDE:
        figures = [figure for figure in figures if not figure.aside]
    else:
        aside = []
    rest = len(aside) - MOST_CLOSED
    return Section(
        id=draft.section_id(topic),
        group="analyses",
        title=draft.topic_title(topic),
        lead=_lead(draft, topic, gates, finished),
        meta=_meta(draft, gates, finished),
        chip=worst_chip(draft, gates),
        gates=gates,
        states=tuple(states),
        overview=arranged(overview) if drawn else (),
        drawn=drawn,
        figures=arranged(figures),
        more_figures=arranged(aside[:MOST_CLOSED]),
        not_drawn=say.say("figure.not_drawn", n=rest) if rest > 0 else EMPTY,
        lists=tuple(lists),
        limits=_notes(draft, finished, ("limit",)) or (say.say("limits.none"),),
        method=tuple(_method(draft, result) for result in finished),
        method_notes=_notes(draft, finished, ("method", "assumption", "how_to_read")),
        method_facts=measure_entries(draft, finished) + method_entries(draft, finished),
    )


def result_figures(draft: Draft, result: AnalysisResult) -> list[Figure]:
    """Every block of one result that draws itself over many rows, figures before tables."""
    figures = group_figures(draft, result) + measure_figures(draft, result)
    figures += [curve_figure(draft, result, block) for block in result.curves]
    figures += [matrix_figure(draft, result, block) for block in result.matrices if block.kind != "agreement"]
    figures += [percentiles_figure(draft, result, block) for block in result.percentiles]
    figures += [scatter_figure(draft, result, block) for block in result.scatters]
    figures += [changes_figure(draft, result, block) for block in result.paired_changes]
    figures += [table_figure(draft, result, block) for block in _tables(result)]
    figures += [custom_figure(draft, result, block) for block in result.custom_blocks if _says_something(block.table)]
    return figures


def arranged(figures: list[Figure]) -> tuple[tuple[Figure, ...], ...]:
    """Figures in rows: a wide one alone, two narrow ones side by side; a narrow one moves up to the one before it."""
    rows: list[list[Figure]] = []
    for figure in figures:
        half = next((row for row in rows if len(row) == 1 and not row[0].wide), None)
        if half is not None and not figure.wide:
            half.append(figure)
        else:
            rows.append([figure])
    return tuple(tuple(row) for row in rows)


def parameter_facts(draft: Draft, parameters: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Parameters as set, defaults written out; nested ones by dotted name."""
    facts = []
    for name, value in sorted(_flat(parameters).items()):
        facts.append(Fact(label=name_text(name), value=_value(draft, value)))
    return tuple(facts)


def _tables(result: AnalysisResult) -> list[Table]:
    return [table for table in result.tables if _says_something(table) and not repeats_groups(result, table)]


def _says_something(table: Table) -> bool:
    """Whether it has rows and, where columns are for numbers, one in any of them; counts alone do not measure."""
    numbers = [place for place, column in enumerate(table.columns) if column.kind in ("number", "percent")]
    cells = [row[place] for row in table.rows for place in numbers]
    return bool(table.rows and table.columns) and (not numbers or any(cell is not None for cell in cells))


def _lead(draft: Draft, topic: str, gates: tuple[GateRow, ...], finished: list[AnalysisResult]) -> Text:
    """At most two sentences: the worst gate, then what the topic itself has to say."""
    say = draft.say
    parts = []
    worst = sorted(
        (row for row in gates if row.tone != "pass"), key=lambda row: (WORST_FIRST.index(row.tone), not row.blocking)
    )
    if worst:
        parts.append(gate_sentence(draft, worst[0]))
    elif gates:
        parts.append(gate_sentence(draft, gates[0]) if len(gates) == 1 else say.say("lead.all_pass", n=len(gates)))
    if topic == "explanation":
        parts += _explanation_lead(draft)
    elif len(worst) > 1:
        parts.append(gate_sentence(draft, worst[1]))
    elif len(gates) > 1 and not worst:
        parts.append(gate_sentence(draft, gates[0]))
    if not parts:
        names = say.series(draft.analyzer_title(result.analyzer) for result in finished)
        parts.append(say.say("lead.neutral", analyzers=names, n=len(finished)))
    return say.sentences(parts[:2])


def _explanation_lead(draft: Draft) -> list[Text]:
    """Which inputs stand out, and how far the methods put the same inputs first."""
    found = strongest_inputs(draft)
    return [] if found is None else [found.sentence(draft), agreement_on_top(draft)]


def _meta(draft: Draft, gates: tuple[GateRow, ...], finished: list[AnalysisResult]) -> Text:
    say = draft.say
    names = say.series(name_text(result.analyzer) for result in finished)
    analyzers = say.say("meta.analyzers", names=names, n=len(finished))
    if not gates:
        return say.say("meta.no_gates", analyzers=analyzers)
    codes = (
        say.series(words(row.code) for row in gates) if len(gates) <= 6 else words(f"{gates[0].code}–{gates[-1].code}")
    )
    return say.say("meta.gates", codes=codes, n=len(gates), analyzers=analyzers)


def _state(draft: Draft, result: AnalysisResult) -> StateBox:
    say = draft.say
    return StateBox(
        tone="error" if result.status in ("failed", "timed_out") else "none",
        title=say.say(f"incomplete.title_{result.status}", analyzer=draft.analyzer_title(result.analyzer)),
        meta=EMPTY,
        text=say.tell(result.reason) if result.reason else EMPTY,
        more=Link(target="incomplete", label=say.say("incomplete.see")),
    )


def _notes(draft: Draft, results: list[AnalysisResult], kinds: tuple[str, ...]) -> tuple[Text, ...]:
    notes: dict[Message | str, Text] = {}
    for result in results:
        for note in result.notes:
            if note.kind in kinds:
                text = draft.say.tell(note.text)
                notes.setdefault(str(text), text)
    return tuple(notes.values())


def _method(draft: Draft, result: AnalysisResult) -> FactList:
    say = draft.say
    facts = list(parameter_facts(draft, result.parameters))
    seconds = draft.run.volatile.seconds.get(result.analyzer)
    rows = sum(block.model_rows for block in result.attributions)
    if rows:
        facts.append(Fact(label=say.say("method.model_rows"), value=say.say("count", n=rows)))
    facts.append(Fact(label=say.say("method.seed"), value=words(str(draft.run.audit.seed))))
    if seconds is not None:
        facts.append(Fact(label=say.say("method.duration"), value=duration(draft, seconds)))
    key = "method.title" if result.version else "method.title_bare"
    return FactList(
        title=say.say(key, analyzer=draft.analyzer_title(result.analyzer), version=result.version), facts=tuple(facts)
    )


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _value(draft: Draft, value: Any) -> Text:
    say = draft.say
    if value is None or value == () or value == [] or value == {} or value == "":
        return say.say("value.none")
    if isinstance(value, bool):
        return say.say("value.true" if value else "value.false")
    if isinstance(value, (int, float)):
        return words(str(value) if isinstance(value, int) else short(value))
    if isinstance(value, (list, tuple)):
        return joined(*(name_text(str(item)) for item in value), mark=say.mark("comma"))
    return name_text(str(value))
