"""Tables of many columns: whole on paper, and on a screen whole or faded out where they go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Column, Matrix, Table
from tests.browser.driven import Driven
from tests.html_budget import pictured_run
from tests.html_every_block import every_block_run
from tests.html_fixture import render_to

pytestmark = pytest.mark.browser
PAPER = 680
"""Pixels of CSS between the margins of A4, and a little less."""
WIDER = """[...document.querySelectorAll('table')].filter((table) => table.checkVisibility()).flatMap((table) => {
  const edge = table.parentElement.getBoundingClientRect().right + 1;
  const cut = [...table.querySelectorAll('.heat :is(td, th)')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1);
  const wide = [table, ...table.querySelectorAll('td, th')].filter((part) => part.getBoundingClientRect().right > edge);
  return [...cut, ...wide].slice(0, 3).map((part) => part.outerHTML.slice(0, 160));
})"""


def wide_page(folder: Path, columns: int, rows: int = 4) -> Path:
    """One matrix of signed numbers, one of counts, and a table of as many numbers a row."""
    row, column = Message(key="row"), Message(key="column")
    names = tuple(f"{place} everything" for place in range(1, columns + 1))
    signed = Matrix(
        name="signed", title=Message(key="signed"), rows=names[:rows], columns=names, row_label=row, column_label=column,
        values=tuple(tuple((-1) ** (i + j) * 2.6 / (1 + i * j) ** 2 for j in range(columns)) for i in range(rows)),
    )  # fmt: skip
    counts = Matrix(
        name="counts", title=Message(key="counts"), rows=names, columns=names, kind="confusion", row_label=row, column_label=column,
        values=tuple(tuple(1000.0 if i == j else 12.0 for j in range(columns)) for i in range(columns)),
    )  # fmt: skip
    table = Table(
        name="table", title=Message(key="table"),
        columns=tuple(Column(name=f"Accuracy {place}", label=Message(key=f"Accuracy {place}"), kind="number") for place in range(columns)),
        rows=(tuple(0.12345 * place for place in range(columns)),) * 3,
    )  # fmt: skip
    result = AnalysisResult(analyzer="wide", topic="wide", matrices=(signed, counts), tables=(table,))
    return render_to(folder, dataclasses.replace(every_block_run(), results=(result,), gates=()))


@pytest.mark.parametrize("columns", [4, 5, 10, 12, 20, 40])
def test_no_table_on_paper_is_wider_than_its_place(browser: Browser, tmp_path: Path, columns: int) -> None:
    page = browser.new_page(viewport={"width": 794, "height": 1000})
    page.goto(wide_page(tmp_path, columns).as_uri())
    page.emulate_media(media="print")
    page.evaluate(f"document.querySelector('main').style.width = '{PAPER}px'")
    assert page.locator("table.heat").count() == 2
    assert page.locator("table.heat").first.locator("thead th").count() == columns
    assert page.evaluate(WIDER) == []
    page.close()


@pytest.mark.parametrize("columns", [5, 10, 12])
def test_numbered_tables_fit_a_desktop(driven: Driven, tmp_path: Path, columns: int) -> None:
    driven.open(wide_page(tmp_path, columns), width=1280)
    heat = "[...document.querySelectorAll('.scroll:has(.heat)')].filter((box) => box.scrollWidth > box.clientWidth)"
    assert driven.ask(f"{heat}.length") == 0


def test_a_table_that_goes_on_fades_out_until_it_is_scrolled_to_its_end(driven: Driven, tmp_path: Path) -> None:
    driven.open(wide_page(tmp_path, 12), width=390)
    later = "new Promise((done) => setTimeout(() => done(%s), 300))"
    box = "document.querySelector('.scroll:has(.heat)')"
    faded = f"[{box}.classList.contains('beyond'), getComputedStyle({box}).maskImage !== 'none']"
    assert driven.ask(f"{box}.scrollWidth > {box}.clientWidth")
    assert driven.ask(later % faded) == [True, True]
    driven.ask(f"{box}.scrollLeft = {box}.scrollWidth")
    assert driven.ask(later % faded) == [False, False]
    driven.open(wide_page(tmp_path, 4), width=1280)
    assert driven.ask(later % faded) == [False, False]


def test_titles_of_drawn_rows_begin_beside_their_arrow_on_a_phone(driven: Driven, tmp_path: Path) -> None:
    driven.open(render_to(tmp_path, pictured_run()), width=390)
    tops = driven.ask(
        """[...document.querySelectorAll('details.drawn > summary')].filter((one) => one.checkVisibility()).map((one) => {
          one.querySelector('h4').textContent = 'Row 17 · predicted soc.religion.christian · observed alt.atheism';
          return one.querySelector('h4').getBoundingClientRect().top - one.getBoundingClientRect().top;
        })"""
    )
    assert tops
    assert max(tops) < 12


def test_titles_of_axes_fit_a_phone(driven: Driven, tmp_path: Path) -> None:
    run = every_block_run()
    long = "Tokens that the model has seen before the one that it predicts"
    curves = tuple(
        dataclasses.replace(curve, x=dataclasses.replace(curve.x, label=Message(key=long)))
        for result in run.results
        for curve in result.curves[:1]
    )
    result = AnalysisResult(analyzer="long", topic="long", curves=curves[:1])
    driven.open(render_to(tmp_path, dataclasses.replace(run, results=(result,), gates=())), width=390)
    assert long in driven.ask("document.querySelector('#long').innerText")
    beyond = driven.ask(
        """[...document.querySelectorAll('#long .fig :is(text, p)')].filter((one) => one.checkVisibility()
          && one.getBoundingClientRect().right > one.closest('.fig').getBoundingClientRect().right)
          .map((one) => one.textContent)"""
    )
    assert beyond == []
