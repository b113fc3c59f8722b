"""From a run to the report as data."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping

from auditbench.messages import Templates, merge_catalogues
from auditbench.run import AuditRun
from auditbench_html.view.baseline import baseline_section
from auditbench_html.view.cases import cases_section
from auditbench_html.view.crosswalk import crosswalk_section
from auditbench_html.view.draft import Draft
from auditbench_html.view.facts import facts_section
from auditbench_html.view.figures import Figure
from auditbench_html.view.findings import findings
from auditbench_html.view.gates import gate_rows, gates_section
from auditbench_html.view.page import Report, Requirement, SecondSummary, Section
from auditbench_html.view.record import incomplete_section, provenance_section, signoff_section, tool
from auditbench_html.view.sections import topic_sections
from auditbench_html.view.summary import summary
from auditbench_html.view.text import Text, Words, safe_templates
from auditbench_html.view.verdict import date_text, hero, model_name

SEVERAL_CLASSES = ("multiclass-classification", "next-token")
_WINDOW = "_window"
_SAFE = re.compile(r"[0-9A-Za-z-]{1,20}")


def build_report(
    run: AuditRun,
    templates: Templates,
    *,
    language: str,
    others: Mapping[str, Templates] | None = None,
    requirements: tuple[Requirement, ...] = (),
) -> Report:
    """The report of a run in one language.

    Args:
        templates: The renderer's own catalogue; templates of the analyzers come with the run.
        others: Its catalogues by language: of the second summary, where the audit file asks for one.
        requirements: Entries of the regulatory index.
    """
    draft = Draft(run=run, say=words_of(run, templates, language))
    say = draft.say
    draft.gates = gate_rows(draft)
    found = findings(draft)
    overview = summary(draft, found)
    facts = facts_section(draft)
    screen = hero(draft, found)
    second = str(draft.report_setting("second_language"))
    if second in (others or {}) and second != language:
        overview = dataclasses.replace(overview, second=_second(run, (others or {})[second], second))
    name, date = model_name(draft), date_text(draft)
    counter, told = itertools.count(1), dict[str, int]()
    if overview.people is not None:
        people = dataclasses.replace(overview.people, number=next(counter))
        overview = dataclasses.replace(overview, people=people)
    index = crosswalk_section(say, requirements)
    record = (index, provenance_section(draft), signoff_section(draft))
    sections = [facts, *_analyses(draft), *(section for section in record if section is not None)]
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
        foot=_foot(draft),
    )


def _second(run: AuditRun, templates: Templates, language: str) -> SecondSummary:
    """The verdict and the plain words in another language; findings and figures stand once, in the page's own."""
    draft = Draft(run=run, say=words_of(run, templates, language))
    draft.gates = gate_rows(draft)
    found = findings(draft)
    screen, told = hero(draft, found), summary(draft, found)
    return SecondSummary(
        language=language,
        title=draft.say.say("summary.in_language"),
        verdict=screen.verdict,
        paragraphs=(screen.reason, told.lead, *told.paragraphs),
    )


def words_of(run: AuditRun, templates: Templates, language: str) -> Words:
    """The words for a run: a renderer's own catalogue, then the templates that the analyzers left in the run."""
    own = {**templates, **_class_scores(templates)} if run.model.task in SEVERAL_CLASSES else templates
    if run.model.task == "next-token":
        own = {**own, **_of_windows(own)}
    told = (safe_templates(run.messages.get(name, {})) for name in (language, "en"))
    return Words(catalogue=merge_catalogues(language, own, *told), computed=frozenset(run.data.computed))


def _class_scores(templates: Templates) -> Templates:
    """Words for the logits of several classes, which are scores and no log-odds."""
    return {key: templates[f"{key}_class"] for key in ("unit.logit", "unit_long.logit", "output.logit")}


def _of_windows(templates: Templates) -> Templates:
    """Words for rows that are windows of texts: each key that has others for them."""
    return {key.removesuffix(_WINDOW): template for key, template in templates.items() if key.endswith(_WINDOW)}


def _placed(figure: Figure, number: int, told: dict[str, int]) -> Figure:
    """A figure with its number, and that of the figure that gave its reading help first."""
    first = told.setdefault(str(figure.how), number)
    return dataclasses.replace(figure, number=number, how_first=first if first != number else 0)


def _numbered(section: Section, counter: Iterator[int], told: dict[str, int]) -> Section:
    """A section whose figures have their numbers, in the order of the page."""

    def numbered(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
        return tuple(_placed(figure, next(counter), told) for figure in figures)

    def placed(rows: tuple[tuple[Figure, ...], ...]) -> tuple[tuple[Figure, ...], ...]:
        return tuple(map(numbered, rows))

    overview, drawn = placed(section.overview), section.drawn
    if drawn is not None:
        cases = []
        for case in drawn.cases:
            outputs = (dataclasses.replace(output, figures=numbered(output.figures)) for output in case.outputs)
            cases.append(dataclasses.replace(case, outputs=tuple(outputs)))
        drawn = dataclasses.replace(drawn, cases=tuple(cases))
    figures, more = placed(section.figures), placed(section.more_figures)
    return dataclasses.replace(section, overview=overview, drawn=drawn, figures=figures, more_figures=more)


def _analyses(draft: Draft) -> list[Section]:
    """Topics in order, the cases after the explanations, then what is missing and what changed."""
    sections = []
    topics = topic_sections(draft)
    cases = cases_section(draft)
    for topic, section in topics.items():
        sections.append(section)
        if topic == "explanation" and cases is not None:
            sections.append(cases)
    if cases is not None and cases not in sections:
        sections.insert(1 if sections else 0, cases)
    last = (incomplete_section(draft), baseline_section(draft))
    return [*sections, *(section for section in last if section is not None)]


def _foot(draft: Draft) -> Text:
    run = draft.run
    shown = any(
        result.image_overlays or result.token_attributions or result.series_attributions for result in run.results
    )
    shown |= any(case.shown for case in run.cases)
    key = "foot.rendered_raw" if shown and draft.raw_inputs else "foot.rendered"
    return draft.say.say(key, tool=tool(draft))


def _footing(run: AuditRun) -> tuple[str, ...]:
    """Digest of the model and date of the run: what a printed page needs to be told from another."""
    parts = (run.model.digest[:12], (run.volatile.finished or run.volatile.started)[:10])
    return tuple(part for part in parts if _SAFE.fullmatch(part))
