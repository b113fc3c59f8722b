"""Record, reports, manifest and exit code of a run agree, whatever fails, is interrupted or was there before.

Where no worker dies and none is started again, the workers have no processes of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.errors import EmptyDataError, ExitCode, RunFolderError, RunWriteError
from auditbench.journal import Journal
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from auditbench.store import report_files
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import Recorder, processes_of, write_config, write_rows
from tests.plugin_site import PluginSite, installed_site

PROBE = """
def clock(context, params):
    return AnalysisResult(metrics=(Metric(name="clock", value=time.perf_counter(), n=1, no_interval="count", repeatable=False),))

def counts(context, params):
    return AnalysisResult(metrics=(Metric(name="rows", value=float(len(context.data)), n=1, no_interval="count"),))

def confused(context, params):
    context.host.progress("probe-confused", "rows", None, 1)

def meddles(context, params):
    with open(os.environ["PROBE_ROWS"], "a") as file:
        file.write("70,40,F,test,yes\\n")
    context.model.module.train()
    return AnalysisResult()

@hookimpl
def auditbench_analyzers():
    for analyze in (clock, counts, confused, meddles):
        yield Analyzer(name="probe-" + analyze.__name__, topic="probe", summary="", analyze=analyze)
"""
TEXT = """
def render(run, options):
    return {"a.txt": f"{run.verdict} {run.exit_code} {sorted(warning.key for warning in run.warnings)}".encode()}

def twin(run, options):
    return {"b.txt": b"", "A.txt": b""}

def bad(run, options):
    raise ValueError("no ink")

def slow(run, options):
    time.sleep(600)

@hookimpl
def auditbench_renderers():
    yield Renderer(name="text", summary="", render=render)
    for render_other in (twin, bad, slow):
        yield Renderer(name="text-" + render_other.__name__, summary="", render=render_other)

@hookimpl
def auditbench_audit_finished(run):
    if os.environ.get("PROBE_OBSERVER"):
        raise RuntimeError(run.verdict)
"""
COUNTS = "[analyzers.probe-counts]\n"
NO_ROWS = "data={test='empty.csv', target='bought', positive='yes', sensitive=['sex']}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    folder = tmp_path_factory.mktemp("report")
    with installed_site(folder / "site") as site:
        site.add("probe", PROBE)
        site.add("text", TEXT)
        write_rows(folder)
        (folder / "empty.csv").write_text("age,hours,sex,bought\n")
        with workers_in_this_process():
            supervisor.train(load_config(write_config(folder)))
        yield site


@pytest.fixture
def folder(site: PluginSite) -> Path:
    return site.path.parent


@pytest.fixture
def in_process() -> Iterator[None]:
    with workers_in_this_process():
        yield


def audit(folder: Path, tail: str, out: Path, *overrides: str, **options: Any) -> AuditRun:
    return supervisor.audit(load_config(write_config(folder, tail), overrides), out=out, device="cpu", **options)


def check_manifest(out: Path) -> None:
    """Every file that the manifest names is there with that digest, and nothing else is, but the lock and itself."""
    files = json.loads((out / "manifest.json").read_bytes())["files"]
    there = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(files) == set(there) - {"manifest.json", ".lock"}
    assert files == {name: hashlib.sha256(there[name].read_bytes()).hexdigest() for name in files}
    assert all(there[name].stat().st_size for name in files)


@pytest.mark.usefixtures("in_process")
def test_reports_say_what_the_record_says_when_formats_and_observers_fail(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_OBSERVER", "1")
    formats = ["text", "text-twin", "text-bad"]
    run = audit(folder, COUNTS + "[[gates]]\nmetric = 'probe-counts.rows'\nmin = 1\n", tmp_path, formats=formats)
    assert (run.verdict, run.exit_code) == ("evidence_incomplete", ExitCode.INCOMPLETE)
    warnings = [(warning.key, *warning.values.values()) for warning in run.warnings]
    assert [key for key, *_ in warnings] == ["core.renderer_failed", "core.renderer_failed", "core.observer_raised"]
    assert "is the name of a file of the format 'text'" in str(warnings[0])
    assert "no ink" in str(warnings[1])
    assert "evidence_incomplete" in str(warnings[2])
    assert "ValueError: no ink" in run.volatile.details["render:text-bad"]
    keys = sorted(warning.key for warning in run.warnings)
    assert (tmp_path / "a.txt").read_text() == f"evidence_incomplete 3 {keys}"
    assert [file.name for file in report_files(tmp_path)] == ["a.txt"]
    assert read_run(tmp_path) == run
    check_manifest(tmp_path)
    monkeypatch.delenv("PROBE_OBSERVER")
    again = audit(folder, COUNTS + "[[gates]]\nmetric = 'probe-counts.rows'\nmin = 999\n", tmp_path, formats=["json"])
    assert again.exit_code == ExitCode.GATE_FAILED
    assert report_files(tmp_path) == []
    assert not (tmp_path / "a.txt").exists()
    check_manifest(tmp_path)


def test_an_event_that_makes_no_sense_is_a_fault_of_its_analyzer(folder: Path, tmp_path: Path) -> None:
    run = audit(folder, "[analyzers.probe-confused]\n" + COUNTS, tmp_path)
    assert [result.status for result in run.results] == ["failed", "ok"]
    assert run.results[0].reason is not None
    assert run.results[0].reason.key == "core.worker_garbled"


def test_a_subject_that_changed_on_disk_is_refused_when_it_is_opened_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = folder / "rows.csv"
    monkeypatch.setenv("PROBE_ROWS", str(rows))
    before = rows.read_bytes()
    try:
        run = audit(folder, "[analyzers.probe-meddles]\n" + COUNTS, tmp_path)
    finally:
        rows.write_bytes(before)
    assert [result.status for result in run.results] == ["ok", "failed"]
    assert "core.model_changed" in {warning.key for warning in run.warnings}
    reason = run.results[1].reason
    assert reason is not None
    assert reason.key == "core.worker_not_started"
    assert "the data are not those" in str(reason.values["error"])
    assert str(reason.values["error"]).count("digest ") == 2


@pytest.mark.usefixtures("in_process")
def test_nothing_evaluated_replaces_a_passing_record_and_is_replaced(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyDataError):
        audit(folder, COUNTS, tmp_path, NO_ROWS)
    check_manifest(tmp_path)
    assert audit(folder, COUNTS, tmp_path, formats=["text"]).exit_code == ExitCode.PASSED
    with pytest.raises(EmptyDataError):
        audit(folder, COUNTS, tmp_path, NO_ROWS)
    assert (read_run(tmp_path).verdict, report_files(tmp_path)) == ("nothing_evaluated", [])
    recorder = Recorder()
    audit(folder, COUNTS, tmp_path, listener=recorder)
    assert recorder.states["probe-counts"] == "reused"


@pytest.mark.usefixtures("in_process")
def test_what_a_clock_said_on_another_machine_is_measured_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = "[analyzers.probe-clock]\n" + COUNTS
    audit(folder, tail, tmp_path)
    monkeypatch.setattr("auditbench.supervisor.analyzer_runs.host_facts", lambda: {"machine": "another"})
    recorder = Recorder()
    audit(folder, tail, tmp_path, listener=recorder)
    assert (recorder.states["probe-clock"], recorder.states["probe-counts"]) == ("ok", "reused")
    audit(folder, tail, tmp_path, listener=recorder)
    assert recorder.states["probe-clock"] == "reused"


@pytest.mark.usefixtures("in_process")
def test_a_full_disk_keeps_what_had_finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Journal, file: str, renderer: str) -> None:
        raise RunWriteError("the journal cannot be written", found="No space left on device")

    recorder = Recorder()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add_rendered", full)
        with pytest.raises(RunWriteError) as caught:
            audit(folder, COUNTS, tmp_path, formats=["text"], listener=recorder)
    assert caught.value.exit_code == ExitCode.INCOMPLETE
    assert recorder.notes == [
        f"To go on: auditbench audit {folder / 'audit.toml'} --out {tmp_path} --format text --device cpu"
    ]
    assert not (tmp_path / "run.json").exists()
    assert audit(folder, COUNTS, tmp_path, formats=["text"], listener=recorder).exit_code == ExitCode.PASSED
    assert recorder.states["probe-counts"] == "reused"


PROGRAM = """
import signal
import sys
from pathlib import Path
from auditbench import supervisor
from auditbench.config_file import load_config
from tests.integration.small_audit import Recorder

signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored

class Loud(Recorder):
    def stage_started(self, name, detail=""):
        print(name, flush=True)

ear = Loud()
try:
    run = supervisor.audit(
        load_config(Path(sys.argv[1])), out=Path(sys.argv[2]), device="cpu", listener=ear, formats=["text", "text-slow"],
        only=["probe-counts"], resume=sys.argv[3] == "resume",
    )
    print(run.status, run.exit_code, ear.notes, flush=True)
except KeyboardInterrupt as error:
    print(type(error).__name__, ear.notes, flush=True)
"""


@pytest.mark.parametrize(
    ("number", "stage", "said"),
    [(signal.SIGINT, "load", "KeyboardInterrupt"), (signal.SIGTERM, "render:text-slow", "interrupted 143")],
)
def test_an_interrupt_at_any_stage_says_how_to_go_on(
    folder: Path, tmp_path: Path, number: signal.Signals, stage: str, said: str
) -> None:
    config, out = write_config(folder, COUNTS + "[analyzers.probe-clock]\n"), tmp_path / "run"
    resume = "resume" if stage != "load" else "replace"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(config), str(out), resume], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        for line in process.stdout:
            if line == f"{stage}\n":
                break
        process.send_signal(number)
        last = process.stdout.read()
        assert process.wait(20) == 0
    assert said in last
    assert f"auditbench audit {config} --out {out} --only probe-counts --format text,text-slow" in last
    assert ("--no-resume" in last) == (stage == "load")
    assert [pid for pid in processes_of(folder) if pid != os.getpid()] == []
    if stage == "load":
        assert not out.exists()
        return
    run = read_run(out)
    assert (run.status, run.exit_code) == ("interrupted", 143)
    assert [result.status for result in run.results] == ["ok", "skipped"]
    assert report_files(out) == []
    assert not (out / "a.txt").exists()


@pytest.mark.usefixtures("in_process")
def test_a_refusal_leaves_the_folder_of_another_as_it_was(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / "mine.npy").write_text("mine")
    with pytest.raises(RunFolderError):
        audit(folder, COUNTS, tmp_path, resume=False)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["arrays", "mine.npy"]
