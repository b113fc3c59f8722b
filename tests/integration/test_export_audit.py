"""`auditbench export` and the audits that it writes: equal outputs are shown, and other ones fail a gate."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from auditbench.cli.boundary import guarded
from auditbench.config_file import load_config
from auditbench.models.opening import packages
from auditbench.registry import Registry
from auditbench.worker.subject_opening import open_subject
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import write_rows

CONFIG = """
[audit]
name = "small"
[model]
path = "model"
task = "binary-classification"
threshold = 0.4
[train]
architecture = "mlp"
parameters = { hidden = [4] }
epochs = 2
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
types = { "hours" = "number" }
[analyzers.performance]
replicates = 40
[report]
formats = []
cases = 2
"""
KINDS = {"onnx": "model.onnx", "pt2": "model.pt2", "safetensors": "model.safetensors"}


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def auditbench(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = guarded([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ended(code=code, out=said.out, err=said.err)

    with workers_in_this_process():
        yield call


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained bundle and its exports."""
    folder = tmp_path_factory.mktemp("exports")
    write_rows(folder)
    (folder / "audit.toml").write_text(CONFIG)
    with workers_in_this_process():
        assert guarded(["train", str(folder / "audit.toml")]) == 0
        assert guarded(["export", str(folder / "audit.toml"), "--to", "onnx,pt2", "--to", "safetensors"]) == 0
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def record(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def metrics(run: Any, analyzer: str) -> dict[str, Any]:
    (result,) = (item for item in run["results"] if item["analyzer"] == analyzer)
    return {item["name"]: item["value"] for item in result["metrics"] if not item.get("where")}


@pytest.mark.parametrize("kind", KINDS)
def test_the_audit_of_an_export_shows_parity(
    exported: Path, tmp_path: Path, auditbench: Callable[..., Ended], kind: str
) -> None:
    folder = exported / "export/model" / kind
    table = tomllib.loads((folder / "audit.toml").read_text())
    assert (table["model"]["path"], table["model"]["threshold"]) == (".", 0.4)
    assert (table["data"]["types"], table["report"]["formats"]) == ({"hours": "number"}, [])
    sha256 = hashlib.sha256((folder / KINDS[kind]).read_bytes()).hexdigest()
    assert table["model"].get("trust") == ([sha256] if kind == "pt2" else None)
    checked = auditbench("check", folder / "audit.toml")
    assert "bundle: ../../../model (bundle, binary-classification), to compare with" in checked.out
    ended = auditbench("audit", folder / "audit.toml", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    run = record(tmp_path / "run")
    assert [gate["state"] for gate in run["gates"]] == ["pass"] * 3
    found = metrics(run, "parity")
    assert found["largest_scaled_difference"] <= 1e-5
    assert found["largest_probability_difference"] <= 1e-5
    assert found["changed_decisions"] == 0.0
    assert run["model"]["format"] == {"onnx": "onnx", "pt2": "exported", "safetensors": "bundle"}[kind]
    assert run["model"]["parameters"] == (None if kind == "onnx" else 5 * 4 + 4 + 4 + 1)
    assert run["model"]["capabilities"] == ["gradients", "hooks", "layers", "black_box"]
    assert run["model"]["limits"] == []


def test_every_analyzer_takes_a_graph(copied: Path, tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    config = copied / "export/model/onnx/audit.toml"
    config.write_text(
        config.read_text()
        + "[analyzers.fairness]\n[analyzers.resources]\nseconds = 0.01\n[analyzers.captum]\n"
        + "[analyzers.shap]\nrows = 3\nbackground = 4\nbudget = 60\n[analyzers.lime]\nrows = 2\nnum_samples = 40\n"
    )
    ended = auditbench("audit", config, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    run = record(tmp_path / "run")
    states = {item["analyzer"]: item["status"] for item in run["results"]}
    assert set(states.values()) == {"ok"}, states
    (parameters,) = (
        metric
        for item in run["results"]
        for metric in item["metrics"]
        if (item["analyzer"], metric["name"]) == ("resources", "parameters")
    )
    assert (parameters["value"], parameters["reason"]["key"]) == (None, "resources.undefined.not_counted")
    assert (run["provenance"]["packages"]["onnx"], run["provenance"]["packages"]["onnxruntime"]) == (
        onnx.__version__,
        onnxruntime.__version__,
    )
    assert run["warnings"] == []


def test_exports_are_told_with_what_was_compared(copied: Path, auditbench: Callable[..., Ended]) -> None:
    ended = auditbench("export", copied / "audit.toml", "--to", "pt2", "--out", copied / "deployed")
    assert ended.code == 0, ended.err
    assert "on 36 random rows" in ended.out
    assert "on 40 rows of the data" in ended.out
    assert f"next: auditbench audit {copied / 'deployed/pt2/audit.toml'}" in ended.out
    content = (copied / "deployed/pt2/model.pt2").read_bytes()
    assert hashlib.sha256(content).hexdigest() in ended.out
    again = auditbench("export", copied / "audit.toml", "--to", "pt2", "--out", copied / "deployed")
    assert again.code == 0, again.err


def test_a_bundle_alone_is_exported_without_an_audit(copied: Path, auditbench: Callable[..., Ended]) -> None:
    ended = auditbench("export", copied / "model", "--to", "safetensors", "--out", copied / "alone")
    assert ended.code == 0, ended.err
    assert "rows of the data" not in ended.out
    assert "auditbench export CONFIG" in ended.out
    names = sorted(path.name for path in (copied / "alone/safetensors").iterdir())
    assert names == ["export.json", "model.json", "model.safetensors", "training.json"]


def test_two_bundles_side_by_side_are_exported_beside_each_other(
    copied: Path, auditbench: Callable[..., Ended]
) -> None:
    shutil.copytree(copied / "model", copied / "other")
    before = (copied / "export/model/pt2/model.json").read_bytes()
    ended = auditbench("export", copied / "other", "--to", "pt2")
    assert ended.code == 0, ended.err
    assert (copied / "export/other/pt2/model.pt2").is_file()
    assert (copied / "export/model/pt2/model.json").read_bytes() == before


def test_runs_in_the_folder_of_an_export_stay_when_it_is_replaced(
    copied: Path, auditbench: Callable[..., Ended]
) -> None:
    folder = copied / "export/model/safetensors"
    (folder / "auditbench-out/small").mkdir(parents=True)
    (folder / "auditbench-out/small/run.json").write_text("{}")
    ended = auditbench("export", copied / "audit.toml", "--to", "safetensors")
    assert ended.code == 0, ended.err
    assert (folder / "auditbench-out/small/run.json").read_text() == "{}"
    assert not [item for item in folder.parent.iterdir() if item.name.startswith(".")]


def test_an_export_is_not_trained_over(copied: Path, auditbench: Callable[..., Ended]) -> None:
    ended = auditbench("train", copied / "audit.toml", "--set", 'model.path="export/model/safetensors"')
    assert ended.code == 2
    assert "something else than a model" in ended.err


def test_other_weights_fail_the_gates(copied: Path, tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    path = copied / "export/model/onnx/model.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(-weights, tensor.name))
    path.write_bytes(model.SerializeToString())
    ended = auditbench("audit", copied / "export/model/onnx/audit.toml", "--out", tmp_path / "run")
    assert ended.code == 1, ended.err
    run = record(tmp_path / "run")
    assert "fail" in {gate["state"] for gate in run["gates"]}
    (result,) = (item for item in run["results"] if item["analyzer"] == "parity")
    assert "parity.outputs_differ" in {finding["rule"] for finding in result["findings"]}
    assert result["tables"][0]["name"] == "rows"


def test_another_bundle_is_compared_anew(copied: Path, tmp_path: Path, auditbench: Callable[..., Ended]) -> None:
    audit = ("audit", copied / "export/model/safetensors/audit.toml", "--out", tmp_path / "run")
    assert auditbench(*audit).code == 0
    assert auditbench("train", copied / "audit.toml", "--set", "train.epochs=4").code == 0
    changed = auditbench(*audit)
    assert changed.code == 2
    assert "further models" in changed.err
    assert auditbench(*audit, "--no-resume").code == 1
    assert metrics(record(tmp_path / "run"), "parity")["largest_scaled_difference"] > 1e-5


def test_the_model_to_compare_with_is_guarded(exported: Path) -> None:
    loaded = load_config(exported / "export/model/safetensors/audit.toml", ())
    subject = open_subject(
        loaded.config, loaded.base, Registry(), device="cpu", stage=lambda *_, **__: None, may_train=False
    )
    assert subject.changes() == ()
    with torch.no_grad():
        next(iter(subject.others["bundle"].module.parameters())).zero_()
    assert subject.changes() == ("weights",)


def test_a_program_that_was_changed_is_not_trusted(copied: Path, auditbench: Callable[..., Ended]) -> None:
    with (copied / "export/model/pt2/model.pt2").open("ab") as file:
        file.write(b"\0")
    ended = auditbench("check", copied / "export/model/pt2/audit.toml")
    assert ended.code == 2


def test_a_further_program_is_trusted_on_the_command_line(
    copied: Path, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    config = copied / "export/model/safetensors/audit.toml"
    other = '[models.bundle]\nformat = "exported"\npath = "../pt2"'
    text = config.read_text()
    config.write_text(text.replace('[models.bundle]\npath = "../../../model"', other))
    assert config.read_text() != text
    refused = auditbench("audit", config, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "AB303" in refused.err
    sha256 = hashlib.sha256((copied / "export/model/pt2/model.pt2").read_bytes()).hexdigest()
    ended = auditbench("audit", config, "--out", tmp_path / "run", "--trust-model", sha256)
    assert ended.code == 0, ended.err
    assert [program["sha256"] for program in record(tmp_path / "run")["model"]["programs"]] == [sha256]


def test_a_graph_alone_needs_declared_keys_and_gives_the_same_numbers(
    copied: Path, tmp_path: Path, auditbench: Callable[..., Ended]
) -> None:
    shutil.copyfile(copied / "export/model/onnx/model.onnx", copied / "net.onnx")
    head, _, tail = CONFIG.partition("[train]")
    data = tail[tail.index("[data]") :]
    alone = head.replace('path = "model"', 'path = "net.onnx"\nformat = "onnx"\ninputs = "standardized"')
    config = copied / "alone.toml"
    config.write_text(alone + data)
    refused = auditbench("audit", config, "--out", tmp_path / "alone")
    assert refused.code == 2
    assert "model.output: this key is missing" in refused.err
    config.write_text(alone.replace("threshold", 'output = "logit"\nthreshold') + data)
    assert auditbench("audit", config, "--out", tmp_path / "alone").code == 0
    config.write_text(head + data)
    assert auditbench("audit", config, "--out", tmp_path / "bundle").code == 0
    found, expected = (metrics(record(tmp_path / name), "performance") for name in ("alone", "bundle"))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(("--to", "onx"), ("AB100 --to: there is no such export", "did you mean `onnx`?"), id="kind"),
        pytest.param(("--to", "onnx", "--tolerance", "0"), ("AB300 --to onnx", "--tolerance"), id="tolerance"),
        pytest.param(
            ("--to", "pt2", "--set", 'model.format="safetensors"', "--set", 'model.architecture="mlp"'),
            ("AB100",),
            id="no-bundle",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(
    copied: Path, auditbench: Callable[..., Ended], arguments: tuple[str, ...], told: tuple[str, ...]
) -> None:
    shutil.rmtree(copied / "export")
    ended = auditbench("export", copied / "audit.toml", *arguments)
    assert ended.code == 2
    assert all(part in ended.err for part in told), ended.err
    assert not list((copied / "export").glob("*/*/*"))


def test_only_a_bundle_is_exported(copied: Path, auditbench: Callable[..., Ended]) -> None:
    ended = auditbench("export", copied / "export/model/pt2/audit.toml", "--to", "onnx")
    assert ended.code == 2
    assert "only a bundle can be exported" in ended.err


def test_without_a_model_the_way_on_is_told(copied: Path, auditbench: Callable[..., Ended]) -> None:
    shutil.rmtree(copied / "model")
    ended = auditbench("export", copied / "audit.toml", "--to", "pt2")
    assert ended.code == 2
    assert f"auditbench train {copied / 'audit.toml'}" in ended.err


def test_without_the_extra_it_is_named_before_anything_is_done(
    copied: Path, auditbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "onnxscript" else object())
    ended = auditbench("export", copied / "audit.toml", "--to", "pt2,onnx", "--out", copied / "new")
    assert ended.code == 2
    assert "pip install 'auditbench[onnx]'" in ended.err
    assert not (copied / "new").exists()
