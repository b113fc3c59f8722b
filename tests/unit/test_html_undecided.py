"""What the report says of a number that decides nothing, and of what the host put right."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from auditbench.findings import GateDecision, Message
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse

NO_INTERVAL = Message(key="core.no_interval", values={"metric": "performance.auc"})
WHAT_IT_SAYS = 'performance.auc has no interval to decide by; decide = "estimate" would use the value alone.'
OF_A_CROSSING = ("too close", "cross", "more evaluated rows", "with these data", "lies so close", "may be outside")
CHANGED = Message(key="core.model_changed", values={"analyzer": "captum", "what": "the parameters"})
CLOSE = Metric(name="auc", value=0.88, n=50, no_interval="not_estimated")


def unbounded(**rest: Any) -> GateDecision:
    defaults = {"topic": "performance", "maximum": 0.9, "value": 0.88, "n": 50, "reason": NO_INTERVAL}
    return gate("auc", "performance.auc", "inconclusive", **{**defaults, **rest})


def crossing() -> GateDecision:
    return gate("f1", "performance.f1", "inconclusive", topic="performance", minimum=0.6, value=0.61, low=0.5, high=0.7)


def run_with(*gates: GateDecision, metrics: tuple[Metric, ...] = (CLOSE,), **rest: Any) -> AuditRun:
    """A run of one analyzer that finished, with the sentences of the host beside those of the analyzers."""
    run = income_run()
    results = (AnalysisResult(analyzer="performance", topic="performance", version="1", metrics=metrics),)
    fields: dict[str, Any] = {
        "results": results,
        "cases": (),
        "waivers": (),
        "verdict": "no_decision",
        "exit_code": 1,
        "messages": {"en": {**load_messages("auditbench")["en"], **run.messages["en"]}},
    }
    return dataclasses.replace(run, gates=gates, **{**fields, **rest})


def text_of(tree: Element, section: str) -> str:
    """The text of a section without the reading helps, which speak of every case."""
    found = tree.one("section", id=section)
    helps = [part.text for part in found.every("details") if part.text.startswith("How to read this")]
    text = found.text
    for part in helps:
        text = text.replace(part, "")
    return text


def test_gate_without_an_interval_is_open_for_want_of_one_wherever_it_is_worded() -> None:
    tree = parse(render_report(run_with(unbounded())))
    texts = {name: text_of(tree, name) for name in ("verdict", "gates", "summary", "performance")}
    for name, text in texts.items():
        assert [phrase for phrase in OF_A_CROSSING if phrase in text] == [], name
        assert WHAT_IT_SAYS in text, name
    assert "One blocking gate cannot be decided. Area under the ROC curve is 0.88." in texts["verdict"]
    assert "Measure Area under the ROC curve with an interval, or set" in texts["verdict"]
    assert "One gate has no interval to decide by." in texts["gates"]
    assert "Area under the ROC curve could not be decided" in texts["summary"]
    assert "Do: Measure it with an interval, or set" in texts["summary"]


def test_row_of_a_gate_without_an_interval_says_why_beside_its_mark() -> None:
    row = parse(render_report(run_with(unbounded()))).one("tr", id="gate-auc")
    assert row.one("span", **{"class": "why"}).text == WHAT_IT_SAYS
    assert len(row.every("use", lambda use: "mark" in use.classes)) == 1


def test_record_without_the_reason_says_as_much_in_words_of_the_report() -> None:
    tree = parse(render_report(run_with(unbounded(reason=None))))
    assert "Area under the ROC curve is 0.88, and has no interval to decide by." in text_of(tree, "verdict")
    assert [phrase for phrase in OF_A_CROSSING if phrase in text_of(tree, "summary")] == []


def test_crossing_interval_beside_one_that_is_missing_keeps_its_own_words() -> None:
    tree = parse(render_report(run_with(unbounded(), crossing())))
    lead = "One interval crosses its limit, so the data cannot decide it. One gate has no interval to decide by."
    assert lead in text_of(tree, "gates")
    steps = [step.text for step in tree.one("section", id="verdict").every("li") if step.text.endswith(").")]
    assert steps[0].startswith("Settle F1 score (")
    assert steps[1].startswith("Measure Area under the ROC curve with an interval")
    assert "F1 score may be outside its limit" in text_of(tree, "summary")


def test_title_of_measures_tells_a_missing_interval_from_a_wide_one() -> None:
    metrics = (CLOSE, Metric(name="f1", value=0.61, n=50, no_interval="not_estimated"))
    tree = parse(render_report(run_with(unbounded(), metrics=metrics)))
    titles = [title.text for title in tree.one("section", id="performance").every("h3")]
    assert "Area under the ROC curve has no interval to judge by" in titles


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        pytest.param((None, None), "The failing value is more than 5% outside its limit.", id="none"),
        pytest.param((0.85, 1.6), "or its interval comes within 5% of its limit", id="crosses"),
        pytest.param((1.1, 1.3), "The failing interval lies clear of its limit", id="clear"),
    ],
)
def test_firmness_speaks_of_an_interval_only_where_one_lies_clear(
    ends: tuple[float | None, float | None], sentence: str
) -> None:
    low, high = ends
    failing = gate("auc", "performance.auc", "fail", decide="estimate", maximum=1.0, value=1.2, low=low, high=high)
    tree = parse(render_report(run_with(failing, verdict="not_ready")))
    assert sentence in text_of(tree, "verdict")


def test_two_gates_of_one_metric_have_one_value_near_its_limits() -> None:
    near = [
        gate(name, "performance.auc", "pass", maximum=maximum, value=0.97, low=0.96, high=0.98)
        for name, maximum in (("strict", 0.99), ("loose", 1.0))
    ]
    text = text_of(parse(render_report(run_with(*near, verdict="ready_for_review"))), "verdict")
    assert "Area under the ROC curve or its interval comes within 5% of its limit" in text


def test_value_that_may_not_count_is_shown_with_the_reason() -> None:
    reason = Message(key="core.no_number", values={"metric": "performance.auc"})
    spoiled = dataclasses.replace(unbounded(reason=reason), state="error", low=0.8, high=0.89)
    tree = parse(render_report(run_with(spoiled, verdict="evidence_incomplete")))
    said = "performance.auc has a value or an interval that is no finite number."
    assert f"Area under the ROC curve is 0.880. {said}" in text_of(tree, "summary")
    assert "One gate has no result and counts as not passed." in text_of(tree, "summary")
    assert "One gate has no usable value." in text_of(tree, "gates")
    assert tree.one("tr", id="gate-auc").one("span", **{"class": "why"}).text == said


@pytest.mark.parametrize("details", [{}, {"lrp": ""}, {"shap": "Traceback"}, {"lrp": "Traceback"}], ids=str)
@pytest.mark.parametrize("required", [True, False])
def test_trace_is_named_only_where_the_record_holds_one(details: dict[str, str], required: bool) -> None:
    reason = Message(key="core.interrupted")
    failed = AnalysisResult(analyzer="lrp", topic="explanation", status="failed", reason=reason, required=required)
    run = run_with(results=(failed,))
    run = dataclasses.replace(run, volatile=dataclasses.replace(run.volatile, details=details))
    text = text_of(parse(render_report(run)), "incomplete")
    assert ("The trace stands in run.json, under volatile.details." in text) == bool(details.get("lrp"))
    assert ("To complete a run without this analysis" in text) == required
    assert ("[analyzers.lrp] required = false" in text) == required


def test_section_of_warnings_alone_says_that_everything_finished() -> None:
    tree = parse(render_report(run_with(crossing(), warnings=(CHANGED,))))
    section = tree.one("section", id="incomplete")
    assert section.every("h2")[0].text.startswith("Warnings")
    lead = "Every planned analysis finished. What the host noticed or had to put right is listed here."
    assert section.one("p", **{"class": "lead"}).text == lead
    assert "The rest is listed" not in section.text


def test_section_of_what_found_nothing_says_that_everything_finished() -> None:
    silent = AnalysisResult(analyzer="silent", topic="probe", version="1")
    section = parse(render_report(run_with(results=(silent,)))).one("section", id="incomplete")
    lead = "Every planned analysis finished. Those with nothing to report are listed here."
    assert section.one("p", **{"class": "lead"}).text == lead
    assert section.every("h2")[0].text.startswith("Incomplete")


def test_section_keeps_its_lead_where_something_is_missing_or_the_audit_was_stopped() -> None:
    skipped = AnalysisResult(analyzer="drift", topic="probe", status="skipped", reason=Message(key="core.interrupted"))
    missing = run_with(results=(*run_with().results, skipped), warnings=(CHANGED,))
    stopped = run_with(status="interrupted", warnings=(CHANGED,))
    for run, count in ((missing, "1 of 2"), (stopped, "1 of 1")):
        section = parse(render_report(run)).one("section", id="incomplete")
        assert section.one("p", **{"class": "lead"}).text.startswith(f"{count} planned analyses finished. The rest")
        assert section.every("h2")[0].text.startswith("Incomplete")


def test_first_screen_points_to_warnings_of_a_changed_model() -> None:
    other = dataclasses.replace(CHANGED, values={"analyzer": "shap", "what": "buffers"})
    tree = parse(render_report(run_with(crossing(), warnings=(CHANGED, other, CHANGED))))
    hero = tree.one("section", id="verdict")
    assert "Captum and SHAP changed the model or the data during the audit (Warnings)." in hero.text
    link = hero.every("a", lambda a: a.attributes["href"] == "#incomplete")[0]
    assert link.text == "Warnings"
    assert tree.one("section", id="incomplete").every("h2")[0].text.startswith("Warnings")


@pytest.mark.parametrize("key", ["core.process_not_restored", "core.batch_halved"])
def test_other_warnings_leave_the_first_screen_as_it_is(key: str) -> None:
    warning = Message(key=key, values={"analyzer": "captum", "what": "x", "began_with": 8, "rows": 4})
    first, second = (
        parse(render_report(run_with(crossing(), warnings=warnings))).one("section", id="verdict").text
        for warnings in ((), (warning,))
    )
    assert first == second
