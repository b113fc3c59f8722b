"""Where no gate stops a release, every format says how many pass, and does not say that all do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from auditbench.errors import ExitCode
from auditbench.findings import GateDecision, Message
from auditbench.gates import verdict
from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from auditbench_markdown.comment import render_comment
from tests.html_fixture import gate, income_run
from tests.html_page import parse
from tests.html_results import status_result

WAIVED = {"waived_until": "2027-01-31", "waiver_holds": True}
MEASURED: dict[str, Any] = {"topic": "performance", "minimum": 0.6, "value": 0.61, "low": 0.5, "high": 0.7}
FINISHED = AnalysisResult(
    analyzer="performance",
    topic="performance",
    version="1",
    metrics=(Metric(name="auc", value=0.61, n=50, no_interval="not_estimated"),),
)


def decided(name: str, state: str, **rest: Any) -> GateDecision:
    return gate(name, "performance.auc", state, **{**MEASURED, **rest})


def run_with(*gates: GateDecision, results: tuple[AnalysisResult, ...] = (FINISHED,)) -> AuditRun:
    """A run with the verdict that the host gives to these gates."""
    word, code = verdict(gates, results, rows=50)
    return dataclasses.replace(
        income_run(), results=results, gates=gates, cases=(), waivers=(), verdict=word, exit_code=int(code)
    )


CASES = {
    "all-pass": ((decided("a", "pass"), decided("b", "pass")), "All 2 blocking gates pass."),
    "waived": (
        (decided("a", "pass"), decided("b", "fail", **WAIVED)),
        "No gate stops the release: 1 passes and 1 is waived.",
    ),
    "warn-only": (
        (decided("a", "pass"), decided("b", "inconclusive", on_inconclusive="warn")),
        "No gate stops the release: 1 passes and 1 only warns.",
    ),
    "waived-and-warn-only": (
        (
            decided("a", "error", value=None, low=None, high=None, **WAIVED),
            decided("b", "inconclusive", on_inconclusive="warn", **WAIVED),
            decided("c", "inconclusive", on_inconclusive="warn"),
        ),
        "No gate stops the release: 2 are waived and 1 only warns.",
    ),
    "advisory-only": ((decided("a", "fail", blocking=False),), "No gate is blocking."),
    "no-gate": ((), ""),
}


@pytest.mark.parametrize(("gates", "said"), CASES.values(), ids=CASES)
def test_nothing_says_that_all_pass_where_some_do_not(gates: tuple[GateDecision, ...], said: str) -> None:
    run = run_with(*gates)
    assert run.exit_code == ExitCode.PASSED
    page = parse(render_report(run))
    hero, summary, provenance = (page.one("section", id=name).text for name in ("verdict", "summary", "provenance"))
    heading = render_comment(run).decode("utf-8").split("\n\n")[2]
    if gates:
        assert f"{said} People decide about release." in hero
        assert f"{said} The evidence below" in summary
        assert heading == f"{said} People decide about release."
    if not all(decision.state == "pass" for decision in gates) or not gates:
        told = " ".join((hero, summary, heading, provenance)).lower()
        assert [
            lie for lie in ("blocking gates pass", "blocking gate passes", "every gate passed") if lie in told
        ] == []
    assert "0: complete, and no gate stops the release" in provenance


def test_what_to_do_before_release_is_not_what_people_have_waived() -> None:
    hero = parse(render_report(run_with(*CASES["waived"][0]))).one("section", id="verdict").text
    assert "Have the owner, an independent validator and risk review the findings" in hero
    assert "outside its limit, change it" not in hero


def test_what_does_not_apply_is_not_called_finished() -> None:
    apart = status_result("drift", "robustness", "not_applicable", Message(key="host.not_reached"))
    page = parse(render_report(run_with(results=(FINISHED, apart))))
    summary = page.one("section", id="summary").text
    assert "1 of 2 planned analyses finished; one does not apply here." in summary
    assert "Every gate has a result" not in summary
    assert "1 of 2 planned analyses finished." in page.one("section", id="incomplete").text
    whole = parse(render_report(run_with(decided("a", "pass")))).one("section", id="summary").text
    assert "The planned analysis finished. Every gate has a result." in whole
