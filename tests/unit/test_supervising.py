"""Parts of the supervisor without an audit: events, lost workers, what is left out, what a record may hold."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.errors import AuditbenchError, ConfigError, DataError, ExitCode, ModelError, RunWriteError
from auditbench.findings import Message
from auditbench.listener import SilentListener
from auditbench.record import plain
from auditbench.results import AnalysisResult, Metric
from auditbench.run import DataFacts, ModelFacts
from auditbench.store import RunFolder
from auditbench.supervisor import worker_pool, worker_process
from auditbench.supervisor.analyzer_runs import AnalyzerRuns
from auditbench.supervisor.opening import lost_over, refuse_another
from auditbench.supervisor.planning import Plan, PlannedAnalyzer
from auditbench.supervisor.record import OpenedSubject, Timing, _without_folders, build_run
from auditbench.supervisor.worker_events import ChunkFinished, LimitChanged, Progress, Told, read_event
from auditbench.supervisor.worker_pool import MAX_STARTS, WorkerPool
from auditbench.supervisor.worker_process import WorkerFault, WorkerProcess, no_event
from tests.in_process_worker import InProcessWorker
from tests.integration.small_audit import write_config

PROGRESS = {"kind": "event", "event": "progress", "name": "a", "step": "rows", "done": 1, "total": 2}
CHUNK = {"kind": "event", "event": "chunk", "step": "rows", "chunk": 0, "file": "chunks/a/0.npz", "sha256": "x"}


def a_subject(*, digest: str = "m", rows: int = 3) -> OpenedSubject:
    model = ModelFacts(
        name="m", format="bundle", architecture="linear", task="regression", output="value", parameters=2, digest=digest
    )
    data = DataFacts(name="rows", digests={"rows.csv": "d"}, rows=rows, train_rows=0, target="y")
    return OpenedSubject(model=model, data=data)


def test_events_are_read() -> None:
    assert read_event(PROGRESS) == Progress(name="a", step="rows", done=1, total=2)
    assert read_event(CHUNK) == ChunkFinished(step="rows", chunk=0, file="chunks/a/0.npz", sha256="x")
    assert read_event({"event": "limit", "name": "train"}) == LimitChanged(name="train")
    told = read_event({"event": "told", "name": "train", "text": "goes on" * 100})
    assert isinstance(told, Told)
    assert told.sentence.startswith("train: goes on")
    assert len(told.sentence) == 400


@pytest.mark.parametrize(
    "message",
    [
        {**PROGRESS, "done": None},
        {**PROGRESS, "total": "many"},
        {**PROGRESS, "done": 1.5},
        {key: value for key, value in PROGRESS.items() if key != "step"},
        {**PROGRESS, "event": "applause"},
        {**PROGRESS, "event": ["progress"]},
        {**CHUNK, "file": "../../thesis.tex"},
        {**CHUNK, "file": "chunks/../run.json"},
        {**CHUNK, "file": "/etc/passwd"},
        {**CHUNK, "file": "chunks"},
    ],
    ids=str,
)
def test_events_that_make_no_sense_are_refused(message: dict[str, Any]) -> None:
    with pytest.raises(AuditbenchError):
        read_event(message)


def test_a_worker_without_a_log_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(WorkerFault) as caught:
        WorkerProcess("w", tmp_path / "absent" / "worker.log")
    assert caught.value.reason.key == "core.no_process"
    assert "No such file" in caught.value.text()


def test_a_worker_that_does_not_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_SEND_SECONDS", 0.2)
    worker = WorkerProcess("w", tmp_path / "worker.log")
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(WorkerFault) as caught:
        worker.ask("describe", seconds=5, event=no_event, plugins=["x" * 4_000_000])
    assert caught.value.reason == Message(key="core.worker_deaf", values={"seconds": 0.2})
    assert caught.value.timed_out
    assert not worker.alive


@pytest.mark.parametrize("grace", [0.0, 0.2])
def test_a_worker_whose_time_is_over_is_dead(tmp_path: Path, grace: float) -> None:
    worker = WorkerProcess("w", tmp_path / "worker.log")
    with pytest.raises(WorkerFault) as caught:
        worker.ask("describe", seconds=0.01, grace=grace, event=no_event, plugins=[])
    assert caught.value.reason == Message(key="core.timed_out", values={"seconds": 0.01})
    assert caught.value.timed_out
    assert not worker.alive


@pytest.mark.parametrize("first", [KeyboardInterrupt, None])
def test_what_goes_wrong_while_it_leaves_off_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: type[BaseException] | None
) -> None:
    worker = WorkerProcess("w", tmp_path / "worker.log")
    heard = iter([first, RunWriteError("no room is left")])

    def hear(*_: object) -> None:
        if (error := next(heard)) is not None:
            raise error

    monkeypatch.setattr(worker, "_hear", hear)
    with pytest.raises((KeyboardInterrupt, WorkerFault)) as caught:
        worker.ask("describe", seconds=5, grace=0.2, event=no_event, plugins=[])
    assert caught.type is (first or WorkerFault)
    assert list(heard) == []
    assert not worker.alive


def test_a_question_that_cannot_be_put_leaves_the_worker_alive(tmp_path: Path) -> None:
    worker = WorkerProcess("w", tmp_path / "worker.log")
    try:
        with pytest.raises(AuditbenchError, match="cannot be written as JSON"):
            worker.ask("describe", seconds=5, event=no_event, plugins=[float("nan")])
        assert worker.alive
    finally:
        worker.kill()


def test_an_error_of_a_worker_brings_its_trace(tmp_path: Path) -> None:
    worker = WorkerProcess("w", tmp_path / "worker.log")
    try:
        with pytest.raises(AuditbenchError) as caught:
            worker.ask("describe", seconds=60, event=no_event, plugins=7)
    finally:
        worker.kill()
    assert "Traceback" in caught.value.details
    assert "Traceback" not in caught.value.describe()


@pytest.mark.parametrize(
    ("fault", "way_on"),
    [
        (WorkerFault(Message(key="core.timed_out", values={"seconds": 2.0}), timed_out=True), "limits.load_seconds"),
        (WorkerFault(Message(key="core.worker_killed")), "data.max_rows"),
        (WorkerFault(Message(key="core.worker_exited", values={"status": 3}), details="Segfault"), "--debug"),
    ],
    ids=lambda value: value.reason.key if isinstance(value, WorkerFault) else value,
)
def test_a_lost_worker_is_told_with_a_way_on(fault: WorkerFault, way_on: str) -> None:
    error = lost_over("model and data were not opened", fault, where="load", limit="limits.load_seconds")
    assert way_on in error.problems[0].fix
    assert (error.exit_code, error.details) == (ExitCode.INCOMPLETE, fault.details)


@pytest.mark.parametrize(
    ("found", "kind"), [(a_subject(digest="other"), ModelError), (a_subject(rows=4), DataError)], ids=["model", "data"]
)
def test_another_subject_is_refused_with_both_digests(found: OpenedSubject, kind: type[AuditbenchError]) -> None:
    refuse_another(a_subject(), a_subject())
    with pytest.raises(kind) as caught:
        refuse_another(found, a_subject())
    problem = caught.value.problems[0]
    assert problem.found.startswith("digest ")
    assert problem.allowed.startswith("digest ")
    assert problem.found != problem.allowed


@pytest.mark.parametrize(
    "change", [{"guard_seconds": "long"}, {"warnings": 7}, {"batch": None}, {"result": []}, {"logged": "3"}], ids=str
)
def test_an_answer_that_makes_no_sense_is_no_result_and_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(WorkerPool, "drop", lambda pool, group: dropped.append(group))
    use = {"began_with": 8, "rows": 8, "halvings": 0}
    answer = {
        "result": plain(AnalysisResult()),
        "warnings": [],
        "batch": use,
        "guard_seconds": 0.1,
        "restart": False,
        "sent": {},
        "logged": 0,
    }
    folder = RunFolder(tmp_path / "run")
    folder.begin({"key": "k"}, resume=False)
    runs = AnalyzerRuns(
        load_config(write_config(tmp_path)), folder, WorkerPool(tmp_path), SilentListener(), device="cpu",
        subject=a_subject(),
    )  # fmt: skip
    item = PlannedAnalyzer(name="a", group="g", required=True, time_limit=9.0)
    assert runs._answered(item, "key", answer).status == "ok"
    assert dropped == []
    garbled = runs._answered(item, "key", {**answer, **change})
    assert garbled.status == "failed"
    assert garbled.reason is not None
    assert garbled.reason.key == "core.worker_garbled"
    assert dropped == ["g"]


def test_the_ninth_start_is_the_last_but_for_replacements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "WorkerProcess", InProcessWorker)
    pool = WorkerPool(tmp_path)
    for _ in range(MAX_STARTS + 5):
        pool.worker("replaced")
        pool.replace("replaced")
    for _ in range(MAX_STARTS):
        assert pool.may_start("dying")
        pool.worker("dying").kill()
    assert not pool.may_start("dying")
    assert pool.may_start("replaced")


def test_what_the_command_left_out_is_not_called_interrupted(tmp_path: Path) -> None:
    reasons = {"asked": None, "left-out": "core.skipped_by_command", "unfit": "core.not_applicable_sensitive"}
    items = [
        PlannedAnalyzer(
            name=name, group="g", required=True, time_limit=9.0, reason=Message(key=reason) if reason else None
        )
        for name, reason in reasons.items()
    ]
    runs = AnalyzerRuns(
        load_config(write_config(tmp_path)),
        RunFolder(tmp_path / "run"),
        WorkerPool(tmp_path),
        SilentListener(),
        device="cpu",
        subject=a_subject(),
    )
    runs.fill(items, Message(key="core.interrupted"))
    assert [(result.status, result.reason.key) for result in runs.results if result.reason] == [
        ("skipped", "core.interrupted"),
        ("skipped", "core.skipped_by_command"),
        ("not_applicable", "core.not_applicable_sensitive"),
    ]


@pytest.mark.parametrize(
    ("value", "word"), [(0.95, "evidence_incomplete"), (0.5, "not_ready")], ids=["gate-passes", "gate-fails"]
)
def test_an_interrupted_run_is_never_ready_for_review(tmp_path: Path, value: float, word: str) -> None:
    loaded = load_config(
        write_config(tmp_path, '[[gates]]\nmetric = "probe-rows.rows"\nmin = 0.9\n[analyzers.probe-rows]\n')
    )
    plan = Plan(analyzers=(), formats=(), renderers={}, trains=False, plugins=())
    metric = Metric(name="rows", value=value, n=3, no_interval="exact")
    left = AnalysisResult(
        analyzer="probe-clock", required=False, status="skipped", reason=Message(key="core.interrupted")
    )
    timing = Timing(started="", finished="", command="", seconds={}, details={})
    results = (AnalysisResult(analyzer="probe-rows", metrics=(metric,)), left)
    run = build_run(loaded, plan, a_subject(), results, timing, status="interrupted", stopped=ExitCode.INTERRUPTED)
    assert (run.verdict, run.exit_code) == (word, 130)


def test_files_outside_the_folder_stand_in_a_record_by_name() -> None:
    digests = {"rows.csv": "1", "/home/ann/rows.csv": "2", "/home/bob/rows.csv": "3", "sub/train.csv": "4"}
    facts = DataFacts(name="rows", digests=digests, rows=3, train_rows=0, target="y")
    assert _without_folders(facts).digests == {
        "rows.csv": "1",
        "rows.csv (2)": "2",
        "rows.csv (3)": "3",
        "sub/train.csv": "4",
    }


@pytest.mark.parametrize("formats", [(), ("json",)], ids=["none", "json"])
def test_rendering_nothing_is_refused(tmp_path: Path, formats: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="no report to write") as caught:
        supervisor.render(tmp_path, formats)
    assert "--format html" in caught.value.problems[0].fix
