"""Which rows a figure, a table or a curve rests on: how many there are, and whether training saw them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from auditbench.findings import Message
from auditbench.record import plain, validate
from auditbench.results import AnalysisResult, Axis, Column, Curve, Interval, Matrix, Metric, Sample, Series, Table
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import Element, parse

T = Message(key="t")
TEMPLATES = {"en": {"t": "Title", "probe": "Probe", "control": "Control task"},
             "zh-CN": {"t": "标题", "probe": "探针", "control": "对照任务"}}  # fmt: skip


def section(language: str = "en", **blocks: Any) -> Element:
    result = AnalysisResult(analyzer="toy", topic="layers", version="1", **blocks)
    run = dataclasses.replace(income_run(), results=(result,), cases=(), gates=(), messages=TEMPLATES)
    return parse(render_report(run, language=language)).one("section", id="layers")


def metric(name: str, n: int, sample: Sample) -> Metric:
    return Metric(name=name, value=0.5, n=n, sample=sample, interval=Interval(low=0.4, high=0.6, method="wilson"))


def table(**rest: Any) -> Table:
    return Table(name="rows", title=T, columns=(Column(name="a", label=T),), rows=(("x",),), **rest)


def curve(*labels: str | Message, n: tuple[int, ...] = ()) -> Curve:
    lines = tuple(Series(label=label, x=(0.0, 1.0), y=(0.2, 0.4), n=n) for label in labels)
    return Curve(name="c", title=T, x=Axis(label=T), y=Axis(label=T), series=lines)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("evaluated", "Estimate and 95% interval on the evaluated rows"),
        ("training", "Estimate and 95% interval on the training rows"),
        ("own", "Estimate and 95% interval"),
    ],
)
def test_measures_say_on_which_rows_they_are(sample: Sample, said: str) -> None:
    (figure,) = section(metrics=(metric("a", 70, sample), metric("b", 70, sample))).every("figure")
    assert figure.one("p", **{"class": "sub"}).text == said


def test_measures_on_other_rows_stand_in_another_figure() -> None:
    metrics = [metric("a", 70, "evaluated"), metric("b", 4000, "training"), metric("c", 70, "evaluated")]
    first, second = section(metrics=tuple(metrics)).every("figure")
    assert [row.text for row in first.every("th") if row.attributes.get("scope") == "row"] == ["A", "C"]
    assert ("n = 70" in first.text, "n = 4,000" in second.text) == (True, True)
    assert "on the training rows" in second.text


@pytest.mark.parametrize(
    ("block", "said", "on_training"),
    [
        pytest.param(table(), "n = 70", False, id="the-most-of-the-result"),
        pytest.param(table(n=9), "n = 9", False, id="its-own"),
        pytest.param(table(sample="training"), "n = 4,000", True, id="the-most-in-training"),
        pytest.param(table(n=8000, sample="training"), "n = 8,000", True, id="its-own-in-training"),
    ],
)
def test_tables_count_the_rows_that_they_rest_on(block: Table, said: str, on_training: bool) -> None:
    metrics = (metric("a", 70, "evaluated"), metric("b", 4000, "training"))
    figure = section(metrics=metrics, tables=(block,)).every("figure")[-1]
    assert figure.every("p", lambda e: "src" in e.classes)[-1].text.endswith(said)
    assert ("On the training rows" in figure.text) == on_training


def test_matrices_and_curves_count_their_own_rows() -> None:
    matrix = Matrix(name="m", title=T, row_label=T, column_label=T, rows=("a",), columns=("b",), values=((0.5,),), n=9)
    blocks = {"metrics": (metric("a", 70, "evaluated"),), "matrices": (matrix,)}
    blocks["curves"] = (curve("x", n=(30, 40)), curve("y"), curve("z", "w", n=(200, 200)))  # type: ignore[assignment]
    found = [figure.every("p", lambda e: "src" in e.classes)[-1].text for figure in section(**blocks).every("figure")]
    ends = [text.rpartition("n = ")[2] for text in found]
    assert sorted(ends) == sorted(["70", "30 to 40", "70", "200", "9"])


@pytest.mark.parametrize(("language", "labels"), [("en", ["Probe", "Control task"]), ("zh-CN", ["探针", "对照任务"])])
def test_lines_are_named_in_the_language_of_the_page(language: str, labels: list[str]) -> None:
    (figure,) = section(language, curves=(curve(Message(key="probe"), Message(key="control")),)).every("figure")
    assert [key.text for key in figure.one("ul", **{"class": "keys"}).every("li")] == labels
    heads = [head.text for head in figure.every("th") if head.attributes.get("scope") == "col"]
    assert heads[1:] == labels


def test_records_of_earlier_versions_have_names_of_lines_and_evaluated_rows() -> None:
    result = AnalysisResult(
        analyzer="toy", curves=(curve("probe"),), tables=(table(),), metrics=(metric("a", 7, "evaluated"),)
    )
    document = plain(result)
    for block in (document["tables"][0], document["metrics"][0]):
        assert block.pop("sample", "evaluated") == "evaluated"
    document["tables"][0].pop("n", None)
    read = validate(AnalysisResult, document, where="result")
    assert read == result
    assert read.curves[0].series[0].label == "probe"
    named = dataclasses.replace(result, curves=(curve(Message(key="probe", values={"n": 1})),))
    assert validate(AnalysisResult, plain(named), where="result") == named
