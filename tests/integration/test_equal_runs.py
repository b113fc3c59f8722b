"""Same input, same bits: whatever surrounds an audit, and whenever its worker was killed and started again."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.errors import ExitCode
from tests.integration.every_analyzer import ANALYZERS, auditbench, stable_part, write_audit
from tests.integration.small_audit import Recorder

SURROUNDINGS = {
    "west": {"PYTHONHASHSEED": "1", "TZ": "America/St_Johns", "LANG": "C", "LC_ALL": "C"},
    "east": {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
}
RUNS = 10
TOLERANCE = 1e-6
KILLS = {
    "before-any": ("performance:started",),
    "between": ("fairness:started", "resources:started"),
    "first-step-of-each": ("shap:1", "lime:1", "captum:1"),
    "one-after-the-other": tuple(f"{name}:started" for name in ANALYZERS),
}


class Killer(Recorder):
    """A listener that kills the workers when an analyzer starts, or at its nth step."""

    def __init__(self, moments: tuple[str, ...]) -> None:
        super().__init__()
        self.moments = moments
        self.killed: list[str] = []
        self.steps: dict[str, int] = {}
        self.others = set(psutil.Process().children(recursive=True))  # such as a browser of other tests

    def stage_started(self, name: str, detail: str = "") -> None:
        super().stage_started(name, detail)
        self.reach(f"{name}:started")

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        self.steps[name] = self.steps.get(name, 0) + 1
        self.reach(f"{name}:{self.steps[name]}")

    def reach(self, moment: str) -> None:
        if moment in self.moments:
            self.killed.append(moment)
            for process in set(psutil.Process().children(recursive=True)) - self.others:
                process.send_signal(signal.SIGKILL)


def audit_in(folder: Path, *options: str, **surroundings: str) -> Path:
    """Train and audit in a new folder, from another working directory; gives the run folder."""
    elsewhere = folder.parent / f"{folder.name}-elsewhere"
    elsewhere.mkdir()
    config = write_audit(folder)
    done = auditbench("audit", config, "--out", folder / "run", *options, environment=surroundings, cwd=elsewhere)
    assert done.returncode == ExitCode.GATE_FAILED, done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that every other one is compared with."""
    run = audit_in(tmp_path_factory.mktemp("equal") / "reference")
    document = json.loads((run / "run.json").read_bytes())
    assert {result["analyzer"]: result["status"] for result in document["results"]} == dict.fromkeys(ANALYZERS, "ok")
    assert len(stable_part(run)["arrays"]) >= 6
    return run


def test_equal_runs_in_other_surroundings(reference: Path, tmp_path: Path) -> None:
    for name, surroundings in SURROUNDINGS.items():
        run = audit_in(tmp_path / name, **surroundings)
        assert stable_part(run) == stable_part(reference), name
        assert (run / "run.json").read_bytes() != (reference / "run.json").read_bytes(), "clocks differ"


@pytest.mark.nightly
@pytest.mark.timeout(1500)
def test_ten_equal_runs(reference: Path, tmp_path: Path) -> None:
    expected = stable_part(reference)
    for number in range(1, RUNS):
        assert stable_part(audit_in(tmp_path / str(number))) == expected


def kill_and_go_on(folder: Path, moments: tuple[str, ...]) -> Path:
    """Audit with workers killed at these moments, then again without; gives the run folder."""
    loaded = load_config(write_audit(folder))
    out = folder / "run"
    killer = Killer(moments)
    supervisor.audit(loaded, out=out, listener=killer)
    assert killer.killed == list(moments)
    hit = {moment.partition(":")[0] for moment in killer.killed}
    lost = {name for name in ANALYZERS if killer.states[name] == "failed"}
    inside = {moment.partition(":")[0] for moment in killer.killed if not moment.endswith(":started")}
    assert inside <= lost <= hit, "a worker that was idle when it was killed may be replaced in time"
    recorder = Recorder()
    run = supervisor.audit(loaded, out=out, listener=recorder)
    assert {recorder.states[name] for name in lost} <= {"ok"}
    assert "reused" in recorder.states.values()
    assert run.status == "complete"
    return out


def test_a_killed_worker_leaves_no_trace_in_the_result(reference: Path, tmp_path: Path) -> None:
    moments = ("fairness:started", "shap:1", "captum:1")
    assert stable_part(kill_and_go_on(tmp_path / "killed", moments)) == stable_part(reference)


@pytest.mark.nightly
@pytest.mark.parametrize("name", KILLS)
def test_a_worker_killed_at_any_moment_leaves_no_trace(name: str, reference: Path, tmp_path: Path) -> None:
    assert stable_part(kill_and_go_on(tmp_path / name, KILLS[name])) == stable_part(reference)


def test_another_thread_count_gives_the_same_verdict(tmp_path: Path) -> None:
    """A small network computes on one thread whatever is said, so this one is not small."""
    wide = "--set=train.parameters={hidden=[1200, 900]}"
    runs = [
        audit_in(tmp_path / count, wide, OMP_NUM_THREADS=count, MKL_NUM_THREADS=count, OPENBLAS_NUM_THREADS=count)
        for count in ("1", "2")
    ]
    documents = [json.loads((run / "run.json").read_bytes()) for run in runs]
    assert [item["provenance"]["threads"] for item in documents] == [1, 2]
    verdicts = [(item["verdict"], item["exit_code"], [gate["state"] for gate in item["gates"]]) for item in documents]
    assert verdicts[0] == verdicts[1]
    values = [[metric["value"] for result in item["results"] for metric in result["metrics"]] for item in documents]
    assert len(values[0]) == len(values[1]) > 20
    for first, second in zip(*values, strict=True):
        assert first == second if first is None else first == pytest.approx(second, rel=TOLERANCE, abs=TOLERANCE)
