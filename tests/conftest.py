"""What every test shares: processes and threads, the options and markers of this suite, and the browsers."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Set before any test imports a numerical library. The processes of the suite fill the processors, and with one thread
# a sum has the same bits in a suite of several processes and in one.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# An example may take its time, since nothing is known of what else this machine does.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

PROCESSES = 3
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FIREFOX = ("firefox-esr", "firefox")
CHROMIUM_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PACKAGES = Path(__file__).parent / "browser" / "node_modules"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run the tests that are too slow for every change")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite in processes, and whatever the command line names in this one, unless it says otherwise.

    A file stays in one process, which trains its models once. Files go out in the order of collection: the audits of
    `integration` come before the short files of `unit`, so that the processes end together.
    """
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    options = config.option
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    if whole and options.numprocesses is None and options.dist == "no" and not options.usepdb:
        options.numprocesses = PROCESSES
    if options.numprocesses and options.dist == "no":
        options.dist, options.loadscopereorder = "loadfile", False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--nightly"):
        slow = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


def pytest_runtest_setup(item: pytest.Item) -> None:
    _seed()
    if item.get_closest_marker("browser"):
        _browser("CHROMIUM", CHROMIUM)
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, and torch sees none")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return _browser("CHROMIUM", CHROMIUM)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """One Chromium for all tests of a process, since a second driver cannot be started beside it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def firefox_path() -> str:
    return _browser("FIREFOX", FIREFOX)


@pytest.fixture(scope="session")
def browser_packages() -> Path:
    """Folder of the packages that `npm ci` puts beside the browser tests."""
    if not (shutil.which("node") and PACKAGES.is_dir()):
        _missing("no packages to drive a browser with: run `npm ci` in tests/browser, which needs node 18 or later")
    return PACKAGES


def _seed() -> None:
    """Begin a test, and the fixtures that it is first to ask for, from one state of the random numbers."""
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def _browser(variable: str, names: tuple[str, ...]) -> str:
    """Path of a browser: the one that an environment variable names, else the first of `names` on the path."""
    named = os.environ.get(variable)
    found = next((path for name in ([named] if named else names) if (path := shutil.which(name))), None)
    return found or _missing(f"no browser: install one of {', '.join(names)}, or name one in {variable}")


def _missing(reason: str) -> NoReturn:
    """Skip the test for what this machine lacks, or fail it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so this is a failure and not a skip)", pytrace=False)
    pytest.skip(reason)
