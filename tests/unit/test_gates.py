"""Gates: every way to have or not to have a number, and what it does to verdict and exit code."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import pytest

from auditbench.config import GateTable, WaiverTable
from auditbench.errors import ExitCode, ResultError
from auditbench.findings import GateDecision, Message
from auditbench.gates import decide, gate_ids, verdict, worst_exit_code
from auditbench.results import AnalysisResult, Interval, Metric

TODAY = datetime.date(2026, 5, 1)
WHY = Message(key="toy.why")


def metric(value: float | None = 0.9, low: float | None = None, high: float | None = None, **fields: Any) -> Metric:
    interval = None if low is None or high is None else Interval(low=low, high=high, method="wilson")
    known = {"name": "score", "n": 10, "no_interval": "" if interval else "exact", "reason": None}
    return Metric(value=value, interval=interval, **{**known, **fields})


def result(*metrics: Metric, **fields: Any) -> AnalysisResult:
    return AnalysisResult(**{"analyzer": "toy", "topic": "probe", "metrics": metrics, **fields})


def gate(**fields: Any) -> GateTable:
    return GateTable(**{"metric": "toy.score", "min": 0.8, **fields})


def only(gates: GateTable, *results: AnalysisResult, waivers: tuple[WaiverTable, ...] = ()) -> GateDecision:
    (decision,) = decide((gates,), results, waivers, today=TODAY)
    return decision


@pytest.mark.parametrize(
    ("limits", "found", "state"),
    [
        pytest.param({"min": 0.8}, metric(0.8), "pass", id="exact-on-the-limit"),
        pytest.param({"min": 0.8}, metric(0.79), "fail", id="exact-below"),
        pytest.param({"min": None, "max": 0.8}, metric(0.81), "fail", id="exact-above"),
        pytest.param({"min": 0.8, "max": 1.0}, metric(0.9), "pass", id="exact-between"),
        pytest.param({"min": 0.8}, metric(0.9, 0.8, 0.95), "pass", id="interval-inside"),
        pytest.param({"min": 0.8}, metric(0.9, 0.79, 0.95), "inconclusive", id="interval-crosses-below"),
        pytest.param({"min": 0.8, "max": 0.92}, metric(0.9, 0.85, 0.95), "inconclusive", id="interval-crosses-above"),
        pytest.param({"min": 0.8}, metric(0.7, 0.6, 0.79), "fail", id="interval-outside"),
        pytest.param({"min": 0.8}, metric(0.7, 0.85, 0.95), "inconclusive", id="value-below-its-own-interval"),
        pytest.param(
            {"max": 0.8, "min": None}, metric(0.9, 0.6, 0.7), "inconclusive", id="value-above-its-own-interval"
        ),
        pytest.param({"min": 0.8}, metric(0.9, 0.6, 0.7), "inconclusive", id="value-inside-interval-outside"),
        pytest.param({"min": 0.8}, metric(0.7, no_interval="not_estimated"), "fail", id="not-estimated-and-outside"),
        pytest.param(
            {"min": None, "max": 0.8}, metric(0.9, no_interval="not_estimated"), "fail", id="not-estimated-and-above"
        ),
        pytest.param({"min": 0.8}, metric(0.7, 0.6, 0.8), "inconclusive", id="interval-touches-the-limit"),
        pytest.param(
            {"min": 0.8, "decide": "estimate"}, metric(0.81, 0.5, 0.9), "pass", id="estimate-ignores-interval"
        ),
        pytest.param({"min": 0.8}, metric(no_interval="count"), "pass", id="count"),
        pytest.param({"min": 0.8}, metric(no_interval="not_estimated"), "inconclusive", id="not-estimated"),
        pytest.param({"min": 0.8}, metric(no_interval="some other word"), "inconclusive", id="unknown-word"),
        pytest.param({"min": 0.8, "decide": "estimate"}, metric(no_interval="not_estimated"), "pass", id="by-estimate"),
        pytest.param({"min": 0.8}, metric(None, reason=WHY, no_interval=""), "error", id="undefined"),
        pytest.param({"min": 0.8, "decide": "estimate"}, metric(None, reason=WHY), "error", id="undefined-by-estimate"),
    ],
)
def test_state_of_one_metric(limits: dict[str, Any], found: Metric, state: str) -> None:
    decision = only(gate(**limits), result(found))
    assert decision.state == state
    assert decision.value == found.value


@pytest.mark.parametrize(
    ("status", "state"),
    [("failed", "error"), ("timed_out", "error"), ("skipped", "not_run"), ("not_applicable", "not_run")],
)
def test_analyzer_without_result(status: Any, state: str) -> None:
    decision = only(gate(), result(metric(), status=status, reason=WHY))
    assert (decision.state, decision.reason, decision.value) == (state, WHY, None)


@pytest.mark.parametrize(("value", "state"), [(0.9, "error"), (0.1, "fail")])
def test_what_was_measured_on_a_changed_model_does_not_pass(value: float, state: str) -> None:
    (decision,) = decide((gate(),), (result(metric(value)),), today=TODAY, changed={"toy"})
    assert (decision.state, decision.value) == (state, value)
    assert decision.reason is None or decision.reason.key == "core.measured_after_change"
    (other,) = decide((gate(),), (result(metric()),), today=TODAY, changed={"another"})
    assert other.state == "pass"


def test_absent_analyzer_was_not_run() -> None:
    decision = only(gate())
    assert decision.state == "not_run"
    assert decision.reason is not None
    assert decision.reason.key == "core.analyzer_absent"


@pytest.mark.parametrize(
    ("where", "labels", "key"),
    [
        pytest.param({}, [], "core.metric_missing", id="no-such-name"),
        pytest.param({"feature": "age"}, [{"feature": "sex"}], "core.metric_no_label", id="no-such-label"),
        pytest.param({}, [{"feature": "sex"}, {"feature": "race"}], "core.metric_several", id="two-fit"),
        pytest.param(
            {"feature": "sex"},
            [{"feature": "sex", "group": "F"}, {"feature": "sex", "group": "M"}],
            "core.metric_ambiguous",
            id="two-fit-a-part-of-their-labels",
        ),
    ],
)
def test_a_gate_that_means_no_single_metric_is_an_error(
    where: dict[str, str], labels: list[dict[str, str]], key: str
) -> None:
    decision = only(gate(where=where), result(*(metric(where=label) for label in labels)))
    assert decision.state == "error"
    assert decision.reason is not None
    assert decision.reason.key == key
    for label in labels:
        assert all(value in str(decision.reason.values["labels"]) for value in label.values())


def test_labels_pick_one_of_several() -> None:
    both = (metric(0.5, where={"feature": "sex"}), metric(0.9, where={"feature": "race", "kind": "worst"}))
    assert only(gate(where={"feature": "race"}), result(*both)).value == 0.9


@pytest.mark.parametrize(
    ("where", "value"),
    [({}, 0.7), ({"feature": "sex"}, 0.8), ({"feature": "sex", "group": "F"}, 0.9)],
)
def test_a_metric_of_everyone_is_told_from_those_of_groups(where: dict[str, str], value: float) -> None:
    metrics = (
        metric(0.9, where={"feature": "sex", "group": "F"}),
        metric(0.8, where={"feature": "sex"}),
        metric(0.7),
    )
    assert only(gate(where=where), result(*metrics)).value == value


def test_ids_come_from_metric_and_labels() -> None:
    gates = (gate(), gate(where={"feature": "sex"}), gate(where={"group": "A b/C", "feature": "sex"}), gate(id="mine"))
    assert gate_ids(gates) == ("toy.score", "toy.score.sex", "toy.score.sex.a-b-c", "mine")


def test_a_decision_on_a_clocked_metric_is_clocked() -> None:
    assert only(gate(), result(metric(repeatable=False))).repeatable is False


@pytest.mark.parametrize(("until", "holds"), [("2026-05-01", True), ("2026-04-30", False)])
def test_a_waiver_keeps_the_state_and_ends(until: str, holds: bool) -> None:
    waiver = WaiverTable(gate="toy.score", until=until, by="A", reason="B")
    decision = only(gate(), result(metric(0.1)), waivers=(waiver,))
    assert (decision.state, decision.waived_until, decision.waiver_holds) == ("fail", until, holds)
    assert verdict((decision,), (result(),), rows=1)[1] == (ExitCode.PASSED if holds else ExitCode.GATE_FAILED)


STATES = ("pass", "inconclusive", "fail", "error", "not_run")


@pytest.mark.parametrize(
    ("state", "blocking", "waived", "on_inconclusive", "missing"),
    list(itertools.product(STATES, (True, False), (True, False), ("fail", "warn"), (True, False))),
)
def test_verdict_of_every_combination(
    state: Any, blocking: bool, waived: bool, on_inconclusive: Any, missing: bool
) -> None:
    decision = GateDecision(
        id="g", metric="toy.score", state=state, blocking=blocking, on_inconclusive=on_inconclusive,
        decide="interval", waiver_holds=waived,
    )  # fmt: skip
    results = [result(metric())]
    if missing:
        results.append(AnalysisResult(analyzer="other", status="failed", reason=WHY))
    word, code = verdict((decision,), results, rows=5)
    stops = blocking and not waived and state != "pass" and not (state == "inconclusive" and on_inconclusive == "warn")
    expected = ExitCode.INCOMPLETE if missing else ExitCode.GATE_FAILED if stops else ExitCode.PASSED
    assert code == expected
    if stops and state == "fail":
        assert word == "not_ready"
    elif missing or (stops and state in ("error", "not_run")):
        assert word == "evidence_incomplete"
    elif stops:
        assert word == "no_decision"
    else:
        assert word == "ready_for_review"


@pytest.mark.parametrize(
    ("results", "rows", "word", "code"),
    [
        pytest.param([], 5, "nothing_evaluated", 4, id="no-analyzers"),
        pytest.param([result(metric())], 0, "nothing_evaluated", 4, id="no-rows"),
        pytest.param([result(status="skipped", reason=WHY)], 5, "nothing_evaluated", 4, id="all-skipped"),
        pytest.param([result(status="not_applicable", reason=WHY)], 5, "nothing_evaluated", 4, id="none-applies"),
        pytest.param([result(metric())], 5, "no_gates", 0, id="no-gates"),
        pytest.param([result(status="timed_out", reason=WHY)], 5, "evidence_incomplete", 3, id="timed-out"),
        pytest.param(
            [result(status="failed", reason=WHY, required=False)], 5, "nothing_evaluated", 4, id="only-one-not-required"
        ),
        pytest.param(
            [result(metric()), result(analyzer="b", status="failed", reason=WHY, required=False)], 5, "no_gates", 0,
            id="one-not-required",
        ),
        pytest.param(
            [result(status="not_applicable", reason=WHY), result(status="failed", reason=WHY, required=False)], 5,
            "nothing_evaluated", 4, id="none-applies-or-succeeds",
        ),
        pytest.param(
            [result(metric()), result(analyzer="b", status="not_applicable", reason=WHY)], 5, "no_gates", 0,
            id="not-applicable-is-not-missing",
        ),
        pytest.param(
            [result(metric()), result(analyzer="b", status="skipped", reason=WHY)], 5, "evidence_incomplete", 3,
            id="skipped-is-missing",
        ),
    ],
)  # fmt: skip
def test_verdict_without_gates(results: list[AnalysisResult], rows: int, word: str, code: int) -> None:
    assert verdict((), results, rows=rows) == (word, ExitCode(code))


STATUSES = ("ok", "not_applicable", "skipped", "failed", "timed_out")


@pytest.mark.parametrize(
    ("statuses", "required"),
    list(itertools.product(itertools.product(STATUSES, repeat=2), itertools.product((True, False), repeat=2))),
)
def test_without_a_result_that_is_ok_nothing_passes(statuses: tuple[Any, Any], required: tuple[bool, bool]) -> None:
    results = [
        result(metric(), analyzer=name, status=status, required=needed, reason=None if status == "ok" else WHY)
        for name, status, needed in zip("ab", statuses, required, strict=True)
    ]
    word, code = verdict((), results, rows=5)
    lost = {status for status, needed in zip(statuses, required, strict=True) if needed}
    missing = bool(lost & {"skipped", "failed", "timed_out"})
    if "ok" in statuses:
        assert code == (ExitCode.INCOMPLETE if missing else ExitCode.PASSED)
    elif missing and set(statuses) & {"failed", "timed_out"}:
        assert (word, code) == ("evidence_incomplete", ExitCode.INCOMPLETE)
    else:
        assert (word, code) == ("nothing_evaluated", ExitCode.NOTHING_EVALUATED)


@pytest.mark.parametrize("rows", [{"n": 0}, {"n": -1}, {"denominator": 0}, {"n": 0, "no_interval": "count"}])
def test_a_value_rests_on_rows(rows: dict[str, Any]) -> None:
    with pytest.raises(ResultError, match=">= 1"):
        metric(0.9, **rows)
    assert metric(None, reason=WHY, **rows).value is None


def test_precedence_of_exit_codes() -> None:
    order = [5, 2, 4, 3, 1, 0]
    for first, second in itertools.combinations(order, 2):
        assert worst_exit_code(ExitCode(second), ExitCode(first)) == first


@pytest.mark.parametrize("kinds", list(itertools.product(STATES, repeat=2)))
def test_the_worst_blocking_gate_gives_the_word(kinds: tuple[Any, Any]) -> None:
    decisions = [
        GateDecision(id=str(i), metric="toy.score", state=state, blocking=True, decide="interval")
        for i, state in enumerate(kinds)
    ]
    word, code = verdict(decisions, [result(metric())], rows=5)
    ranked = [
        ("fail", "not_ready"), ("error", "evidence_incomplete"), ("not_run", "evidence_incomplete"),
        ("inconclusive", "no_decision"), ("pass", "ready_for_review"),
    ]  # fmt: skip
    assert word == next(name for state, name in ranked if state in kinds)
    assert (code == ExitCode.PASSED) == (set(kinds) == {"pass"})
