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
from auditbench.errors import ConfigError, EmptyDataError, ExitCode, PluginError, RunFolderError
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.integration.small_audit import Recorder, processes_of, write_config, write_rows
from tests.plugin_site import PluginSite, installed_site

GOOD = """
class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rows: int = 10
    name: str = "x"

def analyze(context, params):
    import numpy as np
    rows = context.explained_rows(params.rows)
    found = context.map_rows(chunk, rows, chunk_rows=4)
    right = float((context.model.decisions(context.outputs) == context.data.y_true).mean())
    block = Attribution(
        name="probe", method="probe", values=found["values"][:, :, None], player_names=("all",),
        target_names=context.model.target_names, base_values=found["values"] * 0, outputs=found["values"],
        row_ids=rows.row_ids, unit="logit", model_rows=len(rows),
    )
    metrics = (
        Metric(name="right", value=right, n=len(context.data), no_interval="exact"),
        Metric(name="clock", value=time.perf_counter(), n=1, no_interval="not_estimated", repeatable=False),
    )
    return AnalysisResult(metrics=metrics, attributions=(block,))

def chunk(rows, rng):
    import numpy as np
    noise = rng.normal(size=(len(rows), 1))
    with open(os.environ["PROBE_TRACE"], "a") as file:
        file.write("chunk\\n")
    if os.environ.get("PROBE_KILL") == str(sum(1 for _ in open(os.environ["PROBE_TRACE"]))):
        os.kill(os.getpid(), 9)
    return {"values": noise}

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="good", topic="probe", summary="", analyze=analyze, Params=Params, metrics=("right", "clock"))
    yield Analyzer(name="good-late", topic="probe", summary="", analyze=late, after=("good",))

def late(context, params):
    import numpy as np
    values = np.asarray(context.results["good"].attributions[0].values)
    again = context.rerun("good", data=context.data.subset(np.arange(5)))
    metrics = (
        Metric(name="sum", value=float(values.sum()), n=len(values), no_interval="exact"),
        Metric(name="rows", value=float(len(again.attributions[0].row_ids)), n=1, no_interval="count"),
    )
    return AnalysisResult(metrics=metrics)
"""
FAULTS = {
    "raises": "raise ValueError('on purpose at ' + hex(id(context)))",
    "vanishes": "os._exit(0)",
    "hangs": "import subprocess\nsubprocess.Popen(['sleep', '600'])\nimport signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)",
    "changes": "context.model.module.train()\nreturn AnalysisResult()",
}
OBSERVER = "\n@hookimpl\ndef auditbench_audit_finished(run):\n    raise RuntimeError(run.verdict)\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    folder = tmp_path_factory.mktemp("supervisor")
    with installed_site(folder / "site") as site, pytest.MonkeyPatch.context() as patch:
        site.add("good", GOOD)
        for name, body in FAULTS.items():
            site.add_analyzer(name, body)
        site.add(
            "text",
            "def render(run, options):\n    return {'a.txt': run.verdict.encode()}\n"
            "def bad(run, options):\n    raise ValueError('no ink')\n"
            "@hookimpl\ndef auditbench_renderers():\n    yield Renderer(name='text', summary='', render=render)\n"
            "    yield Renderer(name='text-bad', summary='', render=bad)\n" + OBSERVER,
        )
        patch.setenv("PROBE_TRACE", str(folder / "trace"))
        write_rows(folder)
        supervisor.train(load_config(write_config(folder)))
        yield site


@pytest.fixture
def folder(site: PluginSite) -> Path:
    return site.path.parent


def audit(folder: Path, tail: str, out: Path, **options: Any) -> AuditRun:
    return supervisor.audit(load_config(write_config(folder, tail)), out=out, device="cpu", **options)


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
    assert {plugin.name for plugin in run.provenance.plugins} >= {"good", "raises", "text"}


def test_the_record_on_disk_is_the_one_returned(faulty: Any) -> None:
    run, _, out = faulty
    assert read_run(out) == run
    assert str(out).encode() not in json.dumps({**json.loads((out / "run.json").read_bytes()), "volatile": 0}).encode()
    manifest = json.loads((out / "manifest.json").read_bytes())["files"]
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert set(manifest) == files - {"manifest.json", ".lock"}
    assert not (out / "chunks").exists()


def test_two_runs_differ_under_volatile_alone(faulty: Any, folder: Path, tmp_path: Path) -> None:
    tail = "[analyzers.good-late]\n[analyzers.good]\n[[gates]]\nmetric = 'good.clock'\nmin = 0\ndecide = 'estimate'\n"
    documents = []
    for name in ("one", "two"):
        run = audit(folder, tail, tmp_path / name)
        documents.append(json.loads((tmp_path / name / "run.json").read_bytes()))
        assert [result.analyzer for result in run.results] == ["good", "good-late"]
        late = run.result("good-late")
        assert late is not None
        assert late.reason is None
        assert late.metrics[1].value == 5
    assert documents[0].pop("volatile") != documents[1].pop("volatile")
    assert json.dumps(documents[0]) == json.dumps(documents[1])
    with_faults = json.loads((faulty[2] / "run.json").read_bytes())["results"]
    assert next(result for result in with_faults if result["analyzer"] == "good") == documents[0]["results"][0]


def test_a_killed_audit_goes_on_where_it_stopped(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    whole = audit(folder, "[analyzers.good]\n", tmp_path / "whole")
    assert resumed.results[0].metrics[0] == whole.results[0].metrics[0]
    assert resumed.results[0].attributions[0].values.sha256 == whole.results[0].attributions[0].values.sha256  # type: ignore[union-attr]
    recorder = Recorder()
    assert audit(folder, "[analyzers.good]\n", out, listener=recorder).results == resumed.results
    assert recorder.states["good"] == "reused"
    other = load_config(write_config(folder, "[analyzers.good]\n"), ["report.cases=1"])
    with pytest.raises(RunFolderError, match="another audit"):
        supervisor.audit(other, out=out, device="cpu")
    assert read_run(out).status == "complete"
    assert len(supervisor.audit(other, out=out, device="cpu", resume=False).cases) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_a_record_and_no_process(
    folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    program = """
import sys
from pathlib import Path
from auditbench import supervisor
from auditbench.config_file import load_config
from tests.integration.small_audit import Recorder

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


def test_everything_wrong_with_names_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    tail = """
[analyzers.good]
rovs = 1
[analyzers.shapp]
[[gates]]
metric = "good.rigth"
min = 0
[[gates]]
metric = "goood.right"
min = 0
"""
    loaded = load_config(write_config(folder, tail), ["report.formats=['texxt']", "data.test=absent.csv"])
    with pytest.raises(ConfigError) as caught:
        supervisor.audit(loaded, out=tmp_path / "run")
    found = {problem.where: problem.fix for problem in caught.value.problems}
    assert found["analyzers.good.rovs"] == "did you mean `rows`?"
    assert found["analyzers.shapp"] == "did you mean `shap`?"
    assert found["gates[1].metric"] == "did you mean `good`?"
    assert found["report.formats"] == "did you mean `text`?"
    assert "data.test" in found
    assert not (tmp_path / "run").exists()


def test_a_misspelt_metric_gets_the_nearest(folder: Path) -> None:
    loaded = load_config(write_config(folder, "[analyzers.good]\n[[gates]]\nmetric = 'good.rigth'\nmin = 0\n"))
    with pytest.raises(ConfigError) as caught:
        supervisor.plan(loaded)
    assert [problem.fix for problem in caught.value.problems] == ["did you mean `right`?"]


@pytest.mark.parametrize("code", ["os._exit(0)", "os.kill(os.getpid(), 9)", "time.sleep(600)", "raise OSError('x')"])
def test_a_plugin_that_cannot_be_loaded_is_refused_before_any_work(folder: Path, tmp_path: Path, code: str) -> None:
    with installed_site(tmp_path / "more") as more:
        more.add("broken", code)
        loaded = load_config(write_config(folder, "[analyzers.broken]\n"), ["limits.load_seconds=2"])
        with pytest.raises(ConfigError) as caught:
            supervisor.plan(loaded)
    assert "broken" in caught.value.problems[0].where


def test_a_plan_says_what_will_run_and_what_will_not(folder: Path) -> None:
    tail = "[analyzers.good-late]\n[analyzers.good]\nrows = 7\ntime_limit = 5\n[analyzers.raises]\n"
    plan = supervisor.plan(load_config(write_config(folder, tail)), skip=["raises"])
    assert [item.name for item in plan.analyzers] == ["good", "good-late", "raises"]
    assert plan.analyzers[0].description.parameters["rows"] == 7
    assert plan.analyzers[0].time_limit == 5
    assert [item.reason.key if item.reason else None for item in plan.analyzers] == [
        None, None, "core.skipped_by_command",
    ]  # fmt: skip


def test_leaving_a_required_analyzer_out_is_incomplete(folder: Path, tmp_path: Path) -> None:
    run = audit(folder, "[analyzers.good]\n[analyzers.raises]\n", tmp_path / "run", only=["good"])
    assert [result.status for result in run.results] == ["ok", "skipped"]
    assert run.exit_code == ExitCode.INCOMPLETE


def test_no_analyzers_is_nothing_evaluated(folder: Path, tmp_path: Path) -> None:
    run = audit(folder, "", tmp_path / "run")
    assert (run.verdict, run.exit_code) == ("nothing_evaluated", ExitCode.NOTHING_EVALUATED)


def test_no_rows_is_nothing_evaluated_and_recorded(folder: Path, tmp_path: Path) -> None:
    (folder / "empty.csv").write_text("age,hours,sex,bought\n")
    table = "data={test='empty.csv', target='bought', positive='yes', sensitive=['sex']}"
    loaded = load_config(write_config(folder, "[analyzers.good]\n"), [table])
    with pytest.raises(EmptyDataError):
        supervisor.audit(loaded, out=tmp_path / "run", device="cpu")
    run = read_run(tmp_path / "run")
    assert (run.verdict, run.exit_code, run.status) == ("nothing_evaluated", 4, "complete")


def test_reports_are_rendered_again(folder: Path, tmp_path: Path) -> None:
    audit(folder, "[analyzers.good]\n", tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    (written,) = supervisor.render(tmp_path / "run", ["text"])
    assert written.read_text() == "no_gates"
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert "a.txt" in json.loads((tmp_path / "run" / "manifest.json").read_bytes())["files"]
    with pytest.raises(PluginError, match="text-bad"):
        supervisor.render(tmp_path / "run", ["text-bad"])
    (tmp_path / "run" / "journal.jsonl").unlink()
    assert supervisor.render(tmp_path / "run", ["text"]) == (written,)


WATCH = """
@hookimpl
def auditbench_audit_finished(run):
    with open(os.environ["PROBE_HEARD"], "a") as file:
        file.write(run.verdict + "\\n")
"""
WRAP = """
@hookimpl(wrapper=True)
def auditbench_run_analyzer(analyzer, context):
    import dataclasses
    result = yield
    return dataclasses.replace(result, metrics=(*result.metrics, Metric(name="wrapped", value=1.0, n=1, no_interval="count")))
"""


def test_plugins_of_the_audit_wrap_every_analyzer_and_hear_of_it_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_HEARD", str(tmp_path / "heard"))
    with installed_site(tmp_path / "more") as more:
        more.add("watch", WATCH)
        more.add("wrap", WRAP)
        tail = "[analyzers.performance]\n[analyzers.good]\n"
        config = write_config(folder, tail)
        loaded = load_config(config, ["audit.plugins=['watch', 'wrap']"])
        run = supervisor.audit(loaded, out=tmp_path / "run", device="cpu")
        wrapped = {
            result.analyzer: [metric.name for metric in result.metrics].count("wrapped") for result in run.results
        }
        assert wrapped == {"performance": 1, "good": 1}
        assert (tmp_path / "heard").read_text() == "no_gates\n"
        assert {plugin.name for plugin in run.provenance.plugins} == {"good", "performance", "watch", "wrap"}
        recorder = Recorder()
        supervisor.audit(loaded, out=tmp_path / "run", device="cpu", listener=recorder)
        assert recorder.states["performance"] == recorder.states["good"] == "reused"
        more.add("wrap", WRAP.replace("value=1.0", "value=2.0"))
        supervisor.audit(loaded, out=tmp_path / "run", device="cpu", listener=recorder)
        assert recorder.states["performance"] == recorder.states["good"] == "ok"


def test_an_unknown_plugin_of_the_audit_is_refused_once(folder: Path) -> None:
    loaded = load_config(write_config(folder, "[analyzers.good]\n"), ["audit.plugins=['texxt']"])
    with pytest.raises(ConfigError) as caught:
        supervisor.plan(loaded)
    assert [(problem.where, problem.fix) for problem in caught.value.problems] == [
        ("audit.plugins[0]", "did you mean `text`?")
    ]


@pytest.mark.parametrize("change", ["code", "requirement"])
def test_a_result_is_not_reused_when_what_made_it_changed(folder: Path, tmp_path: Path, change: str) -> None:
    body = "return AnalysisResult(metrics=(Metric(name='m', value={}.0, n=1, no_interval='count'),))"
    with installed_site(tmp_path / "more") as more:
        more.add("base", "", version="1.0")
        more.add_analyzer("edited", body.format(1), requires="base")
        loaded = load_config(write_config(folder, "[analyzers.edited]\n"))
        states = []
        for step in range(3):
            if step == 2 and change == "code":
                more.add_analyzer("edited", body.format(2), requires="base")
            elif step == 2:
                (more.path / "base-1.0.dist-info" / "METADATA").write_text(
                    "Metadata-Version: 2.1\nName: base\nVersion: 2\n"
                )
            recorder = Recorder()
            run = supervisor.audit(loaded, out=tmp_path / "run", device="cpu", listener=recorder)
            states.append(recorder.states["edited"])
    assert states == ["ok", "reused", "ok"]
    assert run.result("edited").metrics[0].value == (2.0 if change == "code" else 1.0)


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


def test_plugins_are_described(site: PluginSite) -> None:
    described = {item.plugin.name: item for item in supervisor.describe(["good", "text", "performance"])}
    assert [analyzer.name for analyzer in described["good"].analyzers] == ["good", "good-late"]
    assert "rows" in described["good"].analyzers[0].schema["properties"]
    assert [item.kind for item in described["text"].provides] == ["renderer", "renderer"]
    assert described["performance"].first_party
