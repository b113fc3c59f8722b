"""Lines that others read a number against: drawn beside it, named in the key, and told apart from limits of gates."""

from __future__ import annotations

import dataclasses
import math

import pytest

from auditbench.errors import ResultError
from auditbench.findings import Message
from auditbench.record import plain, validate
from auditbench.results import AnalysisResult, Interval, Metric, ReferenceLine
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import Element, parse
from tests.html_results import group_metric

LINE = ReferenceLine(value=0.8, label=Message(key="toy.line"))
WORDS = {"en": {"toy.line": "Four fifths, a toy line"}}


def ratio(name: str, value: float, *, n: int = 90, line: ReferenceLine | None = LINE, **where: str) -> Metric:
    interval = Interval(low=value - 0.1, high=value + 0.05, method="toy")
    return Metric(name=name, value=value, n=n, interval=interval, where=where, reference=line)


def section(*metrics: Metric) -> Element:
    run: AuditRun = income_run()
    result = AnalysisResult(analyzer="toy", topic="fairness", version="0.1.0", metrics=metrics)
    run = dataclasses.replace(run, results=(result,), gates=(), messages=WORDS)
    return parse(render_report(run)).one("section", id="fairness")


def lines(figure: Element, kind: str) -> list[str]:
    """Places of the lines of rows that have these classes, and no others."""
    return [each.attributes["x"] for each in figure.every("use", lambda item: item.attributes.get("class") == kind)]


def test_a_line_is_drawn_beside_its_measures_alone() -> None:
    figure = section(ratio("ratio", 0.5, feature="sex"), ratio("share", 0.4, line=None, feature="sex")).one("figure")
    assert len(lines(figure, "ref-l k-mute")) == 1
    assert lines(figure, "ref-l") == []
    assert "Four fifths, a toy line" in figure.text
    assert "Limit of a gate" not in figure.text


def test_the_scale_reaches_the_line() -> None:
    figure = section(ratio("ratio", 0.2, feature="sex"), ratio("ratio", 0.3, feature="race")).one("figure")
    places = [float(place.rstrip("%")) for place in lines(figure, "ref-l k-mute")]
    assert len(places) == 2
    assert all(0 < place <= 100 for place in places)


def test_without_a_line_there_is_no_key_for_one() -> None:
    figure = section(ratio("ratio", 0.5, line=None, feature="sex"), ratio("ratio", 0.6, line=None, feature="race")).one(
        "figure"
    )
    assert lines(figure, "ref-l k-mute") == []
    assert "toy line" not in figure.text


def test_of_groups_the_line_stands_in_the_place_of_the_largest_group() -> None:
    metrics = [
        group_metric("selection_rate", "sex", group, n, rate) for group, n, rate in (("F", 40, 0.2), ("M", 90, 0.4))
    ]
    of_groups = (("F", 40, 0.5), ("M", 90, 0.95))
    with_line = [ratio("ratio", value, n=n, feature="sex", group=group) for group, n, value in of_groups]
    figure = section(*metrics, *with_line).one("figure")
    assert "Largest group, M" in figure.text
    assert "Four fifths, a toy line" in figure.text
    assert "the key says what dashed lines mark" in figure.text
    (place,) = lines(figure, "ref-l k-c2")
    (other,) = lines(figure, "ref-l k-c1")
    assert float(place.rstrip("%")) > float(other.rstrip("%"))


def test_a_line_survives_the_record_and_metrics_without_one_stay_as_they_were() -> None:
    metric = ratio("ratio", 0.5)
    assert validate(Metric, plain(metric), where="metric") == metric
    assert "reference" not in plain(ratio("ratio", 0.5, line=None))


def test_a_line_is_a_finite_number() -> None:
    with pytest.raises(ResultError):
        ReferenceLine(value=math.nan, label=Message(key="toy.line"))
