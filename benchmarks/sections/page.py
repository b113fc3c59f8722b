"""The report of the embedded example: seconds to render it, and what opening it from a file costs Chromium."""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lighthouse import lighthouse_scores
from benchmarks.lines import Line
from benchmarks.section import Scale, Section

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAME = "page"
_WATCH = """globalThis.seen = { paint: 0, blocking: 0, shift: 0 };
const watch = (type, add) => new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({ type, buffered: true });
watch("largest-contentful-paint", (entry) => { seen.paint = entry.startTime; });
watch("longtask", (entry) => { seen.blocking += entry.duration - 50; });
watch("layout-shift", (entry) => { seen.shift += entry.value; });"""
_COSTS = {
    "script": ("milliseconds of script", 50),
    "blocking": ("milliseconds of blocking", 0),
    "shift": ("layout shift", 0.02),
    "paint": ("milliseconds to the largest paint", 500),
    "main": ("milliseconds of the main thread", 600),
}
_SCORES = {"performance": 95, "accessibility": 100, "best-practices": 100}


def run(scale: Scale) -> Section:
    """Render the page, open it some times, and ask Lighthouse."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        _auditbench("demo", "--out", folder)
        lines, page = _render(Path(folder) / "run", scale)
        if chromium is None:
            return Section(name=NAME, lines=lines, notes=["No Chromium is installed: the page was not opened."])
        lines += _open(page, chromium, scale)
        lines += _ask(page, chromium, 1 if scale.tiny else 3)
    return Section(name=NAME, lines=lines)


def _render(folder: Path, scale: Scale) -> tuple[list[Line], Path]:
    from auditbench.run_file import read_run
    from auditbench_html.render import render_report

    seconds = []
    for _ in range(scale.repeats):
        started = time.process_time()
        page = render_report(read_run(folder))
        seconds.append(time.process_time() - started)
    started = time.perf_counter()
    _auditbench("render", str(folder))
    whole = time.perf_counter() - started
    (folder / "report.html").write_bytes(page)
    lines = [
        _line("Page: CPU seconds from run.json to its bytes", seconds[0], 1, f"then {statistics.median(seconds[1:] or seconds):.2f} s"),
        _line("Page: seconds of the command `auditbench render`", whole),
        _line("Page: bytes", len(page), 300_000),
        _line("Page: bytes compressed", len(gzip.compress(page)), 60_000),
    ]  # fmt: skip
    return lines, folder / "report.html"


def _open(page: Path, chromium: str, scale: Scale) -> list[Line]:
    """The least of some turns: the page's own cost, and not that of what else ran."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        turns = [_opened(browser, page) for _ in range(scale.repeats)]
        browser.close()
    detail = f"the least of {len(turns)} turns"
    return [
        _line(f"Page opened: {what}", min(turn[name] for turn in turns), budget, detail)
        for name, (what, budget) in _COSTS.items()
    ]


def _opened(browser: Browser, page: Path) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    session.send("Performance.enable")
    tab.add_init_script(_WATCH)
    tab.goto(page.as_uri())
    tab.wait_for_timeout(500)
    metrics = {entry["name"]: 1000 * entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    seen: dict[str, float] = tab.evaluate("seen")
    context.close()
    return {**seen, "script": metrics["ScriptDuration"], "main": metrics["TaskDuration"]}


def _ask(page: Path, chromium: str, turns: int) -> list[Line]:
    """The best of some turns, since the score of performance falls with whatever else runs."""
    try:
        found = [lighthouse_scores(page.read_bytes(), chromium) for _ in range(turns)]
    except FileNotFoundError as error:
        return [Line(section=NAME, claim="Lighthouse", measured=None, reason=str(error))]
    scores, short = max(found, key=lambda turn: turn[0]["performance"])
    return [
        Line(
            section=NAME,
            claim=f"Lighthouse, mobile: {name}",
            measured=scores[name],
            floor=floor,
            detail="; ".join(short) if scores[name] < floor else "",
        )
        for name, floor in _SCORES.items()
    ]


def _line(claim: str, measured: float, floor: float | None = None, detail: str = "") -> Line:
    return Line(section=NAME, claim=claim, measured=measured, floor=floor, at_least=False, detail=detail)


def _auditbench(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "auditbench", *arguments], capture_output=True, check=True)
