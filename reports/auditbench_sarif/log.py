"""A run as a SARIF log: a rule for each gate and each kind of finding, a result for what asks for attention.

Nothing here lies in a source file, and none is invented: a result is located in the record of the run, `run.json`, and
logically at the metric that it rests on. Section numbers below are those of the SARIF 2.1.0 standard of OASIS.
"""

from __future__ import annotations

import json
import re
from typing import Any

from auditbench.messages import LANGUAGES
from auditbench.moments import utc_moment
from auditbench.run import AuditRun
from auditbench.safe_text import safe_text
from auditbench_html.view.outline import Outline, outline
from auditbench_sarif.message import to_message
from auditbench_sarif.results import Result, find_results
from auditbench_sarif.rules import Rule, gate_rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RECORD = "run.json"


def render_sarif(run: AuditRun, *, language: str = "en") -> bytes:
    """The SARIF log of a run; the same run gives the same bytes."""
    told = outline(run, "auditbench_sarif", language)
    found = find_results(told)
    checked = [*(gate_rule(told, line) for line in told.gates), *(result.rule for result in found)]
    rules = tuple({rule.id: rule for rule in checked}.values())
    places = {rule.id: index for index, rule in enumerate(rules)}
    record: dict[str, Any] = {
        "tool": {"driver": _driver(told, rules)},
        "language": language if language in LANGUAGES else "en",
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": RECORD}, "mimeType": "application/json", "roles": ["analysisTarget"]}],
        "invocations": [_invocation(told)],
        "automationDetails": {"id": f"auditbench/{_name(run)}/"},
        "results": [_result(result, places[result.rule.id]) for result in found],
        "properties": {"verdict": run.verdict, "modelDigest": safe_text(run.model.digest)},
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [record]}
    return (json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode("utf-8")


def _driver(told: Outline, rules: tuple[Rule, ...]) -> dict[str, Any]:
    """The tool and its rules, § 3.19."""
    driver: dict[str, Any] = {"name": "Auditbench"}
    if told.version:
        driver |= {"fullName": f"Auditbench {told.version}", "version": told.version}
    return {**driver, "rules": [_rule(rule) for rule in rules]}


def _rule(rule: Rule) -> dict[str, Any]:
    """A reporting descriptor, § 3.49."""
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": list(rule.tags)},
    }


def _result(result: Result, index: int) -> dict[str, Any]:
    """A result, § 3.27, with a fingerprint that stays as long as rule and labels do."""
    place = {"artifactLocation": {"uri": RECORD, "index": 0}}
    written: dict[str, Any] = {
        "ruleId": result.rule.id,
        "ruleIndex": index,
        "level": result.level,
        "message": {"text": result.message},
        "locations": [{"physicalLocation": place, "logicalLocations": [_place(name) for name in result.metrics]}],
        "partialFingerprints": {"auditbench/v1": result.fingerprint},
        "properties": dict(result.properties),
    }
    if result.waiver:
        written["suppressions"] = [{"kind": "external", "status": "accepted", "justification": result.waiver}]
    return written


def _place(metric: str) -> dict[str, str]:
    """A logical location, § 3.33: the metric within its analyzer."""
    return {"name": metric.rpartition(".")[2] or metric, "fullyQualifiedName": metric, "kind": "metric"}


def _invocation(told: Outline) -> dict[str, Any]:
    """How the audit ran, § 3.20: analyses without a result are notifications."""
    run, volatile = told.run, told.run.volatile
    invocation: dict[str, Any] = {
        "executionSuccessful": run.status == "complete" and run.exit_code in (0, 1),
        "exitCode": run.exit_code,
        "toolExecutionNotifications": [
            {
                "level": "error" if result.is_missing else "note",
                "message": {"text": to_message(told.say.tell(result.reason))},
                "descriptor": {"id": f"analysis/{safe_text(result.analyzer)}"},
                "properties": {"status": result.status},
            }
            for result in run.results
            if result.reason is not None
        ],
    }
    for key, stamp in (("startTimeUtc", volatile.started), ("endTimeUtc", volatile.finished)):
        if moment := utc_moment(stamp):
            invocation[key] = f"{moment}Z"
    return invocation


def _name(run: AuditRun) -> str:
    """Name of the audit within an id that slashes divide."""
    return re.sub(r"[^\w.-]+", "-", safe_text(run.audit.name or run.model.name)).strip("-") or "model"
