"""Titles of axes: the unit stands once."""

from __future__ import annotations

import dataclasses

import pytest

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Axis
from auditbench_html.render import render_report
from tests.html_every_block import every_block_run
from tests.html_page import parse


@pytest.mark.parametrize(
    ("label", "unit", "language", "shown"),
    [
        ("Tokens that the model has seen", "tokens", "en", "Tokens that the model has seen"),
        ("Words back", "words", "en", "Words back"),
        ("Steps", "s", "en", "Steps (s)"),
        ("Latency", "ms", "en", "Latency (ms)"),
        ("奈特", "nat", "zh-CN", "奈特"),
        ("影响", "nat", "zh-CN", "影响\uff08奈特\uff09"),
    ],
)
def test_unit_of_an_axis_is_said_once(label: str, unit: str, language: str, shown: str) -> None:
    run = every_block_run()
    curve = next(curve for result in run.results for curve in result.curves)
    curve = dataclasses.replace(curve, x=Axis(label=Message(key="axis"), unit=unit))
    result = AnalysisResult(analyzer="odd", topic="odd", curves=(curve,))
    messages = {"en": {"axis": label}, "zh-CN": {"axis": label}}
    run = dataclasses.replace(run, results=(result,), gates=(), messages=messages)
    section = parse(render_report(run, language=language)).one("section", id="odd")
    assert section.one("p", **{"class": "x-label"}).text == shown
