"""Points of a scatter with intervals: in the record, on the page and in tables, with labels that cover nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Axis, Interval, Point, Scatter
from auditbench.run import AuditRun
from auditbench.run_file import decode_run, encode_run
from auditbench_html import draw
from auditbench_html.render import render_report
from auditbench_html.view.figures import PlacedPoint, ScatterChart
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, words
from auditbench_tables.sheets import sheets
from tests.html_every_block import every_block_run
from tests.html_page import Element, parse

ACROSS, ALONG = (Interval(low=low, high=low + 0.2, method="wilson") for low in (0.0, 0.7))
WORDS = {"odd.title": "Cost", "odd.x": "Gap", "odd.y": "Accuracy", "odd.point": "The model as it is"}
POINTS = (
    Point(label="as-is", title=Message(key="odd.point"), x=0.0, y=0.8, x_interval=ACROSS, y_interval=ALONG, highlighted=True),
    Point(label="other", x=0.1, y=0.75),
)  # fmt: skip


def run_with(*points: Point) -> AuditRun:
    scatter = Scatter(
        name="frontier",
        title=Message(key="odd.title"),
        x=Axis(label=Message(key="odd.x")),
        y=Axis(label=Message(key="odd.y")),
        points=points,
        frontier=("as-is",),
    )
    result = AnalysisResult(analyzer="odd", topic="odd", scatters=(scatter,))
    messages = dict.fromkeys(("en", "zh-CN"), WORDS)
    return dataclasses.replace(every_block_run(), results=(result,), gates=(), messages=messages)


def figure_of(run: AuditRun) -> Element:
    (found,) = parse(render_report(run, language="en")).one("section", id="odd").every("figure")
    return found


def test_intervals_come_back_from_the_record_and_points_without_them_are_as_they_were() -> None:
    content = encode_run(run_with(*POINTS))
    assert decode_run(content).results[0].scatters[0].points == POINTS
    first, second = json.loads(content)["results"][0]["scatters"][0]["points"]
    assert first["x_interval"]["low"] == 0.0  # an end at 0 is no missing one
    assert set(second) == {"label", "x", "y", "highlighted"}


def test_each_interval_is_a_line_through_its_point_and_stands_in_the_data() -> None:
    figure = figure_of(run_with(*POINTS))
    lines = figure.every("line", lambda element: "whisker" in element.classes)
    assert len(lines) == 2
    (dot,) = figure.every("circle")
    across, along = (line.attributes for line in lines)
    assert across["y1"] == across["y2"] == dot.attributes["cy"]
    assert float(across["x1"]) <= float(dot.attributes["cx"]) <= float(across["x2"])
    assert along["x1"] == along["x2"] == dot.attributes["cx"]
    assert float(along["y2"]) < float(dot.attributes["cy"]) < float(along["y1"])
    cells = [cell.text for cell in figure.every("td")]
    assert "0.800.70 to 0.90" in cells  # the interval stands below
    assert "0.75" in cells
    texts = [text.text for text in figure.every("text")]
    assert "The model as it is" in texts
    assert "as-is" not in texts


def test_tables_have_the_ends() -> None:
    (sheet,) = [sheet for sheet in sheets(run_with(*POINTS)) if sheet.name == "odd.frontier"]
    assert sheet.columns[1:] == (
        "Gap", "Accuracy", "Gap: low end of the interval", "Gap: high end of the interval",
        "Accuracy: low end of the interval", "Accuracy: high end of the interval",
    )  # fmt: skip
    assert sheet.rows[0] == ("The model as it is", 0.0, 0.8, 0.0, 0.2, 0.7, 0.7 + 0.2)
    assert sheet.rows[1] == ("other", 0.1, 0.75, None, None, None, None)


def chart(places: list[tuple[float, float]], label: str) -> ScatterChart:
    points = tuple(PlacedPoint(label=words(label), x=x, y=y, highlighted=False) for x, y in places)
    return ScatterChart(
        summary=EMPTY, x_label=EMPTY, y_label=EMPTY, x=scale_for([0.0, 1.0]), y=scale_for([0.0, 1.0]), points=points,
        frontier=(),
    )  # fmt: skip


@pytest.mark.parametrize("label", ["Thresholds, 0.05", "按组阈值 0.05"])
@pytest.mark.parametrize(
    "places",
    [
        [(0.1, 0.5), (0.12, 0.5), (0.14, 0.5)],
        [(0.1, 0.52), (0.2, 0.5), (0.3, 0.48), (0.75, 0.5)],
        [(0.5, 0.01), (0.5, 0.02), (0.5, 0.99)],
    ],
)
def test_labels_cover_neither_each_other_nor_points(places: list[tuple[float, float]], label: str) -> None:
    body = chart(places, label)
    placed = draw.labelled_points(body)
    assert len(placed) == len(places)
    boxes: list[tuple[float, float, float]] = []
    for point, left, height in placed:
        width = len(label) * (12 if ord(label[0]) > 0x2E7F else 6)
        x = float(draw.x_of(body.x, point.x))
        start = x - 10 - width if left else x + 10
        assert draw.TOP <= float(height) <= draw.BOTTOM
        for low, high, other in boxes:
            assert high <= start or low >= start + width or abs(float(height) - other) >= draw.LABEL_HEIGHT
        boxes.append((start, start + width, float(height)))


def test_a_point_has_no_more_than_its_type_says() -> None:
    keys: dict[str, Any] = {"label": "one", "x": float("nan"), "y": 0.0}
    with pytest.raises(Exception, match="finite"):
        Point(**keys)
