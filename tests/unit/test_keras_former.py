"""What Keras 2 wrote, read by Keras 3: outputs are those that TensorFlow computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional

from auditbench.data.inputs import ModelInput
from auditbench.errors import ModelError
from auditbench.models.opening.files import Damage
from auditbench.models.opening.keras_files import open_keras
from auditbench.models.opening.keras_former import is_former, renewed
from auditbench_captum import integrated_gradients
from tests.keras_networks import KERAS2, OF_KERAS, gradients, image, opened, series, table, words

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

PREDICTED: Mapping[str, Any] = dict(np.load(KERAS2 / "predictions.npz"))
FILES: Mapping[str, tuple[Mapping[str, ModelInput], int]] = {
    "lstm": ({"text": words(40, 12)}, 1),
    "gru": ({"series": series(3, 15)}, 3),
    "hard": ({"series": series(3, 15)}, 1),
    "cnn": ({"image": image(1, 12, 10)}, 4),
    "two": ({"series": series(3, 15), "table": table(4)}, 1),
    "emotion": ({"image": image(1, 64, 64)}, 7),
}


def path_of(name: str) -> Path:
    return KERAS2 / ("emotion_model.hdf5" if name == "emotion" else f"{name}.h5")


def rows_of(name: str) -> dict[str, Any]:
    inputs, _ = FILES[name]
    rows = {}
    for key, item in inputs.items():
        found = PREDICTED[f"{name}_{key}" if len(inputs) > 1 else f"{name}_inputs"].astype(np.float32)
        rows[key] = np.moveaxis(found, -1, 1) if len(item.shape) > 1 else found
    return rows


@pytest.mark.parametrize("name", FILES)
def test_outputs_are_those_of_tensorflow(name: str) -> None:
    inputs, outputs = FILES[name]
    task: Any = ("multiclass-classification", "probability") if outputs > 1 else ("regression", "value")
    model = opened(path_of(name), inputs, task=task[0], outputs=outputs, output=task[1])
    expected = PREDICTED[f"{name}_outputs"]
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(model.predict(rows_of(name)), expected, atol=5e-6)


def test_a_file_of_2017_is_explained() -> None:
    model = opened(
        path_of("emotion"), FILES["emotion"][0], task="multiclass-classification", outputs=7, output="probability"
    )
    coarse = functional.avg_pool2d(model.encode(rows_of("emotion")), 16)
    rows = 3 * functional.interpolate(coarse, 64, mode="bilinear")
    assert gradients(model.module, rows).abs().max() > 1e-6
    black = torch.zeros_like(rows[:1])
    found = integrated_gradients(model.module, rows, baseline=black, target="predicted", steps=64)
    assert np.abs(found.values.sum(axis=(1, 2, 3, 4))).min() > 0.02
    assert np.abs(found.completeness_gap).max() < 0.004


def changed(name: str, folder: Path, change: Any, *, version: str | None = None) -> Path:
    """A copy of a file with another configuration, or version of Keras."""
    path = folder / f"{name}.h5"
    path.write_bytes(path_of(name).read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
        if version is not None:
            for group in (file, file["model_weights"]):
                group.attrs["keras_version"] = version
    return path


def test_hard_sigmoid_is_that_of_the_version_that_wrote_the_file(tmp_path: Path) -> None:
    rows = {"series": rows_of("hard")["series"]}
    expected = PREDICTED["hard_outputs"]
    former = opened(changed("hard", tmp_path, lambda config: None, version="1.2.2"), FILES["hard"][0])
    np.testing.assert_allclose(former.predict(rows), expected, atol=5e-6)
    newer = opened(changed("hard", tmp_path, lambda config: None, version="3.5.0"), FILES["hard"][0])
    assert np.abs(newer.predict(rows) - expected).max() > 1e-3


def test_a_gate_of_before_reset_after_was_known(tmp_path: Path) -> None:
    def forget(config: Any) -> None:
        for layer in config["config"]["layers"]:
            layer["config"].pop("reset_after", None)

    model = opened(changed("hard", tmp_path, forget), FILES["hard"][0])
    np.testing.assert_allclose(model.predict(rows_of("hard")), PREDICTED["hard_outputs"], atol=5e-6)


@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        ("lstm", "time_major", True, "takes steps before rows"),
        ("lstm", "stateful", True, "remembers one row when it is given the next"),
        ("cnn", "groups", 2, "a setting of Keras 2 that Keras 3 does not have: groups"),
    ],
)
def test_settings_with_another_meaning_are_refused(name: str, key: str, value: Any, says: str, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        for layer in config["config"]["layers"]:
            if key in layer["config"] and layer["class_name"] in ("LSTM", "DepthwiseConv2D"):
                layer["config"][key] = value

    with pytest.raises(ModelError, match=says) as caught:
        open_keras(changed(name, tmp_path, change), device="cpu")
    assert str(value) in caught.value.describe()


def test_the_state_of_the_optimizer_is_not_read(tmp_path: Path) -> None:
    path = changed("gru", tmp_path, lambda config: None)
    with h5py.File(path, "r+") as file:
        assert "optimizer_weights" in file
        del file["optimizer_weights"]
        file.create_group("optimizer_weights").create_dataset("huge", shape=(10**12,), dtype="f8")
    rows = rows_of("gru")
    model = opened(path, FILES["gru"][0], task="multiclass-classification", outputs=3, output="probability")
    np.testing.assert_allclose(model.predict(rows), PREDICTED["gru_outputs"], atol=5e-6)


@pytest.mark.parametrize(
    ("version", "former"), [("2.0.5", True), ("1.2.2", True), ("2.21.0", True), ("3.0.0", False), ("None", True)]
)
def test_versions(version: str, former: bool) -> None:
    assert is_former(version) is former


def test_only_usual_settings_are_dropped() -> None:
    layer = {"class_name": "Attention", "config": {"score_mode": "dot", "use_scale": True}}
    assert renewed(layer, former=True) == {"class_name": "Attention", "config": {"use_scale": True}}
    with pytest.raises(Damage, match="score_mode"):
        renewed({"class_name": "Attention", "config": {"score_mode": "concat"}}, former=True)
