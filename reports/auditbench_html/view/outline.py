"""A run in words, without a page: verdict, gates and findings as sentences, for the formats beside the report."""

from __future__ import annotations

from dataclasses import dataclass

from auditbench.findings import GateDecision
from auditbench.messages import load_messages, merge_catalogues
from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench_html.view.draft import Draft
from auditbench_html.view.findings import findings
from auditbench_html.view.gates import WORST_FIRST, gate_rows
from auditbench_html.view.page import FindingRow, GateRow, Hero
from auditbench_html.view.report import words_of
from auditbench_html.view.text import Text, Words
from auditbench_html.view.verdict import date_text, gate_sentence, hero, model_name

REPORT = "auditbench_html"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """One gate in words.

    Attributes:
        sentence: What it found, and why there is no value where there is none.
    """

    row: GateRow
    decision: GateDecision
    sentence: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A run in the words of the report.

    Attributes:
        draft: Titles of metrics, analyzers and topics.
        date: When the audit ended; empty when that was not recorded.
        gates: In the order of the configuration.
        findings: What blocks first, as the report numbers them.
    """

    run: AuditRun
    draft: Draft
    model: Text
    date: Text
    screen: Hero
    gates: tuple[GateLine, ...]
    findings: tuple[FindingRow, ...]

    @property
    def say(self) -> Words:
        """The words of the report and of the format."""
        return self.draft.say

    @property
    def version(self) -> str:
        """Version of Auditbench that made the run."""
        return safe_text(self.run.provenance.product.rpartition(" ")[2])

    @property
    def worst_first(self) -> tuple[GateLine, ...]:
        """The gates, those first that stop a release, then by state."""

        def rank(line: GateLine) -> tuple[bool, int, bool, str]:
            row = line.row
            return (not line.decision.stops_release, WORST_FIRST.index(row.tone), not row.blocking, row.code)

        return tuple(sorted(self.gates, key=rank))


def outline(run: AuditRun, package: str, language: str, *, missing: str = "") -> Outline:
    """A run in one language; keys that the language lacks are said in English.

    Args:
        package: Import package of the format, whose catalogues come on top of those of the report.
        missing: Key of the title of its section of analyses without a result; empty where it has none.
    """
    parts = [load_messages(name) for name in (package, REPORT)]
    templates = merge_catalogues(language, *(part.get(wanted, {}) for wanted in (language, "en") for part in parts))
    draft = Draft(run=run, say=words_of(run, templates.templates, language), missing=missing)
    draft.gates = gate_rows(draft)
    found = findings(draft)
    lines = tuple(
        GateLine(row=row, decision=decision, sentence=_sentence(draft, row))
        for row, decision in zip(draft.gates, run.gates, strict=True)
    )
    return Outline(
        run=run,
        draft=draft,
        model=model_name(draft),
        date=date_text(draft),
        screen=hero(draft, found),
        gates=lines,
        findings=found,
    )


def one_line(text: Text, longest: int = LONGEST_TEXT) -> str:
    """Text as a plain string in one line, without the marks of code; all of it is safe to show."""
    return safe_text(
        "".join(run.text if run.kind == "name" else run.text.replace("`", "") for run in text.runs), longest
    )


def _sentence(draft: Draft, row: GateRow) -> Text:
    sentence = gate_sentence(draft, row)
    if row.estimate.value is None and row.reason:
        return draft.say.sentences([sentence, row.reason])
    return sentence
