"""From a run to the report as data."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator

from auditbench.messages import Templates, merge_catalogues
from auditbench.run import AuditRun
from auditbench_html.view.cases import cases_section
from auditbench_html.view.draft import Draft
from auditbench_html.view.facts import facts_section
from auditbench_html.view.figures import Figure
from auditbench_html.view.findings import findings
from auditbench_html.view.gates import gate_rows, gates_section
from auditbench_html.view.page import Report, Section
from auditbench_html.view.record import incomplete_section, provenance_section, signoff_section
from auditbench_html.view.sections import topic_sections
from auditbench_html.view.summary import summary
from auditbench_html.view.text import Words, name_text
from auditbench_html.view.verdict import date_text, hero, model_name

_SAFE = re.compile(r"^[0-9A-Za-z-]{1,20}$")


def build_report(run: AuditRun, templates: Templates, *, language: str) -> Report:
    """The report of a run in one language.

    Args:
        templates: The renderer's own catalogue; templates of the analyzers come with the run.
    """
    own = {**templates, **_class_scores(templates)} if run.model.task == "multiclass-classification" else templates
    say = Words(catalogue=merge_catalogues(language, own, run.messages.get(language, {}), run.messages.get("en", {})))
    draft = Draft(run=run, say=say)
    draft.gates = gate_rows(draft)
    found = findings(draft)
    overview = summary(draft, found)
    facts = facts_section(draft)
    screen = hero(draft, found)
    name, date = model_name(draft), date_text(draft, run.volatile.finished or run.volatile.started)
    counter, told = itertools.count(1), set[str]()
    if overview.people is not None:
        people = dataclasses.replace(overview.people, number=next(counter))
        overview = dataclasses.replace(overview, people=people)
    sections = [facts, *_analyses(draft), provenance_section(draft), signoff_section(draft)]
    return Report(
        language=language,
        title=say.say("report.title", verdict=screen.verdict, model=name, date=date or say.say("date.unknown")),
        description=say.say("report.description", model=name, verdict=screen.verdict, n=len(draft.gates)),
        model=name,
        hero=screen,
        gates=gates_section(draft),
        summary=overview,
        sections=tuple(_numbered(section, counter, told) for section in sections),
        footing=_footing(run),
        tool=name_text(run.provenance.product),
    )


def _class_scores(templates: Templates) -> Templates:
    """Words for the logits of several classes, which are scores and no log-odds."""
    return {key: templates[f"{key}_class"] for key in ("unit.logit", "unit_long.logit", "output.logit")}


def _again(figure: Figure, told: set[str]) -> bool:
    """Whether this reading help was given before; notes it."""
    text = str(figure.how)
    known = text in told
    told.add(text)
    return known


def _numbered(section: Section, counter: Iterator[int], told: set[str]) -> Section:
    rows = tuple(
        tuple(dataclasses.replace(figure, number=next(counter), how_again=_again(figure, told)) for figure in row)
        for row in section.figures
    )
    return dataclasses.replace(section, figures=rows)


def _analyses(draft: Draft) -> list[Section]:
    """Topics in order, the cases after the explanations, then what is missing."""
    sections = []
    topics = topic_sections(draft)
    cases = cases_section(draft)
    for topic, section in topics.items():
        sections.append(section)
        if topic == "explanation" and cases is not None:
            sections.append(cases)
    if cases is not None and cases not in sections:
        sections.insert(1 if sections else 0, cases)
    missing = incomplete_section(draft)
    return [*sections, missing] if missing is not None else sections


def _footing(run: AuditRun) -> tuple[str, ...]:
    """Digest of the model and date of the run: what a printed page needs to be told from another."""
    parts = (run.model.digest[:12], (run.volatile.finished or run.volatile.started)[:10])
    return tuple(part for part in parts if _SAFE.match(part))
