"""Results of a SARIF log: gates that did not pass, then findings of analyzers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditbench.findings import Finding
from auditbench.results import AnalysisResult
from auditbench.safe_text import safe_text
from auditbench_html.view.outline import GateLine, Outline
from auditbench_html.view.text import EMPTY
from auditbench_sarif.message import to_message
from auditbench_sarif.rules import SEVERITIES, Level, Rule, analysis_rule, finding_rule, gate_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One thing to look at.

    Attributes:
        metrics: Full names of the metrics it rests on.
        fingerprint: The same for the same rule and labels in every run.
        waiver: Who waived it until when and why; empty without a waiver that holds.
    """

    rule: Rule
    level: Level
    message: str
    metrics: tuple[str, ...]
    fingerprint: str
    properties: Mapping[str, str | float | None]
    waiver: str = ""


def find_results(told: Outline) -> tuple[Result, ...]:
    """All results: gates in the order of the config, what is missing and findings in the order of the analyzers."""
    open_gates = [_gate(told, line) for line in told.gates if line.row.tone != "pass"]
    missing = [_missing(told, result) for result in told.run.results if result.is_missing]
    return (*open_gates, *missing, *_findings(told))


def _gate(told: Outline, line: GateLine) -> Result:
    row, decision = line.row, line.decision
    level: Level = "error" if decision.stops_release else "note" if decision.state == "not_run" else "warning"
    rule = gate_rule(told, line)
    return Result(
        rule=rule,
        level=level,
        message=_joined(told, line),
        metrics=(safe_text(decision.metric),),
        fingerprint=_fingerprint(rule.id, decision.where),
        properties={
            "state": decision.state,
            "stopsRelease": "yes" if decision.stops_release else "no",
            "labels": to_message(told.say.labels(decision.where)),
            "value": decision.value,
            "low": decision.low,
            "high": decision.high,
        },
        waiver=to_message(row.waiver) if decision.waiver_holds else "",
    )


def _joined(told: Outline, line: GateLine) -> str:
    """The gate's sentence, and what to do."""
    action = next((found.action for found in told.findings if line.row.gate in found.gates and found.action), None)
    return to_message(told.say.sentences([line.sentence, action or EMPTY]))


def _missing(told: Outline, result: AnalysisResult) -> Result:
    """A required analyzer without a result, and why."""
    say, rule = told.say, analysis_rule(told, result)
    status, title = say.say(f"status.{result.status}"), told.draft.analyzer_title(result.analyzer)
    reason = say.tell(result.reason) if result.reason else EMPTY
    return Result(
        rule=rule,
        level="error",
        message=to_message(say.say("sarif.missing", analyzer=title, status=status, reason=reason)),
        metrics=(safe_text(result.analyzer),),
        fingerprint=_fingerprint(rule.id, {}),
        properties={"status": result.status},
    )


def _findings(told: Outline) -> Iterator[Result]:
    for result in told.run.results:
        for finding in result.findings:
            yield _finding(told, result, finding)


def _finding(told: Outline, result: AnalysisResult, finding: Finding) -> Result:
    rule = finding_rule(told, finding, result.topic)
    title = told.say.tell(finding.title)
    message = title + told.say.say("sarif.action", action=told.say.tell(finding.action)) if finding.action else title
    return Result(
        rule=rule,
        level=SEVERITIES[finding.severity],
        message=to_message(message) or rule.id,
        metrics=tuple(safe_text(name) for name in finding.metrics) or (safe_text(result.analyzer),),
        fingerprint=_fingerprint(finding.rule, finding.where),
        properties={"severity": finding.severity, "labels": to_message(told.say.labels(finding.where))},
    )


def _fingerprint(rule: str, where: Mapping[str, str]) -> str:
    named = json.dumps([rule, sorted(where.items())])
    return hashlib.sha256(named.encode("utf-8")).hexdigest()
