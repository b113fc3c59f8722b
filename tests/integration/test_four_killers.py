"""Four plugins that kill their process, each in its own way, in one real audit: it ends in time and says what happened."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from tests.integration.small_audit import write_config
from tests.plugin_site import installed_site

KILLERS = {
    "segfaults": "import ctypes\nctypes.string_at(0)",
    "hangs": "import ctypes\nimport subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    "ctypes.PyDLL(None).sleep(600)",
    "eats": "eaten = []\nwhile True:\n    eaten.append(b'x' * (64 << 20))",
    "vanishes": "os._exit(0)",
}
SECONDS = {"segfaults": 10.0, "hangs": 3.0, "eats": 40.0, "vanishes": 10.0}
MEMORY_GIB = 3
OTHERS = ("performance", "fairness")
REASONS = {
    "segfaults": {"core.worker_signal"},
    "hangs": {"core.timed_out"},
    "eats": {"core.out_of_memory_limit_silent", "core.memory_limit"},
    "vanishes": {"core.worker_exited"},
}
SAID = {
    "segfaults": r"SIGSEGV",
    "hangs": r"limit of 3 seconds",
    "eats": r"(?i)memory",
    "vanishes": r"status 0 and without a result",
}
ALLOWANCE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One `auditbench audit` that ended: how, after how many seconds, what it printed and what it wrote."""

    code: int
    seconds: float
    output: str
    record: dict[str, Any]
    report: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("killers")
    with installed_site(home / "site") as site:
        for name, body in KILLERS.items():
            site.add_analyzer(name, body)
        supervisor.train(load_config(write_config(home)), device="cpu")
        yield home


@pytest.fixture(scope="module")
def without(home: Path) -> Audited:
    """The audit of the first-party analyzers alone."""
    return _audit(home, "without", "".join(f"[analyzers.{name}]\n" for name in OTHERS))


@pytest.fixture(scope="module")
def with_killers(home: Path, without: Audited) -> Audited:
    """The same with the four between them."""
    tables = [
        f"[analyzers.{name}]\ntime_limit = {seconds}\nmemory_gib = {MEMORY_GIB}\n" for name, seconds in SECONDS.items()
    ]
    return _audit(home, "with", "".join([f"[analyzers.{OTHERS[0]}]\n", *tables, f"[analyzers.{OTHERS[1]}]\n"]))


@pytest.mark.parametrize("name", KILLERS)
def test_each_is_named_in_record_report_and_terminal(with_killers: Audited, name: str) -> None:
    result = _result(with_killers, name)
    assert result["reason"]["key"] in REASONS[name]
    assert result["status"] == ("timed_out" if name == "hangs" else "failed")
    (box,) = [box for box in _state_boxes(with_killers.report) if name in box]
    assert re.search(SAID[name], box)
    (line,) = [line for line in with_killers.output.splitlines() if line.startswith(f"  {name} ")]
    assert re.search(SAID[name], line)
    assert "(required)" in line


def test_the_report_has_four_state_boxes(with_killers: Audited, without: Audited) -> None:
    assert len(_state_boxes(with_killers.report)) == len(KILLERS)
    assert _state_boxes(without.report) == []


def test_it_ends_incomplete_and_within_its_limits(with_killers: Audited, without: Audited) -> None:
    """Beside the limits: what the audit takes without the four, and at most as much to start the worker of each."""
    assert (without.code, with_killers.code, with_killers.record["exit_code"]) == (0, 3, 3)
    assert with_killers.record["status"] == "complete"
    assert with_killers.record["verdict"] == "evidence_incomplete"
    assert with_killers.seconds <= (1 + len(KILLERS)) * without.seconds + sum(SECONDS.values()) + ALLOWANCE


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_sections_are_those_of_an_audit_without_the_four(
    with_killers: Audited, without: Audited, name: str
) -> None:
    assert _result(without, name)["status"] == "ok"
    assert json.dumps(_result(with_killers, name)) == json.dumps(_result(without, name))
    assert _section(with_killers.report, name) == _section(without.report, name) != ""


def test_no_process_is_left(with_killers: Audited, home: Path) -> None:
    assert with_killers.code == 3
    assert [str(process) for process in _processes_of(home)] == []


def test_no_trace_is_on_the_terminal(with_killers: Audited) -> None:
    assert "Traceback" not in with_killers.output
    assert "Fatal Python error" not in with_killers.output


def _audit(home: Path, name: str, tail: str) -> Audited:
    config = write_config(home, tail).rename(home / f"{name}.toml")
    command = [sys.executable, "-m", "auditbench", "audit", config, "--out", home / name, "--device", "cpu"]
    started = time.monotonic()
    done = subprocess.run([*command, "--format", "html"], capture_output=True, check=False, timeout=200)
    seconds = time.monotonic() - started
    output = (done.stdout + done.stderr).decode()
    assert (home / name / "report.html").exists(), output
    return Audited(
        code=done.returncode,
        seconds=seconds,
        output=output,
        record=json.loads((home / name / "run.json").read_bytes()),
        report=(home / name / "report.html").read_text(),
    )


def _result(audited: Audited, name: str) -> dict[str, Any]:
    (found,) = [result for result in audited.record["results"] if result["analyzer"] == name]
    assert isinstance(found, dict)
    return found


def _state_boxes(report: str) -> list[str]:
    """The text of each box that says why an analyzer has no result, in the section of what is incomplete."""
    boxes = _section(report, "incomplete").split('<div class="state">')[1:]
    return [html.unescape(re.sub(r"<[^>]+>", " ", box)) for box in boxes]


def _section(report: str, name: str) -> str:
    """A section of the report without how long its analyzer took; empty when there is none."""
    found = re.search(rf'<section id="{name}".*?</section>', report, re.DOTALL)
    return re.sub(r"<dd>[0-9.]+ (ms|s|min)</dd>", "", found.group()) if found else ""


def _processes_of(folder: Path) -> Iterator[psutil.Process]:
    """Living processes that are marked as workers or their heirs, or that know the folder, whoever their parent is."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            known = any(str(folder) in text for text in [*environment.values(), *process.cmdline()])
            if process.pid != os.getpid() and known and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue
