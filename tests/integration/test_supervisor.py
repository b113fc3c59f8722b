"""The supervisor with real workers: whatever a plugin does, the audit goes on, says so, and leaves nothing running."""

from __future__ import annotations

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
from auditbench.errors import ConfigError, ExitCode, RunFolderError
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process
from tests.integration.probe_audit import FAULTS, audit, probe_site
from tests.integration.small_audit import Recorder, processes_of, write_config
from tests.plugin_site import PluginSite, installed_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with probe_site(tmp_path_factory.mktemp("supervisor")) as site:
        yield site


@pytest.fixture
def folder(site: PluginSite) -> Path:
    return site.path.parent


@pytest.fixture(scope="module")
def faulty(site: PluginSite, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditRun, Recorder, Path]:
    """One audit with every fault, and a good analyzer last."""
    tables = "".join(f"[analyzers.{name}]\nrequired = {str(name == 'raises').lower()}\n" for name in FAULTS)
    tail = (
        tables.replace("[analyzers.hangs]\n", "[analyzers.hangs]\ntime_limit = 1.5\n")
        + "[analyzers.good]\n[[gates]]\nmetric = 'good.right'\nmin = 0\n[[gates]]\nmetric = 'raises.any'\nmin = 0\n"
        "[[gates]]\nmetric = 'good.clock'\nmin = 0\ndecide = 'estimate'\n"
    )
    recorder, out = Recorder(), tmp_path_factory.mktemp("out") / "run"
    run = audit(site.path.parent, tail, out, listener=recorder, formats=["json", "text", "text-bad"])
    return run, recorder, out


def test_verdict_gates_and_warnings_of_the_faulty_run(faulty: Any) -> None:
    run, recorder, out = faulty
    assert (run.status, run.verdict, run.exit_code) == ("complete", "evidence_incomplete", ExitCode.INCOMPLETE)
    assert [decision.state for decision in run.gates] == ["pass", "error", "pass"]
    assert {warning.key for warning in run.warnings} == {
        "core.model_changed", "core.renderer_failed", "core.observer_raised",
    }  # fmt: skip
    assert (out / "a.txt").read_text() == "evidence_incomplete"
    assert {name: recorder.states[name] for name in ("raises", "vanishes", "hangs", "render:text-bad")} == {
        "raises": "failed", "vanishes": "failed", "hangs": "timed_out", "render:text-bad": "failed",
    }  # fmt: skip
    assert "ValueError" in run.volatile.details["raises"]
    assert not {"vanishes", "hangs"} & set(run.volatile.details)  # they wrote nothing
    assert {plugin.name for plugin in run.provenance.plugins} >= {"good", "raises", "text"}


def test_the_record_on_disk_is_the_one_returned(faulty: Any) -> None:
    run, _, out = faulty
    assert read_run(out) == run
    assert str(out).encode() not in json.dumps({**json.loads((out / "run.json").read_bytes()), "volatile": 0}).encode()
    manifest = json.loads((out / "manifest.json").read_bytes())["files"]
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert set(manifest) == files - {"manifest.json", ".lock"}
    assert not (out / "chunks").exists()


@pytest.fixture(scope="module")
def twice(site: PluginSite, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The run folders of two equal audits of the good analyzers."""
    tail = "[analyzers.good-late]\n[analyzers.good]\n[[gates]]\nmetric = 'good.clock'\nmin = 0\ndecide = 'estimate'\n"
    outs = [tmp_path_factory.mktemp("twice") / "run" for _ in range(2)]
    for out in outs:
        audit(site.path.parent, tail, out)
    return outs


def test_two_runs_differ_under_volatile_alone(faulty: Any, twice: list[Path]) -> None:
    documents = []
    for out in twice:
        run = read_run(out)
        documents.append(json.loads((out / "run.json").read_bytes()))
        assert [result.analyzer for result in run.results] == ["good", "good-late"]
        late = run.result("good-late")
        assert late is not None
        assert late.reason is None
        assert late.metrics[1].value == 5
    assert documents[0].pop("volatile") != documents[1].pop("volatile")
    assert json.dumps(documents[0]) == json.dumps(documents[1])
    with_faults = json.loads((faulty[2] / "run.json").read_bytes())["results"]
    assert next(result for result in with_faults if result["analyzer"] == "good") == documents[0]["results"][0]


def test_a_killed_audit_goes_on_where_it_stopped(
    folder: Path, twice: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, out = tmp_path / "trace", tmp_path / "run"
    monkeypatch.setenv("PROBE_TRACE", str(trace))
    monkeypatch.setenv("PROBE_KILL", "2")
    killed = audit(folder, "[analyzers.good]\n", out)
    assert killed.results[0].reason is not None
    assert killed.results[0].reason.key == "core.worker_killed"
    assert killed.exit_code == ExitCode.INCOMPLETE
    monkeypatch.delenv("PROBE_KILL")
    trace.unlink()
    resumed = audit(folder, "[analyzers.good]\n", out)
    assert trace.read_text().count("chunk") == 2  # of three chunks one was stored
    whole = read_run(twice[0])
    assert resumed.results[0].metrics[0] == whole.results[0].metrics[0]
    assert resumed.results[0].attributions[0].values.sha256 == whole.results[0].attributions[0].values.sha256  # type: ignore[union-attr]
    recorder = Recorder()
    assert audit(folder, "[analyzers.good]\n", out, listener=recorder).results == resumed.results
    assert recorder.states["good"] == "reused"
    with pytest.raises(RunFolderError, match="another audit"):
        audit(folder, "[analyzers.good]\n", out, "report.cases=1")
    assert read_run(out).status == "complete"
    with workers_in_this_process():
        assert len(audit(folder, "[analyzers.good]\n", out, "report.cases=1", resume=False).cases) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_a_record_and_no_process(
    folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    program = """
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
run = supervisor.audit(load_config(Path(sys.argv[1])), out=Path(sys.argv[2]), device="cpu", listener=ear)
print(run.status, run.exit_code, ear.notes, flush=True)
"""
    config = write_config(folder, "[analyzers.good]\n[analyzers.hangs]\n")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(config), str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        for line in process.stdout:
            if line == "hangs\n":
                break
        process.send_signal(number)
        last = process.stdout.read()
        assert process.wait(20) == 0
    assert f"interrupted {code}" in last
    assert f"auditbench audit {config} --out {tmp_path / 'run'}" in last
    run = read_run(tmp_path / "run")
    assert [result.status for result in run.results] == ["ok", "skipped"]
    assert [pid for pid in processes_of(folder) if pid != os.getpid()] == []


def test_a_worker_ends_with_its_supervisor(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from auditbench.supervisor.worker_process import WorkerProcess\n"
        "worker = WorkerProcess('w', Path(sys.argv[1])); print(worker._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1]:
            return
        signal.sigtimedwait([], 0.1)
    pytest.fail("the worker is still there")


@pytest.mark.parametrize("code", ["os._exit(0)", "os.kill(os.getpid(), 9)", "time.sleep(600)", "raise OSError('x')"])
def test_a_plugin_that_cannot_be_loaded_is_refused_before_any_work(folder: Path, tmp_path: Path, code: str) -> None:
    with installed_site(tmp_path / "more") as more:
        more.add("broken", code)
        seconds = 5 if "sleep" in code else 60
        loaded = load_config(write_config(folder, "[analyzers.broken]\n"), [f"limits.load_seconds={seconds}"])
        with pytest.raises(ConfigError) as caught:
            supervisor.plan(loaded)
    assert "broken" in caught.value.problems[0].where


def test_a_process_that_was_changed_is_put_back_and_the_run_says_so(folder: Path, tmp_path: Path) -> None:
    with installed_site(tmp_path / "more") as more:
        more.add(
            "pair",
            "def first(context, params):\n"
            "    import torch\n"
            "    torch.set_default_dtype(torch.float64)\n"
            "    try:\n"
            "        context.outputs[:] = 0\n"
            "    except ValueError:\n"
            "        pass\n"
            "    return AnalysisResult()\n"
            "def second(context, params):\n"
            "    import torch\n"
            "    value = float(torch.zeros(()).dtype == torch.float32 and context.outputs.any())\n"
            "    return AnalysisResult(metrics=(Metric(name='clean', value=value, n=1, no_interval='count'),))\n"
            "@hookimpl\n"
            "def auditbench_analyzers():\n"
            "    yield Analyzer(name='pair-first', topic='t', summary='', analyze=first)\n"
            "    yield Analyzer(name='pair-second', topic='t', summary='', analyze=second)\n",
        )
        run = audit(folder, "[analyzers.pair-first]\n[analyzers.pair-second]\n", tmp_path / "run")
    assert run.result("pair-second").metrics[0].value == 1.0
    (warning,) = run.warnings
    assert warning.values == {"analyzer": "pair-first", "what": "default dtype"}
