"""Bundles: what is written is what is read, and everything else is refused."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from auditbench.config import ModelTable
from auditbench.data import TABULAR_INPUT, FeatureSpec, TableInput, TabularEncoder
from auditbench.errors import ModelError
from auditbench.models import Architecture, ModelUnderTest, load_bundle, save_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.architectures.mlp import MlpParams, build_mlp
from auditbench.models.bundle import bundle_exists, read_cost, read_training_key
from auditbench.models.description import BundleDescription, OutputScaling
from auditbench.run import TrainingFacts

ARCHITECTURES = {item.name: item for item in BUILT_IN}
FEATURES = (
    FeatureSpec(name="age", kind="number", start=0, stop=1, fill=30.0, mean=1 / 3, scale=7.1),
    FeatureSpec(name="city", kind="category", categories=("Oslo", "Rome"), start=1, stop=4),
)
ROWS = {"features": np.array([[20.0, 0.0], [np.nan, 1.0], [60.0, 2.0]])}
TABLE = ModelTable(task="binary-classification", name="scoring")
DESCRIPTION = BundleDescription(
    architecture="mlp",
    parameters={"hidden": [3], "activation": "tanh"},
    task="binary-classification",
    classes=("no", "yes"),
    target="label",
    output="logit",
    inputs={TABULAR_INPUT: TableInput(features=FEATURES)},
    training=TrainingFacts(
        architecture="mlp",
        parameters={},
        settings={"epochs": 2},
        train_rows=9,
        validation_rows=1,
        epochs=2,
        best_epoch=1,
        losses=((0.7, 1 / 3), (0.1, 0.2)),
        key="abc",
    ),
)


def network() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return build_mlp(MlpParams(hidden=(3,), activation="tanh"), DESCRIPTION.inputs, 1)


def saved(folder: Path, description: BundleDescription = DESCRIPTION, **cost: Any) -> Path:
    save_bundle(folder / "model", description, network().state_dict(), cost or None)
    return folder / "model"


def opened(path: Path, table: ModelTable = TABLE) -> ModelUnderTest:
    return load_bundle(path, table, "cpu", ARCHITECTURES)


def refused(path: Path, table: ModelTable = TABLE) -> str:
    with pytest.raises(ModelError) as caught:
        opened(path, table)
    return caught.value.describe()


def change_first_feature(document: dict[str, Any], **changes: Any) -> None:
    document["inputs"]["features"]["features"][0].update(changes)


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    file = path / "model.json"
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))
    return path


def test_round_trip_gives_equal_predictions_and_facts(tmp_path: Path) -> None:
    model = opened(saved(tmp_path, seconds=1.5, device="cpu"))
    encoded = TabularEncoder(FEATURES)({"features": torch.from_numpy(ROWS["features"])})
    with torch.no_grad():
        expected = network()(encoded).double().numpy()
    np.testing.assert_array_equal(model.predict(ROWS), expected)
    assert model.features == FEATURES
    assert model.facts.training == DESCRIPTION.training
    assert (model.facts.name, model.facts.classes, model.target_names) == ("scoring", ("no", "yes"), ("yes",))
    assert (model.facts.parameters, model.facts.threshold, model.facts.output) == (4 * 3 + 3 + 3 + 1, 0.5, "logit")
    assert model.training_cost == {"seconds": 1.5}
    assert not model.module.training
    assert not any(tensor.requires_grad for tensor in model.module.parameters())


def test_cost_of_epochs_is_read_epoch_by_epoch(tmp_path: Path) -> None:
    epochs = [{"seconds": 2.5, "rows_per_second": 4.0}, {"seconds": "soon"}, 7, {}, {"seconds": 1}]
    cost = read_cost(saved(tmp_path, seconds=3.5, epochs=epochs))
    assert cost == {"seconds": 3.5, "epoch.1.seconds": 2.5, "epoch.5.seconds": 1.0}
    assert read_cost(saved(tmp_path, seconds=3.5, epochs={"seconds": 1})) == {"seconds": 3.5}


def test_digest_follows_weights_and_description_only(tmp_path: Path) -> None:
    one = opened(saved(tmp_path / "one", seconds=1.0)).facts.digest
    assert opened(saved(tmp_path / "two", seconds=2.0)).facts.digest == one
    rewritten = change(saved(tmp_path / "three"), lambda document: None)
    assert opened(rewritten).facts.digest == one
    renamed = dataclasses.replace(DESCRIPTION, classes=("nay", "yes"))
    assert opened(saved(tmp_path / "four", renamed)).facts.digest != one


def test_scaled_outputs_are_in_the_unit_of_the_target(tmp_path: Path) -> None:
    description = dataclasses.replace(
        DESCRIPTION, task="regression", classes=(), output="value", scaling=OutputScaling(mean=100.0, scale=10.0)
    )
    table = ModelTable(task="regression")
    plain = dataclasses.replace(description, scaling=OutputScaling())
    scaled = opened(saved(tmp_path / "a", description), table)
    raw = opened(saved(tmp_path / "b", plain), table)
    np.testing.assert_allclose(scaled.predict(ROWS), raw.predict(ROWS) * 10 + 100, rtol=1e-6)
    assert scaled.target_names == ("label",)
    assert scaled.facts.threshold is None


def test_opening_leaves_torch_as_found(tmp_path: Path) -> None:
    path = saved(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    opened(path)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_default_dtype() == torch.float32


def test_a_bundle_replaces_a_bundle_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    saved(tmp_path, seconds=1.0)
    path = saved(tmp_path)
    assert sorted(item.name for item in path.iterdir()) == ["model.json", "model.safetensors"]
    assert [item.name for item in tmp_path.iterdir()] == ["model"]
    assert read_cost(path) == {}


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError) as caught:
        saved(tmp_path)
    text = caught.value.describe()
    assert "AB300 model.path: something else than a model stands where the model would be written" in text
    assert "thesis.txt" in text
    assert "fix: set model.path to a folder of its own" in text
    assert (tmp_path / "model" / "thesis.txt").read_text() == "years of work"


def test_a_failed_write_keeps_the_earlier_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    before = opened(path).facts.digest

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="the model cannot be written") as caught:
        saved(tmp_path, dataclasses.replace(DESCRIPTION, target="other"))
    assert "found: No space left on device" in caught.value.describe()
    monkeypatch.undo()
    assert opened(path).facts.digest == before
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_what_stands_at_a_path(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not bundle_exists(tmp_path / "empty")
    assert not bundle_exists(tmp_path / "absent")
    assert bundle_exists(saved(tmp_path))
    assert read_training_key(tmp_path / "model") == "abc"
    assert read_training_key(saved(tmp_path / "b", dataclasses.replace(DESCRIPTION, training=None))) is None


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path)
    (path / name).unlink()
    text = refused(path)
    assert f"AB300 {path / name}: there is no {name} that can be read" in text
    assert "found: No such file or directory" in text
    assert "fix: check model.path, or train the model" in text


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_links_and_pipes_are_refused_unread(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path)
    (path / name).rename(tmp_path / name)
    (path / name).symlink_to(tmp_path / name)
    assert "found: a symbolic link" in refused(path)
    (path / name).unlink()
    os.mkfifo(path / name)
    assert "found: a pipe\n" in refused(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 20, b"\xff" * 8 + b"{}"], ids=["empty", "zeros", "huge-header"])
def test_damaged_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    path = saved(tmp_path)
    (path / "model.safetensors").write_bytes(content)
    text = refused(path)
    assert "model.safetensors is not a complete safetensors file" in text
    assert f"found: {len(content)} bytes" in text


def test_a_header_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    (path / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{]")
    assert "model.safetensors has a header that is not valid JSON" in refused(path)


def test_truncated_weights_are_refused_with_both_lengths(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(content[:-4])
    text = refused(path)
    assert "model.safetensors has another length than its header tells" in text
    assert f"found: {len(content) - 4:,} bytes\n  allowed: {len(content):,} bytes" in text


def test_a_key_that_stands_twice_in_the_description_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = (path / "model.json").read_text()
    (path / "model.json").write_text(content.replace("{", '{"task": "regression", ', 1))
    assert "the name 'task' twice" in refused(path)


def test_lying_shapes_are_named_both(tmp_path: Path) -> None:
    path = change(saved(tmp_path), lambda document: document["parameters"].update(hidden=[5]))
    text = refused(path)
    assert f"{path / 'model.safetensors'}: the weights are not those of the architecture: 3 of 4 tensors" in text
    assert "found: 0.bias shape (3,), torch.float32; 0.weight shape (3, 4)" in text
    assert "allowed: 0.bias shape (5,), torch.float32; 0.weight shape (5, 4)" in text


def test_a_description_of_another_depth_names_the_tensors(tmp_path: Path) -> None:
    text = refused(change(saved(tmp_path), lambda document: document["parameters"].update(hidden=[3, 3])))
    assert "4.weight" in text
    assert "4.weight no such tensor" in text.partition("allowed:")[0]


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (
            lambda document: document.update(architecture="mpl"),
            (
                "there is no architecture 'mpl'",
                "allowed: cnn, cnn1d, decoder, encoder, joined, linear, mlp, rnn",
                "fix: did you mean 'mlp'?",
            ),
        ),
        (
            lambda document: document["parameters"].update(hiden=[4]),
            ("parameters.hiden", "allowed: hidden, activation, dropout", "did you mean 'hidden'?"),
        ),
        (
            lambda document: document["parameters"].update(hidden=[10**9]),
            ("parameters.hidden.0", "less than or equal to 16384"),
        ),
        (
            lambda document: document.update(schema=3),
            ("of a schema that this version does not read", "found: schema 3", "allowed: schema 2"),
        ),
        (lambda document: document.pop("inputs"), ("model.json.inputs", "Field required")),
        (lambda document: document.update(output="odds"), ("model.json.output", "found: 'odds'")),
        (
            lambda document: document.update(output="value"),
            ("the declared output does not fit binary-classification", "allowed: logit, probability"),
        ),
        (lambda document: document.update(classes=["yes"]), ("the classes do not fit", "model.json.classes")),
        (
            lambda document: document["inputs"]["features"]["features"][1].update(start=2, stop=5),
            ("encoded columns have a gap or overlap", "found: 2", "allowed: 1"),
        ),
        (
            lambda document: document["inputs"]["features"]["features"][1].update(stop=9),
            ("another number of encoded columns", "found: 8", "allowed: 3"),
        ),
        (
            lambda document: document["inputs"]["features"]["features"][0].update(scale=0.0),
            ("expected a positive scale",),
        ),
        (lambda document: document["inputs"]["features"]["features"][0].update(name="city"), ("each name once",)),
        (
            lambda document: document["inputs"]["features"]["features"][1].update(categories=["a", "a"]),
            ("expected each category once",),
        ),
        *(
            (
                partial(change_first_feature, **{key: value}),
                (f"model.json.inputs.features.features.age.{key}", "float32"),
            )
            for key, value in (("mean", 1e39), ("fill", -1e300), ("scale", 1e39), ("scale", -1e-300))
        ),
        (lambda document: document["scaling"].update(scale=-1.0), ("expected a positive scale", "scaling.scale")),
    ],
)
def test_a_description_that_does_not_hold_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], parts: tuple[str, ...]
) -> None:
    text = refused(change(saved(tmp_path), edit))
    for part in parts:
        assert part in text


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": NaN}', "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    path = saved(tmp_path)
    (path / "model.json").write_text(content)
    assert f"{path / 'model.json'}" in refused(path)


def test_a_description_beyond_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditbench.models.bundle.MAX_JSON_BYTES", 100)
    text = refused(saved(tmp_path))
    assert "model.json is too large" in text
    assert "allowed: at most 100 bytes" in text


def test_weights_beyond_the_size_of_the_architecture_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)
    weights = 4 * (3 * 4 + 3 + 3 + 1)  # float32: two layers with their biases
    most = weights + 64 * 1024 + 4 * 1024
    with (path / "model.safetensors").open("r+b") as handle:
        handle.truncate(most + 1)
    monkeypatch.setattr("auditbench.models.bundle.parse_tensors", lambda *_: pytest.fail("the file was read"))
    text = refused(path)
    assert f"{path / 'model.safetensors'}: model.safetensors is too large" in text
    assert f"found: {most + 1:,} bytes" in text
    assert f"allowed: at most {most:,} bytes" in text


def test_another_task_is_refused(tmp_path: Path) -> None:
    text = refused(saved(tmp_path), ModelTable(task="regression"))
    assert "model.task: the model was made for another task" in text
    assert "found: 'regression'" in text
    assert "allowed: 'binary-classification'" in text


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    weights = network().state_dict()
    weights["0.bias"][1] = float("nan")
    (path / "model.safetensors").write_bytes(safetensors.torch.save(weights))
    assert "0.bias: weights are not finite" in refused(path)


def test_an_architecture_without_parameters_takes_none(tmp_path: Path) -> None:
    assert isinstance(ARCHITECTURES["linear"], Architecture)
    text = refused(change(saved(tmp_path), lambda document: document.update(architecture="linear")))
    assert "the architecture 'linear' takes no parameters" in text
    assert "found: activation, hidden" in text


@pytest.mark.gpu
def test_a_bundle_opens_on_a_gpu(tmp_path: Path) -> None:
    path = saved(tmp_path)
    on_gpu = load_bundle(path, TABLE, "cuda:0", ARCHITECTURES)
    np.testing.assert_allclose(on_gpu.predict(ROWS), opened(path).predict(ROWS), atol=1e-5)
