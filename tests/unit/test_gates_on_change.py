"""Gates on the change since the baseline: where the interval lies decides, and what cannot be said never passes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from auditbench.cli.words import limit
from auditbench.comparison import Comparison, MetricChange, compare
from auditbench.comparison.record import BaselineFacts
from auditbench.config import GateTable
from auditbench.findings import Finding, GateDecision, Message
from auditbench.gates import decide
from auditbench.results import AnalysisResult, Interval, Metric
from tests.finished_run import a_run

TODAY = datetime.date(2026, 5, 1)
WHERE = {"group": "a"}


def change(difference: float | None, half: float | None = None, **fields: Any) -> MetricChange:
    known: dict[str, Any] = {
        "metric": "toy.score",
        "where": WHERE,
        "higher_is_better": True,
        "difference": difference,
        "verdict": "within_noise",
    }
    if difference is not None and half is not None:
        known["interval"] = Interval(low=difference - half, high=difference + half, method="difference-paired")
    return MetricChange(**{**known, **fields})


def comparison(*changes: MetricChange) -> Comparison:
    facts = BaselineFacts(name="b", model="m", model_digest="d", rows=9, verdict="no_gates", exit_code=0)
    return Comparison(
        baseline=facts, rows=9, pairs=9, baseline_only=0, candidate_only=0, paired=True, tested=1, metrics=changes
    )


def decided(known: Comparison | None, *, value: float | None = 0.5, **fields: Any) -> GateDecision:
    reason = Message(key="toy.why") if value is None else None
    metric = Metric(
        name="score", value=value, n=9, where=WHERE, no_interval="exact", reason=reason, higher_is_better=True
    )
    result = AnalysisResult(analyzer="toy", topic="probe", metrics=(metric,))
    gate = GateTable(metric="toy.score", **fields)
    (decision,) = decide((gate,), (result,), today=TODAY, comparison=known)
    return decision


@pytest.mark.parametrize(
    ("limits", "difference", "half", "state"),
    [
        pytest.param({"max_drop": 0.02}, 0.0, 0.01, "pass", id="no-drop"),
        pytest.param({"max_drop": 0.02}, -0.01, 0.01, "pass", id="drop-up-to-the-limit"),
        pytest.param({"max_drop": 0.02}, -0.015, 0.01, "inconclusive", id="drop-crosses"),
        pytest.param({"max_drop": 0.02}, -0.05, 0.01, "fail", id="drop-beyond"),
        pytest.param({"max_drop": 0.02}, 0.5, 0.01, "pass", id="gain-is-no-drop"),
        pytest.param({"max_drop": 0.0}, 0.0, 0.01, "inconclusive", id="no-drop-at-all-is-hard-to-show"),
        pytest.param({"min_gain": 0.02}, 0.05, 0.01, "pass", id="gain"),
        pytest.param({"min_gain": 0.02}, 0.025, 0.01, "inconclusive", id="gain-crosses"),
        pytest.param({"min_gain": 0.02}, 0.0, 0.01, "fail", id="no-gain"),
        pytest.param({"max_drop": 0.02, "decide": "estimate"}, -0.015, 0.01, "pass", id="by-estimate"),
        pytest.param({"max_drop": 0.02, "decide": "estimate"}, -0.025, 0.01, "fail", id="by-estimate-beyond"),
    ],
)
@pytest.mark.parametrize("higher", [True, False])
def test_the_interval_of_the_difference_decides(
    limits: dict[str, Any], difference: float, half: float, state: str, higher: bool
) -> None:
    sign = 1.0 if higher else -1.0
    decision = decided(comparison(change(sign * difference, half, higher_is_better=higher)), **limits)
    assert decision.state == state
    assert decision.gain == pytest.approx(difference)
    assert (decision.gain_low, decision.gain_high) == pytest.approx((difference - half, difference + half))
    assert (decision.max_drop, decision.min_gain) == (limits.get("max_drop"), limits.get("min_gain"))
    assert decision.stops_release == (state != "pass")


@pytest.mark.parametrize(
    ("before", "after", "limits", "state"),
    [
        pytest.param(0.86, 0.85, {"max_drop": 0.01}, "pass", id="drop-rounded-up"),
        pytest.param(0.9, 0.8, {"max_drop": 0.1}, "pass", id="drop-rounded-down"),
        pytest.param(0.8, 0.9, {"min_gain": 0.1}, "pass", id="gain-rounded-down"),
        pytest.param(860.0, 850.0 - 1e-8, {"max_drop": 10.0}, "fail", id="more-than-rounding"),
        pytest.param(0.86, 0.85, {"max_drop": 0.01 - 1e-9}, "fail", id="a-smaller-limit"),
    ],
)
def test_rounding_does_not_decide_at_the_limit(
    before: float, after: float, limits: dict[str, float], state: str
) -> None:
    known = comparison(change(after - before, 0.0, before=before, after=after))
    assert decided(known, **limits).state == state


def test_without_a_baseline_it_is_not_run_and_blocks() -> None:
    decision = decided(None, max_drop=0.1)
    assert (decision.state, decision.stops_release) == ("not_run", True)
    assert decision.reason is not None
    assert decision.reason.key == "core.no_baseline"
    assert decision.gain is None


@pytest.mark.parametrize(
    ("known", "state", "key"),
    [
        pytest.param((), "error", "core.change_only_after", id="no-such-metric"),
        pytest.param(
            (change(None, verdict="not_compared", reason=Message(key="core.change_undefined_before")),),
            "error",
            "core.change_undefined_before",
            id="undefined-before",
        ),
        pytest.param(
            (change(0.0, 0.0, higher_is_better=None),), "error", "core.change_no_direction", id="no-direction"
        ),
        pytest.param(
            (change(0.0, verdict="not_tested", reason=Message(key="core.change_clocked")),),
            "inconclusive",
            "core.change_clocked",
            id="clocked",
        ),
        pytest.param(
            (change(-1.0, verdict="not_tested", reason=Message(key="core.change_clocked")),),
            "fail",
            None,
            id="clocked-and-beyond",
        ),
        pytest.param((change(0.0, 0.0, where={"group": "b"}),), "error", "core.change_only_after", id="other-labels"),
    ],
)
def test_what_has_no_change_does_not_pass(known: tuple[MetricChange, ...], state: str, key: str | None) -> None:
    decision = decided(comparison(*known), max_drop=0.1)
    assert (decision.state, decision.reason.key if decision.reason else None) == (state, key)


def test_a_value_that_is_undefined_has_no_change() -> None:
    decision = decided(comparison(change(0.0, 0.0)), value=None, max_drop=0.1)
    assert (decision.state, decision.reason) == ("error", Message(key="toy.why"))


@pytest.mark.parametrize("disowned", ["baseline", "candidate"])
def test_what_a_run_disowns_is_not_compared_and_passes_no_gate(disowned: str) -> None:
    """The warning of either run counts, and touches no other analyzer."""
    size = Metric(name="size", value=3.0, n=1, no_interval="count", higher_is_better=False)
    found = Finding(rule="toy.gap", severity="low", title=Message(key="toy.a"))
    results = (
        AnalysisResult(analyzer="toy", metrics=(size,), findings=(found,)),
        AnalysisResult(analyzer="other", metrics=(size,)),
    )
    said = Message(key="core.model_changed", values={"analyzer": "toy", "what": "weights"})
    before, after = (
        a_run(results=results, gates=(), warnings=(said,) if name == disowned else ())
        for name in ("baseline", "candidate")
    )
    known = compare(before, after)
    first, second = known.metrics
    reason = Message(key="core.change_of_another_model", values={"analyzer": "toy"})
    assert (first.verdict, first.difference, first.reason) == ("not_compared", None, reason)
    assert (second.verdict, second.difference) == ("within_noise", 0.0)
    assert [change.state for change in known.findings] == ["not_compared"]
    gates = [GateTable(metric=name, max_drop=1.0) for name in ("toy.size", "other.size")]
    decisions = decide(gates, results, today=TODAY, comparison=known)
    assert [(decision.state, decision.reason) for decision in decisions] == [("error", reason), ("pass", None)]


@pytest.mark.parametrize(
    ("minimum", "difference", "known", "state"),
    [
        pytest.param(0.4, 0.0, True, "pass", id="both-hold"),
        pytest.param(0.6, 0.0, True, "fail", id="value-fails"),
        pytest.param(0.4, -0.5, True, "fail", id="change-fails"),
        pytest.param(0.6, 0.0, False, "fail", id="value-fails-without-baseline"),
        pytest.param(0.4, 0.0, False, "not_run", id="value-holds-without-baseline"),
    ],
)
def test_both_kinds_of_limit_hold_together(minimum: float, difference: float, known: bool, state: str) -> None:
    found = comparison(change(difference, 0.01)) if known else None
    assert decided(found, min=minimum, max_drop=0.1).state == state


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "expected a limit"),
        ({"max_drop": 0.1, "min_gain": 0.1}, "not both"),
        ({"max_drop": -0.1}, "greater than or equal to 0"),
        ({"min_gain": -0.1}, "greater than or equal to 0"),
    ],
)
def test_limits_that_say_nothing_are_refused(limits: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GateTable(metric="toy.score", **limits)


def test_the_terminal_says_what_is_allowed() -> None:
    assert limit(decided(None, max_drop=0.1)) == "worse than the baseline by at most 0.1"
    assert limit(decided(None, min=0.2, min_gain=0.1)) == "at least 0.2 and better than the baseline by at least 0.1"
