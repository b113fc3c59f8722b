from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Column, Matrix, Metric, Table
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from auditbench_html.view.findings import rows_to_settle
from auditbench_html.view.numbers import concise, limit_number
from tests.html_every_block import every_block_run
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse
from tests.html_results import interval

ROC = "In 90.7% of pairs of a positive and a negative row, the positive one scores higher (ties count half)"


@pytest.fixture(scope="module")
def run() -> AuditRun:
    return every_block_run()


def shown(run: AuditRun, *results: AnalysisResult) -> Element:
    """The page of a run with these results alone."""
    return parse(
        render_report(dataclasses.replace(run, results=results, gates=(), cases=(), waivers=(), baseline=None))
    )


def titles(page: Element) -> list[str]:
    return [figure.every("h3")[0].text for figure in page.every("figure")]


def matrix(kind: str, rows: tuple[str, ...], values: tuple[tuple[float, ...], ...]) -> AnalysisResult:
    label = Message(key="blocks.input")
    block = Matrix(
        name="m", title=Message(key="blocks.large"), kind=kind, row_label=label, column_label=label, rows=rows,
        columns=rows, values=values,
    )  # type: ignore[arg-type]  # fmt: skip
    return AnalysisResult(analyzer="odd", topic="odd", matrices=(block,))


def test_title_of_a_curve_is_what_its_measure_found(run: AuditRun) -> None:
    performance = run.results[0]
    assert ROC in titles(shown(run, performance))
    untold = dataclasses.replace(performance, metrics=tuple(m for m in performance.metrics if m.name != "auc"))
    assert "The ROC curve bends well away from the diagonal" in titles(shown(run, untold))


def test_title_of_a_confusion_matrix_counts_what_is_wrong(run: AuditRun) -> None:
    page = shown(run, matrix("confusion", ("a", "b"), ((6.0, 1.0), (2.0, 1.0))))
    assert titles(page)[-2:] == ["30.0% of rows are predicted wrongly, 3 of 10", "SHAP took 31% of the time"]


@pytest.mark.parametrize(
    ("methods", "title"),
    [
        pytest.param(2, "The orders of the inputs by m1 and m0 correlate at 0.50", id="two"),
        pytest.param(3, "The orders of the inputs differ most between m2 and m0: they correlate at −0.20", id="three"),
    ],
)
def test_title_of_an_agreement_names_the_two_that_agree_least(run: AuditRun, methods: int, title: str) -> None:
    values = ((1.0, 0.5, -0.2), (0.5, 1.0, 0.7), (-0.2, 0.7, 1.0))
    cut = tuple(row[:methods] for row in values[:methods])
    page = shown(run, matrix("agreement", tuple(f"m{i}" for i in range(methods)), cut))
    assert title in titles(page)


def test_title_of_an_agreement_does_not_rank_what_is_equal_as_shown(run: AuditRun) -> None:
    values = ((1.0, 0.998, 0.996), (0.998, 1.0, 1.0), (0.996, 1.0, 1.0))
    page = shown(run, matrix("agreement", ("m0", "m1", "m2"), values))
    assert "The orders of the inputs by any two of the methods correlate at 1.00" in titles(page)


def test_title_of_a_swarm_names_the_first_input_with_a_clear_direction(run: AuditRun) -> None:
    shap = run.results[1]
    (block,) = shap.attributions
    column = np.linspace(-1, 1, len(block.row_ids))
    values, ranks = np.asarray(block.values).copy(), np.full(np.asarray(block.values)[:, 0].shape, np.nan)
    age = block.player_names.index("age")
    values[:, 0, age], ranks[:, age] = -column, (column + 1) / 2
    first = dataclasses.replace(block, values=values, player_values=ranks)
    others = tuple(m for m in shap.metrics if m.name != "mean_absolute_attribution")
    page = shown(run, dataclasses.replace(shap, metrics=others, attributions=(first,)))
    assert "High values of age lower the output for >50K, low ones raise it" in titles(page)


def test_gate_on_change_shows_the_number_that_its_limit_bounds(run: AuditRun) -> None:
    page = parse(render_report(run))
    row = page.one("tr", id="gate-drop")
    assert row.every("a")[0].text == "Gain in Accuracy since the baseline"
    observed = row.every("td")[1]
    assert (observed.own_text, observed.attributes["data-v"]) == ("−0.0040", "-0.004")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({"max_drop": 0.01}, (400, 4.0), id="gain-outside-a-drop"),
        pytest.param({"min_gain": -0.014}, None, id="on-the-limit"),
        pytest.param({"minimum": 0.5}, None, id="not-crossed"),
    ],
)
def test_rows_that_settle_a_gate_on_change(limits: dict[str, float], expected: tuple[int, float] | None) -> None:
    decision: GateDecision = gate(
        "g", "a.b", "inconclusive", value=0.8, low=0.7, high=0.9, n=100, gain=-0.014, gain_low=-0.022, gain_high=-0.006,
        **limits,
    )  # fmt: skip
    found = rows_to_settle(decision)
    assert found == (None if expected is None else (expected[0], pytest.approx(expected[1])))


def test_numbers_of_a_column_share_their_digits_and_tiny_p_values_are_bounds(run: AuditRun) -> None:
    columns = tuple(Column(name=name, label=Message(key="m"), kind="number") for name in ("value", "p_value", "mixed"))
    table = Table(
        name="t", title=Message(key="t"), columns=columns, rows=((0.29, 3e-196, 2e-7), (0.0838, 0.04, 1500.0))
    )
    page = shown(run, AnalysisResult(analyzer="odd", topic="odd", tables=(table,)))
    rows = page.one("section", id="odd").every("tbody")[0].every("tr")
    cells = [[cell.text for cell in row.every("", lambda e: e.name in ("th", "td"))] for row in rows]
    assert cells == [["0.2900", "< 0.001", "2.0 × 10⁻⁷"], ["0.0838", "0.04", "1,500"]]


def test_what_a_measure_is_stands_once_in_a_section(run: AuditRun) -> None:
    metrics = tuple(
        Metric(name="demographic_parity_ratio", value=0.5, n=10, interval=interval(0.4, 0.6), where={"feature": name})
        for name in ("sex", "race")
    )
    section = shown(run, AnalysisResult(analyzer="fairness", topic="fairness", metrics=metrics)).one(
        "section", id="fairness"
    )
    assert section.text.count("Lowest selection rate of a group divided by the highest") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0006309, "0.000631"), (677.64, "678"), (8257.0, "8,257"), (2e-16, "2.0 × 10⁻¹⁶"), (0.5, "0.5")],
)
def test_values_without_an_interval_have_three_digits(value: float, text: str) -> None:
    assert concise(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(0.8, "1", "0.80"), (0.0, "1", "0.00"), (100000.0, "1", "100,000"), (5.0, "ms", "5"), (1e-4, "1", "0.0001")]
)  # fmt: skip
def test_limits_read_as_they_are_set(value: float, unit: str, text: str) -> None:
    assert limit_number(value, unit) == text


def test_titles_that_no_catalogue_gives_begin_with_a_capital() -> None:
    run = income_run()
    page = parse(render_report(dataclasses.replace(run, messages={})))
    assert page.one("tr", id="gate-validity").every("a")[0].text == "Validity"


def test_title_of_a_block_is_no_title_of_a_metric_of_its_name(run: AuditRun) -> None:
    misspelt = gate("typo", "resources.latency", "error", topic="resources", reason=Message(key="core.metric_missing"))
    row = parse(render_report(dataclasses.replace(run, gates=(misspelt,)))).one("tr", id="gate-typo")
    assert row.every("a")[0].text == "Latency"
    assert "{p95" not in row.text


def test_finding_belongs_to_a_gate_that_gives_fewer_labels_than_its_metric_has() -> None:
    run = income_run()
    fairness = run.results[4]
    (sex,) = (m for m in fairness.metrics if m.name == "demographic_parity_ratio" and m.where == {"feature": "sex"})
    bare = dataclasses.replace(next(decision for decision in run.gates if decision.id == "parity-sex"), where={})
    fairness = dataclasses.replace(fairness, metrics=(sex,))
    page = parse(render_report(dataclasses.replace(run, results=(fairness,), gates=(bare,), cases=())))
    (finding,) = page.one("section", id="summary").every("li", lambda li: li.attributes.get("id") == "finding-1")
    assert "Women are predicted above the line far less often than men" in finding.text
    assert "Gate G01" in finding.text


def test_renewed_waiver_names_who_renewed_it(run: AuditRun) -> None:
    ended = dataclasses.replace(run.waivers[0], until="2026-01-31", by="B. Before", reason="accepted last year")
    page = parse(render_report(dataclasses.replace(run, waivers=(ended, *run.waivers))))
    text = page.one("tr", id="gate-calibration").text
    assert "Waived by A. Reviewer: accepted for the pilot" in text
    assert "B. Before" not in text


def test_tool_and_times_of_a_run_are_said_once() -> None:
    page = parse(render_report(income_run()))
    facts = page.one("section", id="provenance").every("dd")
    assert [fact.text for fact in facts[:2]] == ["2026-11-20 09:14 to 09:15 UTC", "Auditbench 0.1.0"]
    assert page.one("footer").text.startswith("Rendered by Auditbench 0.1.0 from run.json")
