"""An analyzer whose time is over, or whose audit is interrupted, may tidy up; whatever it does, it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.integration.probe_audit import audit, probe_site
from tests.integration.small_audit import processes_of, write_config
from tests.plugin_site import ANALYZERS

HELPERS = """
from auditbench.context import AnalysisCancelled

def said(word):
    with open(os.environ["PROBE_TRACE"], "a") as file:
        file.write(word + "\\n")
"""
BODIES = {
    "tidies": """
    try:
        said("begun")
        while True:
            context.progress(0, 1)
            time.sleep(0.01)
    finally:
        said("tidied")
""",
    "maps": """
    def chunk(rows, rng):
        import numpy as np
        said("chunk")
        if os.environ.get("PROBE_KILL"):
            time.sleep(0.8)
        return {"a": np.zeros(len(rows))}
    try:
        context.map_rows(chunk, context.explained_rows(12), chunk_rows=2)
        return AnalysisResult()
    finally:
        said("tidied")
""",
    "looks": """
    said("begun")
    while not context.cancelled:
        time.sleep(0.01)
    said("stopped by itself")
    return AnalysisResult(metrics=(Metric(name="late", value=1.0, n=1, no_interval="count"),))
""",
    "swallows": """
    said("begun")
    while True:
        try:
            context.progress(0, 1)
            time.sleep(0.01)
        except BaseException as error:
            if not isinstance(error, AnalysisCancelled):
                said("something else")
""",
    "dies": """
    try:
        said("begun")
        while True:
            context.progress(0, 1)
            time.sleep(0.01)
    finally:
        said("died")
        os._exit(3)
""",
    "lingers": """
    try:
        said("begun")
        while True:
            context.progress(0, 1)
            time.sleep(0.01)
    finally:
        time.sleep(1.6)
        said("tidied late")
""",
    "spawns": """
    import subprocess
    try:
        said("begun")
        while True:
            context.progress(0, 1)
            time.sleep(0.01)
    finally:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        said("spawned")
        time.sleep(600)
""",
}
INTERRUPTED = """
import signal
import sys
from pathlib import Path
from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.listener import SilentListener

signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored
run = supervisor.audit(
    load_config(Path(sys.argv[1])), out=Path(sys.argv[2]), device="cpu", listener=SilentListener()
)
print(run.status, run.exit_code, flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cancellation")
    with probe_site(folder) as site:
        for name, body in BODIES.items():
            code = f"{HELPERS}\ndef analyze(context, params):\n{body}\n{ANALYZERS.format(name=name)}"
            site.add(name, code)
        yield folder


@pytest.fixture
def trace(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where analyzers write what they do."""
    path = tmp_path / "trace"
    monkeypatch.setenv("PROBE_TRACE", str(path))
    return path


def words(trace: Path) -> list[str]:
    return trace.read_text().split("\n")[:-1]


def of_its_own(folder: Path) -> list[int]:
    return [pid for pid in processes_of(folder) if pid != os.getpid()]


def test_one_whose_time_is_over_may_tidy_up_and_is_ended_whatever_it_does(folder: Path, trace: Path) -> None:
    names = ("tidies", "looks", "swallows", "dies", "spawns")
    tables = "".join(f"[analyzers.{name}]\ntime_limit = 1.5\n" for name in names)
    run = audit(folder, tables, trace.parent / "run")
    assert {result.status for result in run.results} == {"timed_out"}
    assert {result.reason.key for result in run.results if result.reason} == {"core.timed_out"}
    assert {result.reason.values["seconds"] for result in run.results if result.reason} == {1.5}
    assert not any(result.metrics for result in run.results)
    assert "/".join(words(trace)) == "begun/tidied/begun/stopped by itself/begun/begun/died/begun/spawned"
    assert of_its_own(folder) == []


def test_finished_chunks_are_kept_and_not_done_again(
    folder: Path, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_KILL", "slowly")
    out = trace.parent / "run"
    run = audit(folder, "[analyzers.maps]\ntime_limit = 2.0\n", out)
    assert run.results[0].status == "timed_out"
    done = words(trace).count("chunk")
    assert words(trace) == ["chunk"] * done + ["tidied"]
    assert 1 < done < 6
    monkeypatch.delenv("PROBE_KILL")
    trace.unlink()
    again = audit(folder, "[analyzers.maps]\ntime_limit = 30.0\n", out)
    assert again.results[0].status == "ok"
    assert words(trace).count("chunk") == 6 - done  # the one that was at work when time was over is among the finished


@pytest.mark.parametrize(
    ("name", "number", "code", "last"),
    [
        ("tidies", signal.SIGINT, 130, "tidied"),
        ("tidies", signal.SIGTERM, 143, "tidied"),
        ("swallows", signal.SIGINT, 130, "begun"),
        ("spawns", signal.SIGTERM, 143, "spawned"),
    ],
)
def test_one_whose_audit_is_interrupted_may_tidy_up(
    folder: Path, trace: Path, name: str, number: signal.Signals, code: int, last: str
) -> None:
    run, said = _interrupted(folder, trace, name, number)
    assert said == f"interrupted {code}\n"
    assert (run.status, run.exit_code) == ("interrupted", code)
    assert [(result.status, result.reason and result.reason.key) for result in run.results] == [
        ("skipped", "core.interrupted")
    ]
    assert words(trace)[-1] == last
    assert of_its_own(folder) == []


def test_a_second_interrupt_waits_for_nothing(folder: Path, trace: Path) -> None:
    run, said = _interrupted(folder, trace, "lingers", signal.SIGINT, times=2)
    assert said == "interrupted 130\n"
    assert run.status == "interrupted"
    assert words(trace) == ["begun"]
    assert of_its_own(folder) == []


def _interrupted(
    folder: Path, trace: Path, name: str, number: signal.Signals, *, times: int = 1
) -> tuple[AuditRun, str]:
    """Interrupt an audit when its analyzer has begun; what it left, and what it said."""
    config, out = write_config(folder, f"[analyzers.{name}]\n"), trace.parent / "run"
    command = [sys.executable, "-c", INTERRUPTED, str(config), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not (trace.exists() and "begun" in trace.read_text()):
            assert process.poll() is None
            signal.sigtimedwait([], 0.05)
        for _ in range(times):
            process.send_signal(number)
            signal.sigtimedwait([], 0.3)
        said = process.stdout.read()
        assert process.wait(30) == 0
    return read_run(out), said
