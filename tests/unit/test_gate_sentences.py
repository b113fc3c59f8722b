"""A gate in one sentence, and the gates of a run as an assertion."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from auditbench.findings import GateDecision, Message, Verdict
from auditbench.gate_sentences import (
    STATES,
    VERDICTS,
    analysis_sentence,
    catalogue_of,
    gate_limit,
    gate_sentence,
    gate_title,
    worst_first,
)
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench.testing import assert_gates
from tests.finished_run import FAILED, NO_VALUE, PASSED, a_run

TITLES = {"en": {"fairness.demographic_parity_ratio": "Parity"}, "zh-CN": {"performance.accuracy": "准确率"}}
BASELINE = dataclasses.replace(
    FAILED, metric="performance.accuracy", where={}, minimum=None, max_drop=0.01, gain=-0.02, unit="s"
)


def english(**changes: Any) -> AuditRun:
    return a_run(config={}, messages=TITLES, **changes)


def said(decision: GateDecision, **changes: Any) -> str:
    return gate_sentence(catalogue_of(english()), dataclasses.replace(decision, **changes))


def test_a_sentence_has_the_value_its_interval_and_the_limit() -> None:
    assert said(FAILED) == "Parity by sex is 0.3142 (0.28 to 0.34), outside its limit of at least 0.8."
    assert said(FAILED, state="pass") == "Parity by sex is 0.3142 (0.28 to 0.34), inside its limit of at least 0.8."
    assert said(FAILED, state="inconclusive").endswith("; the interval crosses its limit of at least 0.8.")
    assert said(FAILED, low=None, high=None) == "Parity by sex is 0.3142, outside its limit of at least 0.8."


def test_a_sentence_of_a_change_has_the_gain() -> None:
    assert said(BASELINE) == (
        "performance.accuracy is 0.3142 s (0.28 to 0.34), with a gain since the baseline of −0.02 s, "
        "outside its limit of a drop of at most 0.01 s."
    )
    assert "gain since the baseline of −0.02 s (−0.03 to −0.01)" in said(BASELINE, gain_low=-0.03, gain_high=-0.01)


def test_what_has_no_value_says_why() -> None:
    reason = Message(key="core.no_baseline")
    text = said(FAILED, state="error", value=None, reason=reason)
    assert text.startswith("Parity by sex has no value to hold against its limit of at least 0.8. It limits the change")
    text = said(FAILED, state="not_run", reason=reason)
    assert text.startswith(
        "Parity by sex is 0.3142 (0.28 to 0.34), and its limit of at least 0.8 could not be decided."
    )
    assert said(NO_VALUE, reason=None).endswith("its limit of at most 0.1.")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"minimum": 0.1}, "at least 0.1"),
        ({"minimum": None, "maximum": 12345}, "at most 12,345"),
        ({"minimum": 100000.0, "unit": "parameters"}, "at least 100,000 parameters"),
        ({"minimum": 1e16}, "at least 1e+16"),
        ({"minimum": -1.5, "maximum": 2}, "−1.5 to 2"),
        ({"minimum": None, "min_gain": 0.2}, "a gain of at least 0.2"),
        ({"minimum": 0.5, "max_drop": 0.1, "min_gain": 0.2}, "at least 0.5 and a drop of at most 0.1 and a gain of at least 0.2"),
        ({"minimum": None}, ""),
    ],
)  # fmt: skip
def test_limits(limits: dict[str, Any], words: str) -> None:
    assert gate_limit(catalogue_of(english()), dataclasses.replace(FAILED, **limits)) == words


def test_labels_tell_metrics_apart() -> None:
    say = catalogue_of(english())
    where = {"feature": "sex", "group": "a\x1b[1m"}
    assert gate_title(say, dataclasses.replace(FAILED, where=where)) == "Parity (feature = sex, group = a⟨U+001B⟩[1m)"
    assert gate_title(say, dataclasses.replace(FAILED, where={})) == "Parity"


def test_the_language_is_that_of_the_report_and_english_fills_in() -> None:
    say = catalogue_of(a_run(messages=TITLES))
    assert say.language == "zh-CN"
    assert gate_title(say, BASELINE) == "准确率"
    assert gate_title(say, FAILED) == "按 sex 分组的Parity"
    assert catalogue_of(a_run(config={"report": {"language": "xx"}})).language == "en"
    assert catalogue_of(a_run(config={"report": 3})).language == "en"


def test_gates_come_worst_first() -> None:
    warned = dataclasses.replace(FAILED, id="warned", blocking=False)
    run = english(gates=(PASSED, warned, dataclasses.replace(NO_VALUE, blocking=True), FAILED))
    assert [gate.id for gate in worst_first(run.gates)] == ["parity", "gap", "warned", "acc"]


def test_no_sentence_is_longer_than_a_line_may_be() -> None:
    reason = Message(key="toy.reason", values={"who": "x" * 9999})
    run = a_run(config={})
    text = gate_sentence(catalogue_of(run), dataclasses.replace(NO_VALUE, reason=reason))
    assert len(text) == 4096
    lost = AnalysisResult(analyzer="a" * 300, topic="t", status="failed", reason=reason)
    assert len(analysis_sentence(catalogue_of(run), lost)) == 4096


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_both_languages_have_words_for_all(language: str) -> None:
    catalogue = load_messages("auditbench")[language]
    assert {*VERDICTS.values(), *STATES.values()} <= set(catalogue)
    names = {
        key for key in load_messages("auditbench")["en"] if key.startswith(("core.gate_", "core.card_", "core.test_"))
    }
    assert names <= set(catalogue)


def test_a_run_whose_gates_pass_is_asserted() -> None:
    assert_gates(english(gates=(PASSED,), results=(), exit_code=0, verdict="ready_for_review"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"gates": (PASSED, NO_VALUE, FAILED), "results": ()},
            "Not ready for release: Loan Model 2 (exit code 1)\n"
            "Fail, gate parity: Parity by sex is 0.3142 (0.28 to 0.34), outside its limit of at least 0.8.",
            id="a-gate-fails",
        ),
        pytest.param(
            {"gates": (dataclasses.replace(FAILED, explanation="The old rule\x1b has {0.8}."),), "results": ()},
            "Not ready for release: Loan Model 2 (exit code 1)\n"
            "Fail, gate parity: Parity by sex is 0.3142 (0.28 to 0.34), outside its limit of at least 0.8.\n"
            "Why this limit: The old rule⟨U+001B⟩ has {0.8}.",
            id="a-gate-says-why",
        ),
        pytest.param(
            {"gates": (PASSED,), "exit_code": 3, "verdict": "evidence_incomplete"},
            "Evidence incomplete: Loan Model 2 (exit code 3)\n"
            "shap: failed. toy.reason\n"
            "lime: not applicable. It needs sensitive features, and the config names none in data.sensitive.",
            id="a-result-is-missing",
        ),
        pytest.param(
            {"gates": (), "results": (), "exit_code": 0, "verdict": "no_gates"},
            "No gates set: Loan Model 2 (exit code 0)\nLoan Model 2 has no gates, so that nothing was decided.",
            id="no-gates",
        ),
    ],
)
def test_a_run_that_may_not_be_relied_on_fails_in_words(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError) as raised:
        assert_gates(english(**changes))
    assert str(raised.value) == message


@pytest.mark.parametrize("verdict", VERDICTS)
def test_no_exit_code_but_0_is_asserted(verdict: Verdict) -> None:
    for code in (1, 2, 3, 4, 5, 130):
        with pytest.raises(AssertionError):
            assert_gates(english(gates=(PASSED,), results=(), exit_code=code, verdict=verdict))
