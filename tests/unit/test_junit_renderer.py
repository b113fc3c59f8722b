from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench_html.view.outline import one_line, outline
from auditbench_junit.document import render_junit
from tests.format_runs import HOSTILE, RUNS, every_run, many_gates, nothing_finished
from tests.hostile_run import LANGUAGES, hostile_run
from tests.hostile_texts import harmless
from tests.html_fixture import gate, income_run

SCHEMA = Path(__file__).parents[1] / "schemas" / "junit.xsd"


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(SCHEMA))


def document(run: AuditRun, language: str = "en") -> ET.Element:
    return tree(render_junit(run, language=language))


def tree(written: bytes) -> ET.Element:
    return ET.fromstring(written)  # noqa: S314 - our own file


def cases(root: ET.Element, *, audit: bool = False) -> Iterator[ET.Element]:
    for suite in root.iter("testsuite"):
        if (suite.get("name") == "audit") == audit:
            yield from suite.iter("testcase")


def outcome(case: ET.Element) -> str:
    return case[0].tag if len(case) else "passed"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_every_run_is_valid_and_says_the_same_twice(run: AuditRun, language: str, schema: xmlschema.XMLSchema) -> None:
    written = render_junit(run, language=language)
    schema.validate(tree(written))
    assert written == render_junit(run, language=language)
    assert b"junit." not in written


@pytest.mark.parametrize("run", every_run(), ids=RUNS)
def test_red_exactly_where_the_exit_code_is(run: AuditRun) -> None:
    root = document(run)
    red = [case for case in root.iter("testcase") if outcome(case) in ("failure", "error")]
    assert bool(red) == (run.exit_code != 0)
    assert [case.get("name") for case in cases(root)] == [line.id for topic in _topics(run) for line in topic]
    for element in (root, *root.iter("testsuite")):
        members = list(element.iter("testcase"))
        assert int(element.get("tests", "")) == len(members)
        assert int(element.get("failures", "")) == sum(outcome(case) == "failure" for case in members)
        assert int(element.get("errors", "")) == sum(outcome(case) == "error" for case in members)


def test_each_state_of_a_gate_shows_as_ci_should_see_it() -> None:
    found = {case.get("name"): outcome(case) for case in cases(document(income_run()))}
    assert found == {
        "auc": "passed",
        "recall": "failure",  # inconclusive and blocking
        "calibration": "skipped",  # fails, advisory and waived
        "shap-additivity": "passed",
        "parity-sex": "failure",
        "opportunity-sex": "skipped",  # inconclusive, advisory
        "parity-race": "error",
        "latency": "passed",
        "validity": "skipped",  # not run, advisory
    }


def test_the_message_is_the_sentence_of_the_gate() -> None:
    run = income_run()
    sentences = {line.row.gate: one_line(line.sentence) for line in outline(run, "auditbench_junit", "en").gates}
    for case in cases(document(run)):
        if outcome(case) in ("failure", "error"):
            assert case[0].get("message") == sentences[case.get("name", "")]
        if outcome(case) == "skipped":
            assert case[0].get("message", "").endswith(sentences[case.get("name", "")])
    waived = next(case for case in cases(document(run)) if case.get("name") == "calibration")
    assert waived[0].get("message", "").startswith("Fail (Waived until 2027-01-31). ")
    assert "Waived by A. Reviewer: accepted for the pilot" in (waived[0].text or "")


def test_an_inconclusive_gate_that_only_warns_is_no_failure() -> None:
    decision = gate(
        "g", "performance.auc", "inconclusive", topic="performance", minimum=0.9, value=0.9071, low=0.89, high=0.91
    )
    for warns, expected in (("fail", "failure"), ("warn", "skipped")):
        run = dataclasses.replace(income_run(), gates=(dataclasses.replace(decision, on_inconclusive=warns),))
        assert [outcome(case) for case in cases(document(run))] == [expected]


def test_an_audit_of_nothing_is_red_without_any_gate() -> None:
    root = document(nothing_finished())
    found = {case.get("name"): outcome(case) for case in cases(root, audit=True)}
    assert found == {"run": "error", "shap": "error", "lime": "skipped"}
    assert "Exit code 4: nothing was evaluated." in ET.tostring(root, encoding="unicode")


def test_an_interrupted_audit_is_red() -> None:
    run = dataclasses.replace(many_gates(0), status="interrupted", exit_code=130)
    assert next(outcome(case) for case in cases(document(run), audit=True)) == "error"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str, schema: xmlschema.XMLSchema) -> None:
    root = document(hostile_run(text))
    schema.validate(root)
    assert shape(root) == shape(document(hostile_run(harmless(text))))
    for element in root.iter():
        for value in (*element.attrib.values(), *(element.text or "").strip().split("\n")):
            assert safe_text(value, LONGEST_TEXT) == value
    assert safe_text(text) in [case.get("name") for case in root.iter("testcase")]


def shape(root: ET.Element) -> list[tuple[str, ...]]:
    """Each element: its name and those of its attributes, and how many lines of text it has."""
    return [(element.tag, *element.attrib, str((element.text or "").count("\n"))) for element in root.iter()]


def _topics(run: AuditRun) -> list[list[object]]:
    topics = dict.fromkeys(decision.topic for decision in run.gates)
    return [[decision for decision in run.gates if decision.topic == topic] for topic in topics]
