from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from auditbench.run import AuditRun
from auditbench.safe_text import safe_text
from auditbench_html.view.outline import one_line, outline
from auditbench_html.view.text import words
from auditbench_sarif.log import render_sarif
from auditbench_sarif.message import to_message
from tests.format_runs import HOSTILE, RUNS, every_run, many_gates, nothing_finished
from tests.hostile_run import LANGUAGES, hostile_run
from tests.hostile_texts import harmless
from tests.html_fixture import income_run

SCHEMA = Path(__file__).parents[1] / "schemas" / "sarif-2.1.0.json"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def log(run: AuditRun, language: str = "en") -> dict[str, Any]:
    (found,) = json.loads(render_sarif(run, language=language))["runs"]
    return dict(found)


def messages(document: Any) -> Iterator[str]:
    """The text of every message of a log, in which SARIF reads links and placeholders."""
    if isinstance(document, dict):
        yield from (value for key, value in document.items() if key == "text")
    for part in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from messages(part)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_every_run_is_valid_and_says_the_same_twice(run: AuditRun, language: str, validator: Draft7Validator) -> None:
    written = render_sarif(run, language=language)
    validator.validate(json.loads(written))
    assert written == render_sarif(run, language=language)
    assert b"sarif." not in written.replace(b"sarif/v2.1.0", b"").replace(b"sarif-schema", b"")


def test_the_schema_refuses_what_is_no_sarif(validator: Draft7Validator) -> None:
    document = json.loads(render_sarif(income_run()))
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator.is_valid(document)


@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_a_result_for_each_gate_that_did_not_pass_and_each_finding(run: AuditRun) -> None:
    found = log(run)
    rules = found["tool"]["driver"]["rules"]
    ids = [rule["id"] for rule in rules]
    assert len(ids) == len(set(ids))
    assert {f"gate/{decision.id}" for decision in run.gates} <= set(ids)
    expected = [f"gate/{decision.id}" for decision in run.gates if decision.state != "pass"]
    expected += [f"analysis/{result.analyzer}" for result in run.results if result.is_missing]
    expected += [finding.rule for result in run.results for finding in result.findings]
    assert [result["ruleId"] for result in found["results"]] == expected
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in found["results"])
    prints = [result["partialFingerprints"]["auditbench/v1"] for result in found["results"]]
    assert len(set(prints)) == len(prints)


def test_levels_follow_what_stops_a_release() -> None:
    levels = {result["ruleId"]: result["level"] for result in log(income_run())["results"]}
    assert levels == {
        "gate/recall": "error",
        "gate/calibration": "warning",
        "gate/parity-sex": "error",
        "gate/opportunity-sex": "warning",
        "gate/parity-race": "error",
        "gate/validity": "note",
        "analysis/counterfactual": "error",
        "analysis/lrp": "error",
        "fairness.ratio": "warning",
    }


def test_a_result_tells_the_sentence_and_its_number() -> None:
    run = income_run()
    told = outline(run, "auditbench_sarif", "en")
    results = {result["ruleId"]: result for result in log(run)["results"]}
    for line in told.gates:
        if line.decision.state != "pass":
            result = results[f"gate/{line.row.gate}"]
            assert result["message"]["text"].startswith(one_line(line.sentence))
            assert result["properties"]["value"] == line.decision.value
    assert (
        results["gate/calibration"]["suppressions"][0]["justification"]
        == "Waived by A. Reviewer: accepted for the pilot"
    )
    assert "suppressions" not in results["gate/parity-sex"]


def test_no_place_in_a_file_is_invented() -> None:
    run = income_run()
    found = log(run)
    assert [artifact["location"]["uri"] for artifact in found["artifacts"]] == ["run.json"]
    for result in found["results"]:
        (location,) = result["locations"]
        assert location["physicalLocation"] == {"artifactLocation": {"uri": "run.json", "index": 0}}
        assert all(place["kind"] == "metric" for place in location["logicalLocations"])
    names = {
        place["fullyQualifiedName"]
        for result in found["results"]
        for place in result["locations"][0]["logicalLocations"]
    }
    assert {"performance.recall", "fairness.demographic_parity_ratio"} <= names


def test_rules_and_fingerprints_stay_when_values_change() -> None:
    run = income_run()
    other = dataclasses.replace(
        run, gates=tuple(dataclasses.replace(gate, value=0.5, low=0.4, high=0.6) for gate in run.gates)
    )
    first, second = (
        {result["ruleId"]: result["partialFingerprints"] for result in log(item)["results"]} for item in (run, other)
    )
    assert first == second


def test_an_audit_that_failed_says_so() -> None:
    invocation = log(income_run())["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    assert {note["descriptor"]["id"]: note["level"] for note in invocation["toolExecutionNotifications"]} == {
        "analysis/counterfactual": "error",
        "analysis/drift": "note",
        "analysis/lrp": "error",
    }
    assert log(many_gates(1))["invocations"][0]["executionSuccessful"] is True


def test_missing_evidence_is_a_result_without_any_gate() -> None:
    found = log(nothing_finished())
    (result,) = found["results"]
    assert (result["ruleId"], result["level"]) == ("analysis/shap", "error")
    assert result["message"]["text"] == "SHAP, failed: RuntimeError: no room"
    assert [rule["shortDescription"]["text"] for rule in found["tool"]["driver"]["rules"]] == ["SHAP has a result"]


def test_a_log_names_the_language_that_it_is_in() -> None:
    assert log(many_gates(1), "zh-CN")["language"] == "zh-CN"
    assert {**log(many_gates(1), "tlh"), "language": ""} == {**log(many_gates(1)), "language": ""}
    assert log(many_gates(1), "tlh")["language"] == "en"


def test_a_renewed_waiver_is_justified_by_who_renewed_it() -> None:
    run = income_run()
    ended = dataclasses.replace(run.waivers[0], until="2026-01-31", by="B. Before", reason="accepted last year")
    renewed = dataclasses.replace(run, waivers=(ended, *run.waivers))
    results = {result["ruleId"]: result for result in log(renewed)["results"]}
    told = results["gate/calibration"]["suppressions"][0]["justification"]
    assert told == "Waived by A. Reviewer: accepted for the pilot"


def test_a_message_has_no_link_and_no_placeholder() -> None:
    text = to_message(words("[here](https://evil.example) and {0}, but {name} and f(x)"))
    assert text == "[here]\u2060(https://evil.example) and {\u20600}, but {name} and f(x)"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str, validator: Draft7Validator) -> None:
    written = render_sarif(hostile_run(text)).decode("utf-8")
    document = json.loads(written)
    validator.validate(document)
    assert shape(document) == shape(json.loads(render_sarif(hostile_run(harmless(text)))))
    assert not [message for message in messages(document) if re.search(r"\]\(|\{\d+\}", message)]
    assert all(safe_text(line, len(line) + 1) == line for line in written.replace("\u2060", "").split("\n"))
    assert f"gate/{safe_text(text)}//0" in {rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]}


def shape(document: Any) -> Any:
    """A document with the text of each string left out."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    return [shape(value) for value in document] if isinstance(document, list) else type(document)
