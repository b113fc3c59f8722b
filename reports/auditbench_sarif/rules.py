"""Rules of a SARIF log: `gate/ID` for a gate, `analysis/NAME` for a required analyzer, its own id for a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from auditbench.findings import Finding
from auditbench.results import AnalysisResult
from auditbench.safe_text import safe_text
from auditbench_html.view.outline import GateLine, Outline
from auditbench_sarif.message import to_message

Level: TypeAlias = Literal["error", "warning", "note"]
SEVERITIES: dict[str, Level] = {"high": "warning", "medium": "warning", "low": "note", "info": "note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is checked.

    Attributes:
        level: Of its results, where they do not say otherwise.
    """

    id: str
    title: str
    help: str
    level: Level
    tags: tuple[str, ...]


def gate_rule(told: Outline, line: GateLine) -> Rule:
    """The rule of a gate: its limit, and what the metric is."""
    say, row = told.say, line.row
    title = say.say("sarif.gate", title=row.title, limit=row.limit)
    return Rule(
        id=f"gate/{safe_text(row.gate)}",
        title=to_message(title),
        help=to_message(say.sentences([row.help, row.explanation])) or to_message(title),
        level="error" if row.blocking else "warning",
        tags=_tags(row.topic, "gate"),
    )


def finding_rule(told: Outline, finding: Finding, topic: str) -> Rule:
    """The rule of a finding; what it says in general is not known, so it goes by its id."""
    say, name = told.say, safe_text(finding.rule)
    titled = say.first((f"{finding.rule}.rule",)) or say.say("sarif.finding", rule=finding.rule)
    return Rule(
        id=name,
        title=to_message(titled),
        help=to_message(titled),
        level=SEVERITIES[finding.severity],
        tags=_tags(topic, "finding"),
    )


def analysis_rule(told: Outline, result: AnalysisResult) -> Rule:
    """The rule that a required analyzer has a result."""
    title = told.say.say("sarif.analysis", analyzer=told.draft.analyzer_title(result.analyzer))
    return Rule(
        id=f"analysis/{safe_text(result.analyzer)}",
        title=to_message(title),
        help=to_message(title),
        level="error",
        tags=_tags(result.topic, "analysis"),
    )


def _tags(topic: str, kind: str) -> tuple[str, ...]:
    return (kind, safe_text(topic)) if topic and topic != kind else (kind,)
