"""What an audit plans, reuses and renders again. Nothing dies here, so the workers have no processes of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.errors import ConfigError, EmptyDataError, ExitCode, PluginError
from auditbench.findings import Message
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process
from tests.integration.probe_audit import audit, probe_site
from tests.integration.small_audit import Recorder, write_config
from tests.plugin_site import PluginSite, installed_site

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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with probe_site(tmp_path_factory.mktemp("planning")) as site, workers_in_this_process():
        yield site


@pytest.fixture
def folder(site: PluginSite) -> Path:
    return site.path.parent


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


@pytest.mark.parametrize(
    "further", [pytest.param([], id="in-the-plan"), pytest.param(["report.casess=1"], id="with-a-fault-in-the-file")]
)
def test_gates_that_follow_from_a_misspelt_table_are_not_told_beside_it(folder: Path, further: list[str]) -> None:
    tail = "[analyzers.goood]\n" + "".join(
        f"[[gates]]\nmetric = '{metric}'\nmin = 0\n" for metric in ("good.right", "good.clock", "shap.right")
    )
    with pytest.raises(ConfigError) as caught:
        supervisor.plan(load_config(write_config(folder, tail), further))
    found = {problem.where: problem.fix for problem in caught.value.problems if problem.where != "report.casess"}
    assert found == {"analyzers.goood": "did you mean `good`?", "gates[2].metric": "add [analyzers.shap]"}


@pytest.mark.parametrize("reused", [False, True])
def test_what_an_analyzer_does_not_declare_or_has_no_words_for_is_a_warning(
    site: PluginSite, folder: Path, tmp_path: Path, reused: bool
) -> None:
    body = """
note = Note(kind="limit", text=Message(key="loose.unheard"))
said = Note(kind="limit", text=Message(key="loose.said"))
names = ("kept", "stray", "stray", "other")
metrics = [Metric(name=n, value=1.0, n=1, no_interval="count", where={"at": str(i)}) for i, n in enumerate(names)]
undefined = Metric(name="kept", value=None, n=0, reason=Message(key="loose.why"))
return AnalysisResult(metrics=(*metrics, undefined), notes=(note, said, note))
"""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    record = "name='loose', topic='t', summary='s', analyze=analyze, metrics=('kept',)"
    code = (
        "from auditbench.findings import Message\nfrom auditbench.results import Note\n"
        f"def analyze(context, params):\n{lines}\n@hookimpl\ndef auditbench_analyzers():\n"
        f"    yield Analyzer({record}, messages={{'en': {{'loose.said': 'Said.'}}}})\n"
    )
    site.add("loose", code)
    for _ in range(1 + reused):
        run = audit(folder, "[analyzers.loose]\n", tmp_path / "run")
    assert run.warnings == (
        Message(key="core.undeclared_metrics", values={"analyzer": "loose", "what": "other, stray"}),
        Message(key="core.keys_without_words", values={"analyzer": "loose", "what": "loose.unheard, loose.why"}),
    )


def test_a_misspelt_metric_gets_the_nearest(folder: Path) -> None:
    loaded = load_config(write_config(folder, "[analyzers.good]\n[[gates]]\nmetric = 'good.rigth'\nmin = 0\n"))
    with pytest.raises(ConfigError) as caught:
        supervisor.plan(loaded)
    assert [problem.fix for problem in caught.value.problems] == ["did you mean `right`?"]


def test_a_plan_says_what_will_run_and_what_will_not(folder: Path) -> None:
    tail = "[analyzers.good-late]\n[analyzers.good]\nrows = 7\ntime_limit = 5\n[analyzers.raises]\n"
    plan = supervisor.plan(load_config(write_config(folder, tail)), skip=["raises"])
    assert [item.name for item in plan.analyzers] == ["good", "good-late", "raises"]
    assert plan.analyzers[0].description.parameters["rows"] == 7
    assert plan.analyzers[0].time_limit == 5
    assert [item.reason.key if item.reason else None for item in plan.analyzers] == [
        None, None, "core.skipped_by_command",
    ]  # fmt: skip


def test_an_unknown_plugin_of_the_audit_is_refused_once(folder: Path) -> None:
    loaded = load_config(write_config(folder, "[analyzers.good]\n"), ["audit.plugins=['texxt']"])
    with pytest.raises(ConfigError) as caught:
        supervisor.plan(loaded)
    assert [(problem.where, problem.fix) for problem in caught.value.problems] == [
        ("audit.plugins[0]", "did you mean `text`?")
    ]


def test_plugins_are_described(site: PluginSite) -> None:
    described = {item.plugin.name: item for item in supervisor.describe(["good", "text", "performance"])}
    assert [analyzer.name for analyzer in described["good"].analyzers] == ["good", "good-late"]
    assert "rows" in described["good"].analyzers[0].schema["properties"]
    assert [item.kind for item in described["text"].provides] == ["renderer", "renderer"]
    assert described["performance"].first_party


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
        changed = WRAP.replace("value=1.0", "value=22.0")  # of another length: compiled code is told by size and second
        more.add("wrap", changed)
        sys.modules.pop(more.modules[-1])
        supervisor.audit(loaded, out=tmp_path / "run", device="cpu", listener=recorder)
        assert recorder.states["performance"] == recorder.states["good"] == "ok"


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
                more.add_analyzer("edited", body.format(22), requires="base")
                sys.modules.pop(more.modules[-1])
            elif step == 2:
                (more.path / "base-1.0.dist-info" / "METADATA").write_text(
                    "Metadata-Version: 2.1\nName: base\nVersion: 2\n"
                )
            recorder = Recorder()
            run = supervisor.audit(loaded, out=tmp_path / "run", device="cpu", listener=recorder)
            states.append(recorder.states["edited"])
    assert states == ["ok", "reused", "ok"]
    assert run.result("edited").metrics[0].value == (22.0 if change == "code" else 1.0)
