from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from auditbench.comparison.record import ChangeVerdict, MetricChange
from auditbench.findings import GateDecision
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun
from auditbench_html.render import render_page, render_report
from auditbench_html.view.baseline import DRAWN
from auditbench_html.view.crosswalk import crosswalk_section
from auditbench_html.view.figures import Chip
from auditbench_html.view.gates import track
from auditbench_html.view.page import Link, Requirement
from auditbench_html.view.report import build_report, words_of
from auditbench_html.view.text import words
from tests.html_every_block import every_block_run
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse


@pytest.fixture(scope="module")
def run() -> AuditRun:
    return every_block_run()


@pytest.fixture(scope="module")
def tree(run: AuditRun) -> Element:
    return parse(render_report(run))


def row_of(tree: Element, name: str) -> Element:
    return tree.one("tr", id=f"gate-{name}")


def test_without_a_baseline_there_is_no_section_and_no_column() -> None:
    tree = parse(render_report(income_run()))
    assert not tree.every("section", lambda section: section.attributes.get("id") in ("baseline", "crosswalk"))
    heads = tree.one("table", id="gate-table").every("th", lambda head: head.attributes["scope"] == "col")
    assert [head.text for head in heads][:4] == ["Result", "Gate", "Observed", "Limit"]
    assert len(heads) == 5


@pytest.mark.parametrize("where", [{"fold": "99"}, {}], ids=str)
def test_gated_measure_is_drawn_whichever_of_its_labels_the_gate_gives(run: AuditRun, where: dict[str, str]) -> None:
    assert run.baseline is not None
    others = tuple(
        MetricChange(metric=f"performance.m{index}", before=0.5, after=0.5, difference=0.0, verdict="within_noise")
        for index in range(DRAWN)
    )
    last = MetricChange(
        metric="performance.last", where={"fold": "99"}, before=0.5, after=0.5, difference=0.0, verdict="within_noise"
    )
    metric = Metric(name="last", value=0.5, n=9, no_interval="exact", where=last.where)
    changed = dataclasses.replace(
        run,
        results=(AnalysisResult(analyzer="performance", topic="performance", metrics=(metric,)),),
        gates=(gate("last", "performance.last", "pass", where=where, minimum=0.4, value=0.5),),
        cases=(),
        baseline=dataclasses.replace(run.baseline, metrics=(*others, last)),
    )
    assert "Last, fold 99" in parse(render_report(changed)).one("section", id="baseline").text


def test_changes_are_those_of_the_comparison(run: AuditRun, tree: Element) -> None:
    assert run.baseline is not None
    change = run.baseline.change("performance.accuracy", {})
    assert change is not None
    assert change.difference is not None
    rows = tree.one("section", id="baseline").every(
        "tr", lambda row: row.every("th") != [] and len(row.every("td")) == 5
    )
    accuracy = next(row for row in rows if row.every("th")[0].text == "Accuracy")
    numbers = [float(cell.attributes["data-v"]) for cell in accuracy.every("td", lambda td: "data-v" in td.attributes)]
    assert numbers == [pytest.approx(n, rel=1e-6) for n in (change.before, change.after, change.difference)]
    assert "Worse" in accuracy.text
    assert "One of" in tree.one("section", id="baseline").one("p", **{"class": "lead"}).text


def test_bar_of_a_worse_measure_lies_left_of_no_change(tree: Element) -> None:
    rows = tree.one("section", id="baseline").every(
        "tr", lambda row: bool(row.every("svg", lambda s: "track" in s.classes))
    )
    worse = [row for row in rows if "Worse" in row.text]
    assert worse
    for row in worse:
        line = row.every("line")[0]
        assert all(float(line.attributes[end].rstrip("%")) < 50 for end in ("x1", "x2"))


def test_findings_say_what_became_of_them(run: AuditRun, tree: Element) -> None:
    assert run.baseline is not None
    states = [change.state for change in run.baseline.findings]
    assert states == ["new"]
    text = tree.one("section", id="baseline").text
    assert "One finding is new." in text
    assert "Women are predicted above the line far less often than men" in text


def test_what_else_changed_is_listed(tree: Element) -> None:
    cells = [row.text for row in tree.one("section", id="baseline").every("tr")]
    assert any("Audit file" in cell and "seed" in cell and "3" in cell for cell in cells)


def test_gate_rows_show_the_change_of_their_metric(run: AuditRun, tree: Element) -> None:
    assert run.baseline is not None
    change = run.baseline.change("performance.auc", {})
    assert change is not None
    cell = row_of(tree, "auc").every("td")[3]
    assert cell.attributes["data-v"] == "0"
    assert "Within noise" in cell.text
    assert row_of(tree, "validity").every("td")[3].text == "—"


def test_a_gate_on_change_says_its_limit_gain_and_reason(tree: Element) -> None:
    row = row_of(tree, "drop")
    assert "drop ≤ 0.02" in row.text
    assert "Why this limit: A drop that users would notice." in row.text
    assert row.every("svg", lambda svg: "track" in svg.classes)


@pytest.mark.parametrize(
    ("limits", "gain", "position"),
    [
        pytest.param({"max_drop": 0.02}, (-0.01, -0.015, 0.0), 0.5, id="half-of-the-drop-is-left"),
        pytest.param({"max_drop": 0.02}, (-0.03, -0.04, -0.025), -0.5, id="beyond-the-drop"),
        pytest.param({"min_gain": 0.1}, (0.15, 0.12, 0.2), 0.5, id="gained-more"),
        pytest.param({"max_drop": 0.0}, (0.01, -0.01, 0.03), 0.01, id="no-drop-at-all-has-no-share"),
    ],
)
def test_distance_of_a_gate_on_change(
    limits: dict[str, float], gain: tuple[float, float, float], position: float
) -> None:
    decision: GateDecision = gate(
        "g", "a.b", "pass", value=0.8, low=0.7, high=0.9, gain=gain[0], gain_low=gain[1], gain_high=gain[2], **limits
    )
    found = track(decision)
    assert found.position == pytest.approx(position)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= position <= found.high


@pytest.mark.parametrize("state", ["pass", "fail", "inconclusive", "error", "not_run"])
@pytest.mark.parametrize("bounds", [(-0.02, 0.01), (None, None)])
def test_every_state_of_a_gate_on_change_is_said(
    run: AuditRun, state: str, bounds: tuple[float | None, float | None]
) -> None:
    decision = gate(
        "g",
        "performance.accuracy",
        state,
        topic="performance",
        value=0.85,
        max_drop=0.01,
        gain=-0.005,
        gain_low=bounds[0],
        gain_high=bounds[1],
    )
    tree = parse(render_report(dataclasses.replace(run, gates=(decision,), waivers=())))
    assert "its gain since the baseline is −0.005" in tree.one("section", id="performance").text


def test_explanation_of_a_preset_is_said_in_the_language_of_the_page() -> None:
    run = income_run()
    named = dataclasses.replace(run.gates[0], explanation="preset.x.y")
    messages = {"en": {**run.messages["en"], "preset.x.y": "A custom."}, "zh-CN": {"preset.x.y": "一种惯例。"}}
    run = dataclasses.replace(run, gates=(named, *run.gates[1:]), messages=messages)
    assert "Why this limit: A custom." in row_of(parse(render_report(run)), "auc").text
    assert "设此限值的理由：一种惯例。" in row_of(parse(render_report(run, language="zh-CN")), "auc").text  # noqa: RUF001


def test_identical_runs_show_no_change(run: AuditRun) -> None:
    from auditbench.comparison import compare

    same = dataclasses.replace(run, baseline=compare(run, run))
    section = parse(render_report(same)).one("section", id="baseline")
    assert "No measure moved beyond noise" in section.text
    assert not [
        chip for chip in section.every("span", lambda s: "chip" in s.classes) if chip.text in ("Worse", "Better")
    ]


@pytest.mark.parametrize("verdict", get_args(ChangeVerdict))
def test_every_verdict_of_a_change_is_drawn(run: AuditRun, verdict: ChangeVerdict) -> None:
    """As a record may hold it: also one that is not compared and has its difference all the same."""
    assert run.baseline is not None
    change = dataclasses.replace(run.baseline.metrics[0], difference=0.01, before=0.8, after=0.81, verdict=verdict)
    comparison = dataclasses.replace(run.baseline, metrics=(change,))
    section = parse(render_report(dataclasses.replace(run, baseline=comparison))).one("section", id="baseline")
    (row,) = section.every("tr", lambda row: any("data-v" in cell.attributes for cell in row.every("td")))
    assert row.text.endswith(verdict.replace("_", " ").capitalize())
    known = {"worse", "better", "changed", "within_noise"}
    assert ("No measure could be tested against the baseline" in section.text) is (verdict not in known)


def test_index_lists_requirements_and_never_claims_conformity(run: AuditRun) -> None:
    templates = load_messages("auditbench_html")["en"]
    say = words_of(run, templates, "en")
    requirements = tuple(
        Requirement(
            source=words("Act"), code=words(code), title=words(f"Requirement {code}"), evidence=evidence,
            coverage=Chip(tone=tone, label=words(tone)),
        )
        for code, evidence, tone in (("1", (Link(target="fairness", label=words("Fairness")),), "pass"), ("2", (), "none"))
    )  # fmt: skip
    report = build_report(run, templates, language="en", requirements=requirements)
    order = [section.id for section in report.sections]
    assert order[-4:] == ["baseline", "crosswalk", "provenance", "signoff"]
    section = parse(render_page(report, say).encode()).one("section", id="crosswalk")
    assert "not a statement of conformity" in section.text
    assert [link.attributes["href"] for link in section.every("td")[0].every("a")] == ["#fairness"]
    assert "no evidence in this report" in section.text
    assert crosswalk_section(say, ()) is None
