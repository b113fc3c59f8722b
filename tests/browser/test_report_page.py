"""The report in real browsers, from a local file: what it asks for, how it fits, who can read it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from auditbench_html.shortening import short_style
from tests.browser.driven import Driven

pytestmark = pytest.mark.browser
MOST_ELEMENTS = 8000
LEAST_READABLE = 0.98
WATCHED = """<!doctype html><html><head><title>x</title><meta http-equiv="Content-Security-Policy" content="font-src 'none'">
<style>@font-face { font-family: f; src: url(data:font/woff2;base64,AAAA) } p { font-family: f }</style></head>
<body><p style="width: 5000px; color: #ccc">hard to read</p><img src="http://127.0.0.1:44444/pixel.png">
<script>console.log("hello"); alert("there"); setTimeout(() => { throw new Error("thrown"); })</script></body></html>"""


@pytest.fixture(params=["english", "chinese"])
def page(request: pytest.FixtureRequest, report: Path, chinese: Path) -> Path:
    return report if request.param == "english" else chinese


def test_what_is_wrong_with_a_page_is_seen(driven: Driven, tmp_path: Path) -> None:
    file = tmp_path / "wrong.html"
    file.write_text(WATCHED)
    driven.open(file)
    found = " ".join(driven.said())
    for said in ("wrote hello", "dialog there", "thrown", "asked for http://127.0.0.1:44444/", "refused font-src"):
        assert said in found
    assert driven.ask("checks.overflow()")[0]
    rules = {rule for rule, _ in driven.accessibility()["problems"]}
    assert {"color-contrast", "html-has-lang", "image-alt"} <= rules


@pytest.mark.parametrize(
    ("page", "width", "dark"),
    [
        pytest.param("english", 390, False, id="english-390-light"),
        pytest.param("english", 390, True, id="english-390-dark"),
        pytest.param("english", 1280, False, id="english-1280-light"),
        pytest.param("english", 1280, True, id="english-1280-dark"),
        pytest.param("chinese", 390, True, id="chinese-390-dark"),
        pytest.param("chinese", 1280, False, id="chinese-1280-light"),
    ],
    indirect=["page"],
)
def test_page_is_accessible_small_and_silent_and_fits(driven: Driven, page: Path, width: int, dark: bool) -> None:
    driven.open(page, width=width, dark=dark)
    driven.ask("checks.unfold()")
    found = driven.accessibility()
    assert found["version"].startswith("4.14.")
    assert found["problems"] == []
    assert found["passed"] > 20
    assert driven.ask("checks.elements()") <= MOST_ELEMENTS
    assert driven.ask("checks.overflow()") == [False, []]
    assert driven.said() == []


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_is_wider_than_the_screen(driven: Driven, page: Path, width: int) -> None:
    driven.open(page, width=width)
    driven.ask("checks.unfold()")
    assert driven.ask("checks.overflow()") == [False, []]


def test_page_reads_without_script(driven: Driven, page: Path, unscripted: Callable[[Path], Path]) -> None:
    words = []
    for file in (page, unscripted(page)):
        driven.open(file)
        words.append(Counter(driven.ask("checks.words()")))
    with_script, without = words
    assert with_script.total() > 2000
    assert (with_script & without).total() >= LEAST_READABLE * with_script.total()


def test_scheme_of_the_system_is_followed(driven: Driven, report: Path) -> None:
    grounds = []
    for dark in (False, True):
        driven.open(report, dark=dark)
        grounds.append(driven.ask("checks.ground()"))
    assert grounds == ["rgb(245, 246, 248)", "rgb(12, 16, 21)"]


def test_chinese_type_has_its_own_fonts_line_height_and_no_slant(driven: Driven, chinese: Path) -> None:
    driven.open(chinese)
    family, size, height = driven.ask(
        "(() => { const s = getComputedStyle(document.body); return [s.fontFamily, parseFloat(s.fontSize), parseFloat(s.lineHeight)]; })()"
    )
    assert "PingFang SC" in family.split(",")[0]
    assert height / size == pytest.approx(1.8)
    slanted = (
        "[...document.querySelectorAll(':lang(zh)')].map((e) => getComputedStyle(e))"
        ".filter((s) => s.fontStyle !== 'normal' || parseFloat(s.letterSpacing) < 0).length"
    )
    assert driven.ask(slanted) == 0


def test_short_style_holds_the_rules_of_the_written_one(driven: Driven, report: Path) -> None:
    driven.open(report)
    written = (resources.files("auditbench_html") / "static" / "report.css").read_text("utf-8")
    full, short = (
        [re.sub(r"\s*([,{}:;])\s*", r"\1", " ".join(rule.split())) for rule in driven.ask(f"checks.rules({style!r})")]
        for style in (written, short_style(written))
    )
    assert len(full) > 200
    assert short == full


def test_nothing_moves_while_the_page_opens(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.add_init_script(
        "globalThis.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => { shift += entry.value; }))"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    assert page.evaluate("shift") <= 0.02
    page.close()
