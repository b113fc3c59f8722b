"""Contributions on a series: neighbouring steps of one strength are one mark, and a series that is not to be shown is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from auditbench.findings import Message
from auditbench.results import AnalysisResult, SeriesAttribution
from auditbench_html.view.draft import Draft
from auditbench_html.view.marked import MarkedSeries, Span
from auditbench_html.view.series import series_figure
from tests.html_every_block import every_block_run
from tests.unit.test_html_chinese import SAY

VALUES = np.array([[0.9, 0.9, 0.0, -0.5, -0.5, -0.5], [0.05, 0.05, 0.0, 0.0, 0.0, 0.4]])


def drawn(*, raw: bool, series: np.ndarray | None) -> tuple[MarkedSeries, list[list[str]]]:
    run = every_block_run()
    run = dataclasses.replace(run, config={**run.config, "report": {"raw_inputs": raw}})
    block = SeriesAttribution(
        name="s",
        title=Message(key="blocks.series"),
        row_id="1",
        channels=("x", "y"),
        series=series,
        values=VALUES,
        unit="logit",
    )
    figure = series_figure(Draft(run=run, say=SAY), AnalysisResult(analyzer="blocks", topic="blocks"), block)
    assert isinstance(figure.body, MarkedSeries)
    assert figure.data is not None
    return figure.body, [[str(cell.text) for cell in row] for row in figure.data.rows]


def test_neighbouring_steps_of_one_strength_are_one_mark() -> None:
    body, rows = drawn(raw=True, series=np.arange(12.0).reshape(2, 6))
    assert body.lines[0].spans == (Span(start=0, stop=160, depth=3), Span(start=240, stop=480, depth=-2))
    assert body.lines[1].spans == (Span(start=400, stop=480, depth=2),)
    assert [row[:2] for row in rows] == [["x", "0–1"], ["x", "3–5"], ["y", "5"], ["y", "0–1"]]


@pytest.mark.parametrize(("raw", "series"), [(False, np.zeros((2, 6))), (True, None), (True, np.full((2, 6), np.nan))])
def test_marks_stay_without_the_line(raw: bool, series: np.ndarray | None) -> None:
    body, _ = drawn(raw=raw, series=series)
    assert [len(line.spans) for line in body.lines] == [2, 1]
    assert not any(line.line.points for line in body.lines)
    assert all(str(line.line.alt) and str(line.line.label) for line in body.lines)
