"""A run as JUnit XML: a suite a topic with a test case a gate, and a suite for the audit itself.

A case is red exactly where the command's exit code is: a gate that stops the release is a failure, or an error where it
has no value. What did not pass and stops nothing (advisory, waived, not run) is skipped, with its sentence, so that the
tab shows it and the pipeline does not turn red. The suite of the audit itself holds what no gate tells: analyses without
a result, and whether the audit came to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from xml.etree import ElementTree as ET

from auditbench.errors import ExitCode
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench.safe_text import safe_text
from auditbench_html.view.outline import GateLine, Outline, one_line, outline
from auditbench_html.view.text import EMPTY

Outcome: TypeAlias = Literal["passed", "failure", "error", "skipped"]
AUDIT = "audit"
NO_TOPIC = "other"
_DECIDED = (ExitCode.PASSED, ExitCode.GATE_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case.

    Attributes:
        name: Stable from run to run: the id of a gate, the name of an analyzer.
        kind: State of the gate or of the analysis.
        message: In one line; empty for what passed.
        details: Further lines.
    """

    name: str
    suite: str
    outcome: Outcome
    kind: str = ""
    message: str = ""
    details: tuple[str, ...] = ()


def render_junit(run: AuditRun, *, language: str = "en") -> bytes:
    """JUnit XML of a run; the same run gives the same bytes."""
    told = outline(run, "auditbench_junit", language)
    cases = [*_audit(told), *(_gate(told, line) for line in told.gates)]
    suites = dict.fromkeys(case.suite for case in cases)
    title = one_line(told.say.say("junit.title", model=told.model))
    root = ET.Element("testsuites", {"name": title, **_counts(cases)})
    for name in suites:
        members = [case for case in cases if case.suite == name]
        attributes = {"name": name, **_counts(members), "skipped": _count(members, "skipped")}
        if run.volatile.ended:
            attributes["timestamp"] = run.volatile.ended
        suite = ET.SubElement(root, "testsuite", attributes)
        for case in members:
            _add(suite, case)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _gate(told: Outline, line: GateLine) -> Case:
    row, decision = line.row, line.decision
    suite = safe_text(row.topic) or NO_TOPIC
    if decision.state == "pass":
        return Case(name=safe_text(row.gate), suite=suite, outcome="passed")
    without = decision.state in ("error", "not_run")
    outcome: Outcome = "skipped" if not decision.stops_release else "error" if without else "failure"
    sentence = one_line(line.sentence)
    return Case(
        name=safe_text(row.gate),
        suite=suite,
        outcome=outcome,
        kind=decision.state,
        message=sentence if outcome != "skipped" else f"{_state(told, line)} {sentence}",
        details=_details(told, line),
    )


def _state(told: Outline, line: GateLine) -> str:
    """Why a gate that did not pass stops nothing."""
    row = line.row
    waived = line.decision.waiver_holds and row.waiver_chip is not None
    kind = row.waiver_chip.label if waived and row.waiver_chip else row.kind
    return one_line(told.say.say("junit.state", state=told.say.say(f"state_label.{line.decision.state}"), kind=kind))


def _details(told: Outline, line: GateLine) -> tuple[str, ...]:
    """The metric, its limit and why it is there, a waiver, and what to do."""
    say, row = told.say, line.row
    details = [
        say.say("junit.metric", metric=line.decision.metric, title=row.title),
        say.say("junit.limit", limit=row.limit),
        row.explanation,
        row.waiver,
    ]
    details += [say.say("junit.do", action=found.action) for found in told.findings if row.gate in found.gates][:1]
    return tuple(one_line(text) for text in details if text)


def _audit(told: Outline) -> list[Case]:
    """The audit itself and its analyses; red where a required one has no result, or the audit did not decide."""
    run, say = told.run, told.say
    code = say.say("junit.exit", code=run.exit_code, meaning=say.first((f"exit.{run.exit_code}",)) or EMPTY)
    decided = run.status == "complete" and run.exit_code in _DECIDED
    whole = Case(
        name="run",
        suite=AUDIT,
        outcome="passed" if decided else "error",
        kind=run.status if run.status != "complete" else run.verdict,
        message="" if decided else one_line(code),
        details=tuple(one_line(text) for text in (told.screen.verdict, told.screen.reason) if text),
    )
    return [whole, *(_analysis(told, result) for result in run.results)]


def _analysis(told: Outline, result: AnalysisResult) -> Case:
    name = safe_text(result.analyzer)
    if result.reason is None:
        return Case(name=name, suite=AUDIT, outcome="passed")
    status = told.say.say(f"status.{result.status}")
    title = told.draft.analyzer_title(result.analyzer)
    text = told.say.say("junit.analysis", analyzer=title, status=status, reason=told.say.tell(result.reason))
    return Case(
        name=name,
        suite=AUDIT,
        outcome="error" if result.is_missing else "skipped",
        kind=result.status,
        message=one_line(text),
    )


def _add(suite: ET.Element, case: Case) -> None:
    element = ET.SubElement(suite, "testcase", {"name": case.name, "classname": f"auditbench.{case.suite}"})
    if case.outcome == "passed":
        return
    attributes = {"message": case.message}
    if case.outcome != "skipped":
        attributes["type"] = case.kind
    child = ET.SubElement(element, case.outcome, attributes)
    child.text = "\n".join((case.message, *case.details))


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": _count(cases, "failure"),
        "errors": _count(cases, "error"),
    }


def _count(cases: Sequence[Case], outcome: Outcome) -> str:
    return str(sum(case.outcome == outcome for case in cases))
