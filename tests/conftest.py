"""What every test shares: processes and threads, the options and markers of this suite, and the browser."""

from __future__ import annotations

import os
import shutil

import hypothesis
import pytest

# Set before any test imports a numerical library. The processes of the suite fill the processors, and with one thread
# a sum has the same bits in a suite of two processes and in one.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# An example may take its time, since nothing is known of what else this machine does.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

PROCESSES = 2
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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
        nightly = pytest.mark.skip(reason="slow: runs with --nightly")
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(nightly)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and find_chromium() is None:
        _without_browser()
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, and torch sees none")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser: the one that CHROMIUM names, else the first of `BROWSERS` on the path."""
    return find_chromium() or _without_browser()


def find_chromium() -> str | None:
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _without_browser() -> str:
    reason = f"no browser: install one of {', '.join(BROWSERS)}, or name one in CHROMIUM"
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so this is a failure and not a skip)", pytrace=False)
    pytest.skip(reason)
