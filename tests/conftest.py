"""What every test shares: threads, the options and markers of this suite, and the browser."""

from __future__ import annotations

import os
import shutil

import pytest

# Set before any test imports a numerical library. Two threads keep small models quick and their sums repeatable.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "2")
os.environ.setdefault("MPLBACKEND", "Agg")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run the tests that are too slow for every change")


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
