"""Networks of Keras through the command line: a table with every analyzer of tables, and images channels first and last."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import write_rows
from tests.keras_networks import OF_KERAS, keras, saved

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

TABLE = """
[audit]
name = "small"
[model]
format = "keras"
path = "{path}"
task = "binary-classification"
output = "probability"
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[analyzers.performance]
replicates = 40
[analyzers.shap]
[analyzers.lime]
num_samples = 200
[analyzers.captum]
[analyzers.fairness]
[analyzers.resources]
memory_rows = 16
[report]
formats = ["html"]
cases = 2
"""
IMAGES = """
[audit]
name = "images"
[model]
format = "keras"
path = "{path}"
task = "multiclass-classification"
output = "probability"
[data]
test = "images.npz"
target = "label"
types = {{ label = "category" }}
[data.inputs.image]
modality = "image"
mean = [0.5]
scale = [0.5]
[analyzers.performance]
replicates = 40
[report]
formats = []
"""


def audited(folder: Path, config: str) -> tuple[int, Any]:
    """The exit code and the record of an audit."""
    (folder / "audit.toml").write_text(config)
    with workers_in_this_process():
        code = guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / "run")])
    return code, json.loads((folder / "run" / "run.json").read_text())


def metrics_of(run: Any, analyzer: str) -> dict[str, Any]:
    (result,) = [result for result in run["results"] if result["analyzer"] == analyzer]
    assert result["status"] == "ok", result
    return {metric["name"]: metric["value"] for metric in result["metrics"] if not metric["where"]}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_table_is_audited(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    k = keras()
    k.utils.set_random_seed(0)
    layers = [k.layers.Normalization(mean=[45, 30, 0, 0, 0], variance=[200, 130, 1, 1, 1]), k.layers.Dense(6, "relu")]
    network = k.Sequential([k.Input((5,)), *layers, k.layers.Dense(1, activation="sigmoid")])
    saved(network, tmp_path / f"model{ending}")
    write_rows(tmp_path)
    code, run = audited(tmp_path, TABLE.format(path=f"model{ending}"))
    assert code == 0, capsys.readouterr().err
    model = run["model"]
    assert (model["format"], model["architecture"]) == ("keras", "Keras Sequential, 3 layers")
    assert model["parameters"] == 5 * 6 + 6 + 6 + 1
    assert model["capabilities"] == ["gradients", "black_box"]
    assert [limit["key"] for limit in model["limits"]] == ["core.model_keras_no_hooks"]
    assert metrics_of(run, "shap")["local_accuracy_gap"] < 1e-5
    assert metrics_of(run, "captum")["completeness_gap"] < 0.01
    assert 0 <= metrics_of(run, "performance")["accuracy"] <= 1
    assert metrics_of(run, "resources")["parameters"] == model["parameters"]
    assert {result["status"] for result in run["results"]} == {"ok"}
    assert "no hooks" in (tmp_path / "run" / "report.html").read_text()
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize("first", [False, True], ids=["channels-last", "channels-first"])
def test_images_are_audited(first: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    k = keras()
    k.utils.set_random_seed(0)
    form = "channels_first" if first else "channels_last"
    network = k.Sequential(
        [
            k.Input((1, 8, 6) if first else (8, 6, 1)),
            k.layers.Conv2D(3, 3, activation="relu", data_format=form),
            k.layers.GlobalAveragePooling2D(data_format=form),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    saved(network, tmp_path / "model.keras")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 8, 6), np.uint8)
    np.savez(tmp_path / "images.npz", image=images, label=np.arange(30) % 3)
    code, run = audited(tmp_path, IMAGES.format(path="model.keras"))
    assert code == 0, capsys.readouterr().err
    assert run["model"]["capabilities"] == ["gradients", "black_box", *([] if first else ["channels_last"])]
    prepared = (images / 255 - 0.5) / 0.5
    outputs = network.predict(prepared[:, np.newaxis] if first else prepared[..., np.newaxis], verbose=0)
    expected = float(np.mean(outputs.argmax(axis=1) == np.arange(30) % 3))
    assert metrics_of(run, "performance")["accuracy"] == pytest.approx(expected)


def test_a_file_that_is_none_is_refused_by_check_and_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "audit.toml").write_text(TABLE.format(path="model.h5"))
    with workers_in_this_process():
        config, out = str(tmp_path / "audit.toml"), str(tmp_path / "run")
        codes = [guarded(["check", config]), guarded(["audit", config, "--out", out])]
    said = capsys.readouterr().err
    assert codes == [2, 2]
    assert said.count("model.h5 is no complete HDF5 file") >= 2
    assert "Traceback" not in said
