"""The report on paper: how many pages, with tags for those who listen, without what only a screen needs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from auditbench.results import AnalysisResult, Metric
from auditbench.run import AuditRun
from tests.html_budget import pictured_run, usual_run
from tests.html_fixture import render_to
from tests.html_results import interval

pytestmark = pytest.mark.browser
MOST_PAGES = 20
A4 = rb"/MediaBox\s*\[\s*0 0 59[456][\d.]* 84[123][\d.]*\s*\]"


def test_paper_shows_the_report_and_not_the_controls(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(render_to(tmp_path, usual_run()).as_uri())
    page.emulate_media(media="print")
    for selector in (".toc", ".bar", ".tools", ".unfold"):
        assert not page.locator(selector).is_visible()
    for selector in ("#gate-table", "#fairness .fig", "#signoff"):
        assert page.locator(selector).first.is_visible()
    paper = page.pdf(prefer_css_page_size=True, print_background=True, tagged=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert 10 < pages <= MOST_PAGES
    assert len(re.findall(A4, paper)) == pages
    assert re.search(rb"/MarkInfo\s*<<[^>]*/Marked true", paper)
    assert b"/StructTreeRoot" in paper
    page.close()


def test_paper_shows_every_row_that_is_drawn(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(render_to(tmp_path, pictured_run()).as_uri())
    seen = "[...document.querySelectorAll('details.drawn figure')].map((one) => one.checkVisibility())"
    on_screen = page.evaluate(seen)
    page.emulate_media(media="print")
    on_paper = page.evaluate(seen)
    assert len(on_paper) > len([one for one in on_screen if one]) > 0
    assert all(on_paper)
    page.close()


def test_labels_beside_another_figure_keep_their_width_on_paper(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 794, "height": 1000})
    page.goto(render_to(tmp_path, half_run()).as_uri())
    page.emulate_media(media="print")
    page.evaluate("document.querySelector('main').style.width = '680px'")
    shares = page.evaluate(
        """[...document.querySelectorAll('.cols.two .flush tbody th')].filter((head) => head.checkVisibility())
        .map((head) => head.getBoundingClientRect().width / head.closest('table').getBoundingClientRect().width)"""
    )
    assert len(shares) >= 2
    assert min(shares) > 0.3
    page.close()


def half_run() -> AuditRun:
    """Two figures beside each other, each with a measure of a long name and its help."""
    results = tuple(
        AnalysisResult(
            analyzer=f"half{place}", topic="half",
            metrics=(
                Metric(name="prediction_depth", value=0.425, n=200, interval=interval(0.359, 0.482)),
            ),
        )
        for place in range(2)
    )  # fmt: skip
    help_text = (
        "From which share of the blocks on every later layer already has the final prediction: 0 is before the first"
    )
    messages = {"en": {f"half{place}.prediction_depth.help": help_text for place in range(2)}}
    return dataclasses.replace(usual_run(), results=results, gates=(), messages=messages)


def test_a_phone_prints_what_a_desktop_prints(browser: Browser, tmp_path: Path) -> None:
    file, rows = render_to(tmp_path, usual_run()), []
    for width in (390, 1280):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(file.as_uri())
        rows.append(len(re.findall(rb"/S\s*/TR\b", page.pdf(prefer_css_page_size=True, tagged=True))))
        page.close()
    phone, desktop = rows
    assert phone == desktop > 100
