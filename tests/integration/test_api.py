"""`auditbench.audit` on a live module: in this process, nothing left behind."""

from __future__ import annotations

import inspect
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import auditbench
from auditbench.errors import ConfigError, DataError, ExitCode, ModelError
from auditbench.worker.state_guard import model_state
from tests.plugin_site import PluginSite, installed_site

LEFT_CHANGED = """
context.model.module.register_forward_hook(lambda *_: None)
context.model.module.train()
"""
MEASURED = """
import numpy as np
random_draw = np.random.random()
return AnalysisResult(metrics=(
    Metric(name="draw", value=random_draw, n=1, no_interval="exact"),
    Metric(name="right", value=float((context.model.decisions(context.outputs) == context.data.y_true).mean()),
           n=len(context.data), no_interval="exact"),
))
"""


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with installed_site(tmp_path_factory.mktemp("api") / "site") as site:
        site.add_analyzer("probe", LEFT_CHANGED + MEASURED)
        site.add_analyzer("tidy", MEASURED)
        site.add_analyzer("raises", "raise ValueError('on purpose')")
        site.add(
            "block",
            """
def analyze(context, params):
    import numpy as np
    rows = context.explained_rows(6)
    outputs = context.model.predict(rows.inputs)
    return AnalysisResult(attributions=(Attribution(
        name="b", method="m", values=np.stack([outputs, -outputs, outputs], axis=2), player_names=tuple("abc"),
        target_names=context.model.target_names, base_values=outputs * 0, outputs=outputs, row_ids=rows.row_ids,
        unit="logit", model_rows=6),))

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="block", topic="probe", summary="", analyze=analyze)
""",
        )
        yield site


@pytest.fixture
def table() -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(50, 3)), columns=["a", "b", "c"])
    return frame, (frame["a"] > 0).to_numpy().astype(int)


def module() -> nn.Module:
    layer = nn.Linear(3, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[4.0, 0.0, 0.0]]))
        layer.bias.zero_()
    return nn.Sequential(layer, nn.Dropout(0.5))


def audit(model: nn.Module, table: tuple[Any, Any], **options: Any) -> auditbench.AuditRun:
    known = {"task": "binary-classification", "output": "logit", "analyzers": {"probe": {}}}
    return auditbench.audit(model, *table, **{**known, **options})


def test_model_flags_and_generators_are_left_as_found(table: Any) -> None:
    model = module().train()
    before = model_state(model)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    expected = float(torch.rand(())), np.random.random(), random.random()  # noqa: NPY002, S311 - their state is what is tested
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    flags = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    run = audit(model, table)
    assert model_state(model) == before
    assert (float(torch.rand(())), np.random.random(), random.random()) == expected  # noqa: NPY002, S311 - their state is what is tested
    assert (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()) == flags
    assert [warning.key for warning in run.warnings] == ["core.model_changed"]
    assert run.results[0].metrics[1].value == 1.0


def test_equal_calls_give_equal_results(table: Any) -> None:
    assert audit(module(), table).results == audit(module(), table).results
    assert audit(module(), table, seed=1).results != audit(module(), table).results


def test_gates_decide_and_a_raising_analyzer_is_a_result(table: Any) -> None:
    gates = [
        {"metric": "tidy.right", "min": 0.9},
        {"metric": "tidy.right", "max": 0.1, "id": "low", "on_fail": "warn"},
        {"metric": "probe.right", "min": 0.9, "id": "changed", "on_fail": "warn"},
    ]
    analyzers = {"tidy": {}, "raises": {"required": False}, "probe": {}}
    run = audit(module(), table, analyzers=analyzers, gates=gates)
    assert [decision.state for decision in run.gates] == ["pass", "fail", "error"]
    assert (run.verdict, run.exit_code) == ("ready_for_review", ExitCode.PASSED)
    assert [result.status for result in run.results] == ["ok", "failed", "ok"]
    assert "on purpose" in run.volatile.details["raises"]


def test_gates_of_files_stand_behind_those_of_the_call(table: Any, tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(
        "[[gates]]\nid = 'low'\nmetric = 'tidy.right'\nmax = 0.1\n"
        "[[waivers]]\ngate = 'low'\nuntil = '2999-01-01'\nby = 'A'\nreason = 'B'\n"
    )
    call = {"analyzers": {"tidy": {}}, "gates": [{"metric": "tidy.right", "min": 0.9}]}
    run = audit(module(), table, **call, gate_files=[str(file)])
    assert [(gate.id, gate.state, gate.stops_release) for gate in run.gates] == [
        ("tidy.right", "pass", False),
        ("low", "fail", False),
    ]
    assert run.waivers[0].by == "A"
    with pytest.raises(ConfigError) as caught:
        audit(module(), table, **call, gate_files=[str(file), "preset:resources-small"])
    assert {problem.where for problem in caught.value.problems} == {
        f"preset:resources-small (resources-small.{name}).metric" for name in ("parameters", "size")
    }


def test_arrays_stay_in_memory_or_go_to_the_folder(table: Any, tmp_path: Path) -> None:
    live = audit(module(), table, analyzers={"block": {}})
    values = live.results[0].attributions[0].values
    assert isinstance(values, np.ndarray)
    out = tmp_path / "run"
    stored = audit(module(), table, analyzers={"block": {}}, out=out, formats=())
    np.testing.assert_array_equal(np.asarray(stored.results[0].attributions[0].values), values)
    assert auditbench.read_run(out) == stored
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert set(json.loads((out / "manifest.json").read_bytes())["files"]) == files - {"manifest.json", ".lock"}
    audit(module(), table, analyzers={"probe": {}}, out=out, formats=())
    assert [path.name for path in (out / "arrays").iterdir()] == ["row_keys.npy"]


def test_a_folder_gets_the_html_report(table: Any, tmp_path: Path) -> None:
    run = audit(
        module(), table, analyzers={"performance": {}}, out=tmp_path / "run", sensitive_features={"g": ["x"] * 50}
    )
    assert run.results[0].status == "ok"
    assert run.warnings == ()
    assert run.config["report"]["formats"] == ["html"]
    assert (run.config["model"]["path"], run.config["data"]["test"]) == (None, None)
    assert b"<html" in (tmp_path / "run" / "report.html").read_bytes()[:2000]


def test_further_plugins_wrap_and_hear(table: Any, site: PluginSite) -> None:
    site.add(
        "ear",
        "heard = []\n@hookimpl\ndef auditbench_audit_finished(run):\n    heard.append(run.verdict)\n"
        "@hookimpl(wrapper=True)\ndef auditbench_run_analyzer(analyzer, context):\n"
        "    heard.append(analyzer.name)\n    return (yield)\n",
    )
    run = audit(module(), table, analyzers={"block": {}}, plugins=["ear"])
    assert sys.modules["probe_ear_ear"].heard == ["block", "no_gates"]
    assert {plugin.name for plugin in run.provenance.plugins} == {"block", "ear"}
    with pytest.raises(ConfigError) as caught:
        audit(module(), table, analyzers={"block": {}}, plugins=["eer"])
    assert caught.value.problems[0].where == "audit.plugins[0]"


def test_observers_hear_when_the_reports_are_written(table: Any, site: PluginSite, tmp_path: Path) -> None:
    report = tmp_path / "run" / "report.html"
    site.add(
        "late",
        "from pathlib import Path\nheard = []\n@hookimpl\ndef auditbench_audit_finished(run):\n"
        f"    heard.append(Path({str(report)!r}).exists())\n    raise ValueError('too late')\n",
    )
    run = audit(module(), table, analyzers={"block": {}}, plugins=["late"], out=report.parent)
    assert sys.modules["probe_late_late"].heard == [True]
    assert [warning.key for warning in run.warnings] == ["core.observer_raised"]
    assert "too late" in report.read_text()


def test_the_device_is_the_kind_of_device(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.worker.subject_opening.device_kind", lambda device: f"a {device} of some kind")
    assert audit(module(), table, analyzers={"block": {}}).provenance.device == "a cpu of some kind"


def test_a_config_is_audited_with_the_options_of_the_supervisor() -> None:
    from auditbench import supervisor
    from auditbench.api import audit_config

    ours = inspect.signature(audit_config).parameters
    theirs = inspect.signature(supervisor.audit).parameters
    assert {name: ours[name].default for name in theirs if name not in ("loaded", "out")} == {
        name: parameter.default for name, parameter in theirs.items() if name not in ("loaded", "out")
    }


def test_what_the_tables_of_a_file_say_can_be_said_in_a_call() -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 1, 4, 4)).astype(np.float32) / 255
    run = auditbench.audit(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 1)),
        images,
        np.arange(24) % 2,
        task="binary-classification",
        output="logit",
        analyzers={"tidy": {}},
        gates=[{"id": "right", "metric": "tidy.right", "min": 1.1}],
        waivers=[{"gate": "right", "until": "2999-01-01", "by": "A. Person", "reason": "a test"}],
        about={"intended_use": "to name what an image shows", "owner": "A. Person"},
        report={"raw_inputs": True, "cases": 2, "language": "zh-CN"},
    )
    assert (run.audit.intended_use, run.audit.owner) == ("to name what an image shows", "A. Person")
    assert run.config["report"]["language"] == "zh-CN"
    assert [(gate.state, gate.waiver_holds) for gate in run.gates] == [("fail", True)]
    assert [item.values is not None for case in run.cases for item in case.shown] == [True, True]


@pytest.mark.parametrize(
    ("keys", "where"),
    [({"about": {"ouner": "A. Person"}}, "audit.ouner"), ({"report": {"lang": "en"}}, "report.lang"),
     ({"about": {"gates": "gates.toml"}}, "about.gates"), ({"about": {"name": "b"}}, "about.name"),
     ({"about": {"seed": 3}}, "about.seed"), ({"about": {"plugins": ["a"]}}, "about.plugins"),
     ({"report": {"formats": ["pdf"]}}, "report.formats")],
)  # fmt: skip
def test_further_keys_are_checked(table: Any, keys: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        audit(module(), table, **keys)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_everything_wrong_with_the_arguments_is_said_at_once(table: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        audit(module(), table, analyzers={"probe": {"x": 1}, "prob": {}}, gates=[{"metric": "shap.a", "min": 0}])
    assert {problem.where for problem in caught.value.problems} == {
        "analyzers.probe.x",
        "analyzers.prob",
        "gates[0].metric",
    }


def test_wrong_arrays_and_modules_are_refused(table: Any) -> None:
    frame, labels = table
    with pytest.raises(DataError):
        audit(module(), (frame, labels[:-1]))
    with pytest.raises(ModelError):
        audit(nn.Linear(7, 1), table)
    with pytest.raises(ModelError):
        audit(module(), table, device="cuda") if not torch.cuda.is_available() else audit(nn.Linear(7, 1), table)


@pytest.mark.parametrize("task", ["multiclass-classification", "regression"])
def test_the_other_tasks(table: Any, task: Any) -> None:
    frame, labels = table
    outputs, scale = (3, "logit") if task == "multiclass-classification" else (1, "value")
    y_true = np.arange(50) % 3 if task == "multiclass-classification" else labels * 1.5
    run = audit(nn.Linear(3, outputs), (frame.to_numpy(), y_true), task=task, output=scale, analyzers={"block": {}})
    assert run.results[0].status == "ok"
    assert run.results[0].attributions[0].values.shape == (6, outputs, 3)


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
def test_explainers_read_each_other_from_any_current_directory(
    table: Any, task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, labels = table
    y_true = {"binary-classification": labels, "multiclass-classification": np.arange(50) % 3}.get(task, labels * 1.5)
    outputs, scale = (3 if task == "multiclass-classification" else 1), ("value" if task == "regression" else "logit")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs))
    few = {"rows": 8, "background": 10}
    analyzers = {"shap": few, "lime": {**few, "num_samples": 50}, "captum": few}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    options = {"task": task, "output": scale, "analyzers": analyzers}
    stored = audit(model, (frame, y_true), **options, out=tmp_path / "run", formats=())
    assert {result.analyzer: result.status for result in stored.results} == dict.fromkeys(analyzers, "ok")
    compared = [metric for result in stored.results for metric in result.metrics if metric.name == "rank_agreement"]
    assert len(compared) == 3  # lime with shap, captum with both
    in_memory = audit(model, (frame, y_true), **options)
    assert [result.metrics for result in stored.results] == [result.metrics for result in in_memory.results]


@pytest.mark.parametrize(
    ("table_of", "where"),
    [
        ({"captum": {"method": "grad_cam"}}, "analyzers.captum.method"),
        ({"layers": {"layers": ["conv9"]}}, "analyzers.layers.layers"),
    ],
)
def test_parameters_that_do_not_fit_a_live_model_are_refused(table: tuple[Any, Any], table_of: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        audit(module(), table, analyzers=table_of)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_methods_are_looked_up_by_what_a_live_model_takes() -> None:
    images = np.random.default_rng(0).random((24, 1, 8, 8), dtype=np.float32)
    labels = (images.mean(axis=(1, 2, 3)) > 0.5).astype(int)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 1)).eval()
    table = {"captum": {"method": "grad_cam", "rows": 4}}
    run = auditbench.audit(network, images, labels, analyzers=table, task="binary-classification", output="logit")
    assert [(result.analyzer, result.status) for result in run.results] == [("captum", "ok")]


def test_training_rows_without_labels_are_told(table: tuple[Any, Any]) -> None:
    features, labels = table
    run = auditbench.audit(
        module(), features[:40], labels[:40], background=features[40:], analyzers={"training-rows": {}},
        task="binary-classification", output="logit", formats=(),
    )  # fmt: skip
    (result,) = run.results
    assert result.status == "not_applicable"
    assert result.reason is not None
    assert "no labels" in str(result.reason.values["error"])
