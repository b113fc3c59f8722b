"""The browsers of the tests that look at pages, each started once, and the pages that several files look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auditbench_html.render import render_report
from tests.browser.driven import Driven
from tests.html_budget import budget_run, in_chinese
from tests.html_fixture import render_to


@pytest.fixture(scope="session", params=["chromium", "firefox"])
def driven(request: pytest.FixtureRequest, browser_packages: Path) -> Iterator[Driven]:
    """Each browser in turn."""
    started = Driven(request.param, request.getfixturevalue(f"{request.param}_path"), browser_packages)
    yield started
    started.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that the budgets are about."""
    return render_to(tmp_path_factory.mktemp("report"), budget_run())


@pytest.fixture(scope="session")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same page in Chinese."""
    file = tmp_path_factory.mktemp("chinese") / "report.html"
    file.write_bytes(render_report(in_chinese(budget_run()), language="zh-CN"))
    return file


@pytest.fixture(scope="session")
def unscripted() -> Callable[[Path], Path]:
    """A page as it is where scripts are switched off, which no browser can be told to do in the same way."""

    def written(page: Path) -> Path:
        file = page.with_name("unscripted.html")
        rest, scripts = re.subn(r"<script>.*?</script>", "", page.read_text("utf-8"), flags=re.DOTALL)
        assert scripts == 2
        file.write_text(rest, "utf-8")
        return file

    return written
