"""The report in a real browser, from a local file: what it asks for, how it fits, and what its script does."""

from __future__ import annotations

import dataclasses
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from auditbench_html.render import render_report
from auditbench_html.shortening import short_style
from tests.html_every_block import every_block_run
from tests.html_fixture import gate, income_run, render_to
from tests.html_results import robustness_result
from tests.unit.test_html_odd_runs import PAYLOADS, hostile_run, many_features, many_groups

pytestmark = pytest.mark.browser
WIDTHS = (320, 390, 768, 1280)
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OVERFLOWING = """() => {
  const page = document.documentElement;
  const scrolls = (node) => { for (let n = node; n; n = n.parentElement) if (n.matches && n.matches('.scroll, .where, .vh, .sprite, svg, thead')) return true; return false; };
  const wide = [...document.querySelectorAll('main *, header *, footer')]
    .filter((node) => node.getBoundingClientRect().right > page.clientWidth + 1 && !scrolls(node) && getComputedStyle(node).position !== 'absolute');
  return [page.scrollWidth > page.clientWidth, wide.slice(0, 5).map((node) => node.outerHTML.slice(0, 120))];
}"""


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_to(tmp_path_factory.mktemp("report"), every_block_run())


@pytest.fixture(scope="session")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = dataclasses.replace(every_block_run(), config={"report": {"second_language": "en"}})
    file = tmp_path_factory.mktemp("chinese") / "report.html"
    file.write_bytes(render_report(run, language="zh-CN"))
    return file


def opened(browser: Browser, file: Path, *, width: int = 1280, **context: Any) -> Page:
    """The page at a width; everything it says goes into `page.said`."""
    page = browser.new_context(viewport={"width": width, "height": 800}, **context).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    page.said = said  # type: ignore[attr-defined]
    return page


@pytest.mark.parametrize("width", [390, 1280])
def test_page_asks_for_nothing_and_reports_nothing(browser: Browser, report: Path, width: int) -> None:
    page = opened(browser, report, width=width)
    page.wait_for_load_state("networkidle")
    assert page.said == []  # type: ignore[attr-defined]
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation(browser: Browser, report: Path, width: int, scheme: Any) -> None:
    page = opened(browser, report, width=width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", list(WCAG))
    problems = [(item["id"], [node["html"][:160] for node in item["nodes"][:3]]) for item in found["violations"]]
    assert problems == []
    assert len(found["passes"]) > 20
    page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(browser: Browser, report: Path, width: int) -> None:
    page = opened(browser, report, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert page.evaluate(OVERFLOWING) == [False, []]
    page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_chinese_page_fits_asks_for_nothing_and_is_accessible(browser: Browser, chinese: Path, width: int) -> None:
    page = opened(browser, chinese, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert page.evaluate(OVERFLOWING) == [False, []]
    assert page.said == []  # type: ignore[attr-defined]
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", list(WCAG))
    assert [(item["id"], [node["html"][:160] for node in item["nodes"][:3]]) for item in found["violations"]] == []
    page.context.close()


def test_chinese_type_has_its_own_fonts_line_height_and_no_slant(browser: Browser, chinese: Path) -> None:
    page = opened(browser, chinese)
    style = page.evaluate(
        "(() => { const s = getComputedStyle(document.body); return [s.fontFamily, parseFloat(s.lineHeight) / parseFloat(s.fontSize)]; })()"
    )
    assert "PingFang SC" in style[0].split(",")[0]
    assert style[1] == pytest.approx(1.8)
    slanted = page.evaluate(
        "[...document.querySelectorAll(':lang(zh)')].filter((e) => { const s = getComputedStyle(e); return s.fontStyle !== 'normal' || parseFloat(s.letterSpacing) < 0; }).length"
    )
    assert slanted == 0
    page.context.close()


def test_short_style_holds_the_rules_of_the_written_one(browser: Browser, report: Path) -> None:
    written = (resources.files("auditbench_html") / "static" / "report.css").read_text("utf-8")
    page = browser.new_context().new_page()
    rules = "(text) => { const s = new CSSStyleSheet(); s.replaceSync(text); return [...s.cssRules].map((r) => r.cssText); }"
    full, short = (
        [re.sub(r"\s*([,{}:;])\s*", r"\1", " ".join(rule.split())) for rule in page.evaluate(rules, style)]
        for style in (written, short_style(written))
    )
    assert len(full) > 200
    assert short == full
    page.context.close()


def test_gates_that_pass_are_folded_on_a_phone_until_looked_for(browser: Browser, report: Path) -> None:
    visible = "#gate-table tbody tr[data-s=pass]:visible"
    page = opened(browser, report, width=390)
    everything = page.locator("#gate-table tbody tr[data-s=pass]").count()
    assert everything > 2
    assert page.locator(visible).count() == 0
    assert page.locator("#gate-table tbody tr[data-s=fail]:visible").count() > 0
    page.locator(".unfold").click()
    assert page.locator(visible).count() == everything
    assert not page.locator(".unfold").is_visible()
    page.reload()
    page.get_by_role("searchbox").fill("latency")
    assert page.locator(visible).count() == 2
    page.reload()
    page.locator(".wall .tile.pass").first.click()
    assert page.locator(visible).count() == everything
    page.emulate_media(media="print")
    page.context.close()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, False)])
def test_gates_that_pass_are_seen_on_wide_screens_and_without_script(
    browser: Browser, report: Path, width: int, script: bool
) -> None:
    page = opened(browser, report, width=width, java_script_enabled=script)
    rows = page.locator("#gate-table tbody tr[data-s=pass]")
    assert rows.count() > 2
    assert all(rows.nth(index).is_visible() for index in range(rows.count()))
    assert not page.locator(".unfold").is_visible()
    page.context.close()


def test_odd_runs_fit_a_narrow_screen(browser: Browser, tmp_path: Path) -> None:
    runs = {
        "features": many_features(500),
        "groups": many_groups(60),
        "class": many_groups(4, "c" * 300),
        "hostile": hostile_run("W" * 300),
    }
    for name, run in runs.items():
        for width in (320, 1280):
            page = opened(browser, render_to(tmp_path, run, f"{name}.html"), width=width)
            assert (name, width, page.evaluate(OVERFLOWING)) == (name, width, [False, []])
            page.context.close()


@pytest.mark.parametrize("unit", ["parameters", "MAC/row", "units of the target"])
def test_numbers_of_gates_stay_in_their_columns(browser: Browser, tmp_path: Path, unit: str) -> None:
    decision = gate(
        "size", "resources.parameters", "pass", topic="resources", maximum=1e8, value=12_345_678.0, unit=unit
    )
    page = opened(browser, render_to(tmp_path, dataclasses.replace(income_run(), gates=(decision,), waivers=())))
    spilled = (
        "[...document.querySelectorAll('#gate-table td.n')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1)"
    )
    assert page.evaluate(f"{spilled}.length") == 0
    page.context.close()


def test_hostile_text_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    for index, text in enumerate(PAYLOADS):
        page = browser.new_context().new_page()
        said: list[str] = []
        page.on("dialog", lambda dialog, said=said: (said.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message, said=said: said.append(message.text))
        file = render_to(tmp_path, hostile_run(text), f"{index}.html")
        page.on(
            "request",
            lambda request, said=said, file=file: said.append(request.url) if request.url != file.as_uri() else None,
        )
        page.goto(file.as_uri())
        assert (text, said) == (text, [])
        page.context.close()


def test_theme_button_goes_through_three_themes(browser: Browser, report: Path) -> None:
    page = opened(browser, report, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    button = page.locator("#theme")
    assert button.inner_text() == "Theme: auto"
    light = page.evaluate(ground)
    button.click()
    assert (button.inner_text(), page.evaluate(ground)) == ("Theme: light", light)
    button.click()
    assert button.inner_text() == "Theme: dark"
    assert page.evaluate(ground) != light
    button.click()
    assert (button.inner_text(), page.evaluate(ground)) == ("Theme: auto", light)
    page.context.close()


def test_gates_are_filtered_by_state_and_by_text(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    rows = page.locator("#gate-table tbody tr:not(.axis):visible")
    everything = rows.count()
    page.get_by_role("button", name="Fail 2").click()
    assert rows.count() == 2
    assert page.locator(".tools output").inner_text() == f"Showing 2 of {everything}"
    page.get_by_role("button", name=f"All {everything}").click()
    page.get_by_role("searchbox").fill("p95")
    assert rows.count() == 1
    page.get_by_role("searchbox").fill("")
    assert rows.count() == everything
    page.context.close()


def test_gates_are_sorted_by_number_with_missing_values_last(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    head = page.locator("#gate-table thead th").nth(2)
    values = "[...document.querySelectorAll('#gate-table tbody tr:not(.axis)')].map((row) => row.children[2].dataset.v)"
    for direction, reverse in (("ascending", False), ("descending", True)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == direction
        shown = page.evaluate(values)
        known = [float(value) for value in shown if value]
        assert known == sorted(known, reverse=reverse)
        assert shown[len(known) :] == [""] * (len(shown) - len(known))
    assert page.locator("#gate-table tbody tr").last.get_attribute("class") == "axis"
    page.context.close()


def test_link_into_something_folded_opens_it(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    folded = page.locator("details > article").first
    assert not folded.is_visible()
    page.evaluate("(id) => { location.hash = id; }", folded.get_attribute("id"))
    folded.wait_for(state="visible")
    page.context.close()


def test_contents_are_reached_by_keyboard_first(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    assert page.locator(".skip").is_visible()
    page.context.close()


def test_paper_shows_the_report_and_not_the_controls(browser: Browser, tmp_path: Path) -> None:
    run = income_run()
    run = dataclasses.replace(run, results=(*run.results, robustness_result()))
    page = opened(browser, render_to(tmp_path, run))
    page.emulate_media(media="print")
    for selector in (".toc", ".bar", ".tools"):
        assert not page.locator(selector).is_visible()
    for selector in ("#gate-table", "#fairness .fig", "#signoff"):
        assert page.locator(selector).first.is_visible()
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) <= 20
    page.context.close()


def test_page_reads_without_script(browser: Browser, report: Path) -> None:
    lengths = []
    for script in (True, False):
        page = opened(browser, report, java_script_enabled=script)
        lengths.append(len(page.locator("main").inner_text()))
        page.context.close()
    with_script, without = lengths
    assert without >= 0.98 * (with_script - 120)  # the filter bar, which needs the script, is not missed
