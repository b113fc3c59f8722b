"""Groups in the report: in their natural order, in the language of the page, and in words where they are too small to draw."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from auditbench.findings import Finding, Message
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun, Case
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import Element, parse
from tests.html_results import group_metric

RATES = ("selection_rate", "true_positive_rate")
BANDS = {"0.2 and over": 400, "under 0.1": 90, "0.1 to under 0.2": 250}
FAIRNESS = load_messages("auditbench_fairness")


def rates(groups: dict[str, int], value: float | None = 0.4, feature: str = "brightness", **where: str) -> list[Metric]:
    metrics = [group_metric(name, feature, group, n, value) for group, n in groups.items() for name in RATES]
    return [dataclasses.replace(metric, where={**metric.where, **where}) for metric in metrics]


def run_of(*metrics: Metric, findings: tuple[Finding, ...] = (), cases: tuple[Case, ...] = ()) -> AuditRun:
    """The income audit whose fairness is measured by groups of brightness, with nothing else."""
    run = income_run()
    fairness = AnalysisResult(
        analyzer="fairness", topic="fairness", status="ok", version="0.1.0", metrics=metrics, findings=findings
    )
    return dataclasses.replace(
        run,
        data=dataclasses.replace(run.data, sensitive=("brightness",), computed=("brightness",)),
        results=(fairness,),
        gates=(),
        cases=cases,
        messages={language: dict(words) for language, words in FAIRNESS.items()},
    )


def section(run: AuditRun, language: str = "en", name: str = "fairness") -> Element:
    return parse(render_report(run, language=language)).one("section", id=name)


def row_heads(figure: Element) -> list[list[str]]:
    """Heads of the rows of each table of a figure."""
    tables = [table.every("th", lambda cell: cell.attributes.get("scope") == "row") for table in figure.every("table")]
    return [[head.own_text for head in heads] for heads in tables]


def test_bands_stand_from_low_to_high_in_figure_and_table() -> None:
    (figure,) = section(run_of(*rates(BANDS))).every("figure")
    assert row_heads(figure) == [["under 0.1", "0.1 to under 0.2", "0.2 and over"]] * 2
    assert "Largest group, 0.2 and over" in figure.text


def test_bands_in_a_title_name_their_feature() -> None:
    metrics = [group_metric("accuracy", "brightness", group, n, n / 500 + 0.1) for group, n in BANDS.items()]
    (figure,) = section(run_of(*metrics)).every("figure")
    title = "Accuracy runs from 28.0% (brightness under 0.1, n = 90) to 90.0% (brightness 0.2 and over, n = 400)"
    assert figure.one("h3").text == title


def test_bands_stand_in_order_beside_other_features() -> None:
    groups = {f"{sex} & {band}": n for sex in ("Male", "Female") for band, n in BANDS.items()}
    (figure,) = section(run_of(*rates(groups, feature="sex & brightness"))).every("figure")
    bands = ("under 0.1", "0.1 to under 0.2", "0.2 and over")
    assert row_heads(figure)[0] == [f"{sex} & {band}" for sex in ("Female", "Male") for band in bands]


def test_other_groups_stand_by_size() -> None:
    (figure,) = section(run_of(*rates({"a": 50, "b": 90, "c": 70}))).every("figure")
    assert row_heads(figure)[0] == ["b", "c", "a"]


def test_groups_and_computed_features_are_said_in_the_language_of_the_page() -> None:
    small = Message(
        key="fairness.finding.small_groups",
        values={"n": 2, "total": 3, "feature": "brightness", "groups": "under 0.1, 0.1 to under 0.2"},
    )
    finding = Finding(rule="fairness.small_groups", severity="low", title=small, where={"feature": "brightness"})
    case = Case(
        row_id="1", rule="group", where={"brightness": "0.1 to under 0.2"}, output=(0.1,), predicted="no",
        observed="no", inputs=(),
    )  # fmt: skip
    page = parse(render_report(run_of(*rates(BANDS), findings=(finding,), cases=(case,)), language="zh-CN"))
    fairness = page.one("section", id="fairness")
    assert row_heads(fairness.every("figure")[0])[0] == ["低于 0.1", "0.1 至不足 0.2", "0.2 及以上"]
    assert "低于 0.1，0.1 至不足 0.2" in page.one("section", id="summary").text  # noqa: RUF001 - Chinese comma
    assert "亮度 0.1 至不足 0.2" in page.one("section", id="cases").text
    assert "亮度（brightness）" in page.one("section", id="facts").text  # noqa: RUF001 - Chinese brackets
    assert not any(word in page.one("body").text for word in (" to under ", "and over"))
    assert "brightness" not in fairness.text + page.one("section", id="summary").text


def test_a_feature_that_is_a_column_keeps_its_name() -> None:
    run = run_of(*rates(BANDS))
    run = dataclasses.replace(run, data=dataclasses.replace(run.data, computed=()))
    assert "brightness" in section(run, "zh-CN").text


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_groups_too_small_to_estimate_are_told_and_not_drawn(language: str) -> None:
    differences = [
        Metric(
            name=f"{name}_difference", value=None, n=0, where={"feature": "brightness"},
            reason=Message(key="fairness.undefined.one_group"),
        )
        for name in (*RATES, "accuracy")
    ]  # fmt: skip
    found = section(run_of(*rates({"0.2 and over": 12, "under 0.1": 9}, None), *differences), language)
    assert not found.every("figure")
    (box,) = found.every("div", lambda element: "state" in element.classes)
    if language == "en":
        assert "No comparison by brightness" in box.text
        assert "2 of 2 groups have too few rows" in box.text
        assert "under 0.1 (fewer than 10 rows) and 0.2 and over (12 rows)" in box.text


def test_many_small_groups_are_counted_and_not_all_named() -> None:
    groups = {f"{low} to {low + 9}": 12 for low in range(0, 500, 10)}
    (box,) = section(run_of(*rates(groups, None))).every("div", lambda element: "state" in element.classes)
    assert "50 of 50 groups" in box.text
    assert "0 to 9 (12 rows), 10 to 19 (12 rows), 20 to 29 (12 rows), 30 to 39 (12 rows) and 46 more" in box.text


def test_one_group_of_all_rows_is_told_and_not_drawn() -> None:
    found = section(run_of(*rates({"under 0.1": 200})))
    assert not found.every("figure")
    assert "All rows are in one group, under 0.1 (200 rows), so there is nothing to compare." in found.text


def test_a_class_without_enough_rows_is_told_beside_the_others() -> None:
    found = section(run_of(*rates(BANDS, **{"class": "cat"}), *rates(BANDS, None, **{"class": "dog"})))
    assert len(found.every("figure")) == 1
    (box,) = found.every("div", lambda element: "state" in element.classes)
    assert "No comparison by brightness for class dog" in box.text


def test_a_rate_that_a_group_lacks_is_told_in_its_row() -> None:
    metrics = [*rates(BANDS), group_metric("true_positive_rate", "brightness", "under 0.1", 90, None)]
    (figure,) = section(run_of(*metrics)).every("figure")
    first = figure.every("table")[0].every("tr")[1]
    assert first.every("td")[1].text == "—not estimated"
    assert first.every("line")


@pytest.mark.parametrize(("classes", "closed"), [(3, 0), (4, 4)])
def test_figures_of_many_classes_are_closed_at_first(classes: int, closed: int) -> None:
    metrics = [metric for number in range(classes) for metric in rates(BANDS, **{"class": f"c{number}"})]
    found = section(run_of(*rates(BANDS), *metrics))
    assert len(found.every("figure")) == classes + 1
    folded = found.every("details", lambda element: "more figures" in element.text)
    assert sum(len(details.every("figure")) for details in folded) == closed
    numbers = [int(figure.attributes["id"].removeprefix("fig-")) for figure in found.every("figure")]
    assert numbers == sorted(numbers)


def test_so_many_classes_that_not_all_are_drawn_are_counted() -> None:
    metrics = [metric for number in range(43) for metric in rates(BANDS, **{"class": f"c{number}"})]
    found = section(run_of(*metrics))
    assert len(found.every("figure")) == 40
    assert "3 more are not drawn; run.json holds their numbers." in found.text


def test_rows_of_classes_do_not_repeat_what_the_title_says() -> None:
    metrics = [
        dataclasses.replace(
            group_metric("demographic_parity_difference", "brightness", "x", 400, 0.1 * number),
            where={"feature": "brightness", "class": f"c{number}"},
        )
        for number in range(1, 7)
    ]
    (figure,) = section(run_of(*metrics)).every("figure")
    assert figure.one("h3").text == "Demographic parity difference by brightness"
    assert row_heads(figure)[0] == [f"class c{number}" for number in range(1, 7)]


def test_measures_without_a_value_are_told_and_not_drawn() -> None:
    reason = Message(key="fairness.undefined.zero_denominator")
    metrics: list[Any] = [Metric(name=name, value=None, n=5, reason=reason) for name in ("precision", "accuracy")]
    found = section(run_of(*metrics))
    assert not found.every("figure")
    (box,) = found.every("div", lambda element: "state" in element.classes)
    assert box.text == "Precision and Accuracy have no valueThe rate is 0 in every group, so there is no ratio."
