"""Every number on the page is one of the view model, and every number of the view model stands on the page."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest

from auditbench.messages import load_messages, merge_catalogues
from auditbench_html.markup import number
from auditbench_html.render import PACKAGE, render_page
from auditbench_html.view.page import Report
from auditbench_html.view.report import build_report
from auditbench_html.view.text import Text, Words
from tests.html_budget import budget_run
from tests.html_page import Element, parse

NUMBER = re.compile(r"\d[\d,.]*")
MEASURED = {"td", "th", "dd", "text", "small"}
# What the templates count or name by themselves: places of gates, the reach of the track.
OWN = re.compile(r"G\d+ · |[−+]45%$")
# Fields that a sentence or a drawing may use, and need not.
IN_SENTENCES = ("limit_words", "gain")


@pytest.fixture(scope="module", params=["en", "zh-CN"])
def drawn(request: pytest.FixtureRequest) -> tuple[Report, Element]:
    """The view model in a language, and the page that is drawn from it."""
    found = load_messages(PACKAGE)
    complete = {name: {**found["en"], **own} for name, own in found.items()}
    templates = complete[request.param]
    report = build_report(budget_run(), templates, language=request.param, others=complete)
    say = Words(catalogue=merge_catalogues(request.param, templates))
    return report, parse(render_page(report, say))


def test_every_measured_number_on_the_page_is_that_of_the_view_model(drawn: tuple[Report, Element]) -> None:
    report, page = drawn
    said = "\n".join(_plain(str(text)) for _, text in _texts(report))
    shown = [text for text, name in _lines(page) if name in MEASURED and NUMBER.search(text) and not OWN.match(text)]
    assert len(shown) > 1000
    assert [text for text in shown if text not in said] == []


def test_every_other_number_on_the_page_counts_or_orders_things(drawn: tuple[Report, Element]) -> None:
    report, page = drawn
    said = {token for _, text in _texts(report) for token in NUMBER.findall(_plain(str(text)))}
    counts = {str(value) for _, value in _walk(report) if isinstance(value, int)} | {str(len(report.gates.gates)), "45"}
    found = {token for text, name in _lines(page) if name not in MEASURED for token in NUMBER.findall(text)}
    assert len(found) > 100
    assert {token.rstrip(".,") for token in found} - {token.rstrip(".,") for token in said} - counts == set()


def test_every_value_behind_a_cell_is_that_of_the_view_model(drawn: tuple[Report, Element]) -> None:
    report, page = drawn
    values = {number(value) for _, value in _walk(report) if isinstance(value, float)}
    cells = [element.attributes["data-v"] for element in page.every() if element.attributes.get("data-v")]
    assert len(cells) > 500
    assert [value for value in cells if value not in values | {"0", "1", "2", "3", "4"}] == []


def test_every_number_of_the_view_model_stands_on_the_page(drawn: tuple[Report, Element]) -> None:
    report, page = drawn
    shown = f"{page.text} {_plain(' '.join(value for e in page.every() for value in e.attributes.values()))}"
    texts = [(path, _plain(str(text))) for path, text in _texts(report) if not set(path) & set(IN_SENTENCES)]
    numbers = [(path, text) for path, text in texts if NUMBER.search(text)]
    assert len(numbers) > 1500
    assert [(path, text) for path, text in numbers if text not in shown] == []


def _walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value within a record, and the names of the fields that lead to it; a text is one value."""
    if isinstance(value, tuple):
        for item in value:
            yield from _walk(item, path)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Text):
        for field in dataclasses.fields(value):
            yield from _walk(getattr(value, field.name), (*path, field.name))
    else:
        yield path, value


def _texts(report: Report) -> Iterator[tuple[tuple[str, ...], Text | str]]:
    return ((path, value) for path, value in _walk(report) if isinstance(value, Text | str))


def _lines(element: Element) -> Iterator[tuple[str, str]]:
    """Each stretch of text, and the name of the element that it stands in."""
    for part in element.parts:
        if isinstance(part, str):
            yield _plain(part), element.name
        elif part.name not in ("script", "style"):
            yield from _lines(part)


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())
