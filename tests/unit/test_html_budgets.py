"""How large a report may be, alone and with pictures."""

from __future__ import annotations

import gzip

import pytest

from auditbench_html.render import render_report
from tests.html_budget import GATES, PICTURES, budget_run, in_chinese, pictured_run
from tests.html_page import parse

MOST_BYTES, MOST_COMPRESSED = 300_000, 60_000
MOST_WITH_PICTURES, LARGEST_PICTURE = 2_000_000, 60_000


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_page_with_every_figure_is_small(language: str) -> None:
    run = in_chinese(budget_run()) if language == "zh-CN" else budget_run()
    page = render_report(run, language=language)
    tree = parse(page)
    assert len(tree.one("table", id="gate-table").every("tr", lambda row: "data-s" in row.attributes)) == GATES
    assert len(tree.every("figure")) >= 14
    assert len(page) <= MOST_BYTES
    assert len(gzip.compress(page)) <= MOST_COMPRESSED


def test_pictures_are_small_each_and_together() -> None:
    page = render_report(pictured_run())
    sizes = [len(image.attributes["src"]) for image in parse(page).every("img")]
    assert len(sizes) > PICTURES
    assert max(sizes) > LARGEST_PICTURE / 4
    assert max(sizes) <= LARGEST_PICTURE
    assert len(page) <= MOST_WITH_PICTURES
