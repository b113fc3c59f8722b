"""What the script of the report does, with real clicks and keys in real browsers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.driven import Driven
from tests.html_budget import pictured_run
from tests.html_fixture import render_to

pytestmark = pytest.mark.browser
ROWS = "#gate-table tbody tr:not(.axis)"
PASSED = "#gate-table tbody tr[data-s=pass]"
SEARCH = ".tools input"
NUMBERS = f"[...document.querySelectorAll('{ROWS}')].map((row) => row.children[%d].dataset.v)"


def text_of(driven: Driven, selector: str) -> str:
    found: str = driven.ask(f"document.querySelector({selector!r}).innerText")
    return found


def test_gates_that_pass_are_folded_on_a_phone_until_looked_for(driven: Driven, report: Path) -> None:
    driven.open(report, width=390)
    everything: int = driven.ask(f"document.querySelectorAll('{PASSED}').length")
    assert everything > 2
    assert driven.seen(PASSED) == 0
    assert driven.seen("#gate-table tbody tr[data-s=fail]") > 0
    driven.click(".unfold")
    assert driven.seen(PASSED) == everything
    assert driven.seen(".unfold") == 0
    driven.reload()
    driven.write(SEARCH, "latency")
    assert driven.seen(PASSED) == 2
    driven.reload()
    driven.click(".wall .tile.pass")
    assert driven.seen(PASSED) == everything


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, False)])
def test_gates_that_pass_are_seen_on_wide_screens_and_without_script(
    driven: Driven, report: Path, unscripted: Callable[[Path], Path], width: int, script: bool
) -> None:
    driven.open(report if script else unscripted(report), width=width)
    assert driven.seen(PASSED) == driven.ask(f"document.querySelectorAll('{PASSED}').length") > 2
    assert driven.seen(".unfold") == 0


def test_theme_button_goes_through_three_themes(driven: Driven, report: Path) -> None:
    driven.open(report)
    light = driven.ask("checks.ground()")
    shown = [(text_of(driven, "#theme"), light)]
    for _ in range(3):
        driven.click("#theme")
        shown.append((text_of(driven, "#theme"), driven.ask("checks.ground()")))
    dark = shown[2][1]
    assert dark != light
    assert shown == [("Theme: auto", light), ("Theme: light", light), ("Theme: dark", dark), ("Theme: auto", light)]


def test_gates_are_filtered_by_state_and_by_text(driven: Driven, report: Path) -> None:
    driven.open(report)
    everything = driven.seen(ROWS)
    driven.click(".tools button[data-s=fail]")
    assert driven.seen(ROWS) == driven.seen(f"{ROWS}[data-s=fail]") == 2
    assert text_of(driven, ".tools output") == f"Showing 2 of {everything}"
    assert text_of(driven, ".tools button[aria-pressed=true]") == "Fail 2"
    driven.click(".tools button[data-s='']")
    driven.write(SEARCH, "p95")
    assert driven.seen(ROWS) == 1
    driven.write(SEARCH, "")
    assert driven.seen(ROWS) == everything


@pytest.mark.parametrize("column", [3, 5], ids=["observed", "since-baseline"])
def test_gates_are_sorted_by_number_with_missing_values_last(driven: Driven, report: Path, column: int) -> None:
    driven.open(report)
    for direction, reverse in (("ascending", False), ("descending", True)):
        driven.click(f"#gate-table thead th:nth-child({column}) button")
        assert driven.ask("document.querySelector('#gate-table th[aria-sort]').ariaSort") == direction
        shown = driven.ask(NUMBERS % (column - 1))
        assert "" in shown
        known = [float(value) for value in shown if value]
        assert known == sorted(known, reverse=reverse)
        assert shown[len(known) :] == [""] * (len(shown) - len(known))
    assert driven.ask("document.querySelector('#gate-table tbody').lastElementChild.className") == "axis"


def test_link_into_something_folded_opens_it(driven: Driven, report: Path) -> None:
    driven.open(report)
    folded = "details > article"
    assert driven.seen(f"{folded}:first-of-type") == 0
    driven.ask(f"location.hash = document.querySelector('{folded}').id")
    driven.ask("new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))")
    assert driven.seen(f"{folded}:first-of-type") > 0


def test_rows_that_are_drawn_open_by_key_and_by_link(driven: Driven, tmp_path: Path) -> None:
    driven.open(render_to(tmp_path, pictured_run()))
    opened = "[...document.querySelectorAll('#blocks details.drawn')].slice(0, 4).map((row) => row.open)"
    assert driven.ask(opened) == [True, False, False, False]
    driven.ask("document.querySelectorAll('#blocks details.drawn > summary')[1].focus(); null")
    driven.press("Enter")
    assert driven.ask(opened) == [True, True, False, False]
    driven.press("Enter")
    assert driven.ask(opened) == [True, False, False, False]
    driven.ask("location.hash = document.querySelectorAll('#blocks details.drawn')[2].querySelector('figure').id; null")
    driven.ask("new Promise((done) => requestAnimationFrame(done)).then(() => null)")
    assert driven.ask(opened) == [True, False, True, False]


def test_contents_are_reached_by_keyboard_first(driven: Driven, report: Path) -> None:
    driven.open(report)
    driven.press("Tab")
    assert driven.ask("document.activeElement.getAttribute('href')") == "#main"
    assert driven.seen(".skip") == 1
