"""What an analyzer logs: which records become lines, which are counted, and what is left of it all behind the analyzer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from auditbench.worker.plugin_log import logged
from tests.guarded_analysis import run_code


@contextmanager
def nobody_listens() -> Iterator[None]:
    """Logging as it is in a fresh process."""
    root = logging.getLogger()
    kept = list(root.handlers)
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = kept


def test_lines_have_level_analyzer_and_logger(capfd: pytest.CaptureFixture[str]) -> None:
    with logged("gap-late", "gap_plugin"):
        logging.getLogger("gap_plugin").info("%d groups", 3)
        logging.getLogger("gap_plugin.kernel").warning("few rows")
        logging.getLogger("other").error("it broke")
        logging.warning("nameless")  # noqa: LOG015 - what a plugin may well write
    assert capfd.readouterr().err.splitlines() == [
        "INFO gap-late: gap_plugin: 3 groups",
        "WARNING gap-late: gap_plugin.kernel: few rows",
        "ERROR gap-late: other: it broke",
        "WARNING gap-late: root: nameless",
    ]


def test_what_is_quieter_is_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("noisy").setLevel(logging.INFO)
    with logged("gap", "gap_plugin"):
        logging.getLogger("gap_plugin").debug("too small to tell")
        logging.getLogger("noisy").info("somebody else's")
    assert capfd.readouterr().err == ""


def test_warnings_and_errors_of_the_plugin_are_counted() -> None:
    with logged("gap", "gap_plugin") as log:
        logging.getLogger("gap_plugin").info("counts for nothing")
        for level in (logging.WARNING, logging.ERROR, logging.CRITICAL):
            logging.getLogger("gap_plugin.kernel").log(level, "counts")
        logging.warning("counts")  # noqa: LOG015 - as above
        logging.getLogger("gap_plugins").error("another package")
        logging.getLogger("other").critical("another's")
    assert log.warnings == 4


@pytest.mark.parametrize("level", [logging.NOTSET, logging.DEBUG, logging.ERROR])
def test_nothing_of_it_is_left(level: int) -> None:
    own, root = logging.getLogger("gap_plugin_of_levels"), logging.getLogger()
    own.setLevel(level)
    before = (root.level, list(root.handlers), list(own.handlers))
    with suppress(RuntimeError), logged("gap", own.name):
        assert own.level == (level or logging.INFO)
        raise RuntimeError
    assert (root.level, root.handlers, own.handlers) == before
    assert own.level == level


def test_a_trace_stands_below_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    with logged("gap", "gap_plugin"):
        try:
            raise ValueError("on purpose")
        except ValueError:
            logging.getLogger("gap_plugin").exception("went on")
    lines = capfd.readouterr().err.splitlines()
    assert (lines[0], lines[-1]) == ("ERROR gap: gap_plugin: went on", "ValueError: on purpose")


@pytest.mark.parametrize("call", ["logging.warning('x')", "logging.error('x')", "logging.basicConfig()"])
def test_a_handler_that_logging_adds_by_itself_is_taken_away_and_nobodys_fault(call: str) -> None:
    with nobody_listens():
        outcome = run_code(f"import logging\n{call}\nassert logging.root.handlers")
        left = list(logging.root.handlers)
    assert outcome.result.status == "ok", outcome.details
    assert left == []
    assert (outcome.changed, outcome.stuck) == ((), ())


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("logging.basicConfig(level=10)", ("logging level",)),
        ("logging.basicConfig(format='%(message)s')", ("logging handlers",)),
        ("logging.root.addHandler(logging.NullHandler())", ("logging handlers",)),
        ("logging.warning('x')\nlogging.root.addHandler(logging.NullHandler())", ("logging handlers",)),
        ("logging.root.handlers.append(None)", ("logging handlers",)),
    ],
)
def test_what_an_analyzer_sets_itself_is_told_as_before(code: str, told: tuple[str, ...]) -> None:
    with nobody_listens():
        outcome = run_code(f"import logging\n{code}")
        left = list(logging.root.handlers)
    assert left == []
    assert outcome.changed == told
