"""Weights that training begins with, and parts of a network that stay as they are."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch
from torch import nn

from auditbench.data import open_source
from auditbench.errors import AuditbenchError, TrainingError
from auditbench.models.bundle import read_bundle_description
from auditbench.training import ensure_model, training_key
from auditbench.training.starting import freeze, initial_description, open_initial
from tests.dated_tables import ARCHITECTURES, Switching, config, facts, prepared, refused, train, weights, write_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tables(tmp_path)
    return tmp_path


def test_training_begins_with_the_weights_of_a_bundle(folder: Path) -> None:
    first = train(config(), folder, "first")
    settings = config(init_from="first", learning_rate=1e-9, epochs=1)
    path = train(settings, folder)
    for name, tensor in weights(first).items():
        torch.testing.assert_close(weights(path)[name], tensor, rtol=0, atol=1e-6)
    initial = facts(settings, path).initial
    assert initial is not None
    assert (initial.file, initial.new, initial.unused) == ("first", (), ())
    assert initial.loaded == ("0.bias", "0.weight", "2.bias", "2.weight")
    source = open_source(settings.data, folder, {})
    assert settings.train is not None
    initial_weights = open_initial(settings.train, folder), initial_description(settings.train, folder)
    assert training_key(settings, source, *initial_weights) == facts(settings, path).key
    train(config(), folder, "first")
    assert not ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda *_: None).trained
    train(config(epochs=2), folder, "first")
    with pytest.raises(AuditbenchError, match="made with other settings or other data"):
        ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda *_: None)


def test_another_description_of_equal_weights_is_another_key(folder: Path) -> None:
    """Means and scales stand there, so that the same tensors mean something else."""
    train(config(), folder, "first")
    settings = config(init_from="first", epochs=1)
    path = train(settings, folder)
    description = json.loads((folder / "first" / "model.json").read_text())
    description["inputs"]["features"]["features"][0]["mean"] += 1.0
    (folder / "first" / "model.json").write_text(json.dumps(description))
    source = open_source(settings.data, folder, {})
    with pytest.raises(AuditbenchError, match="made with other settings or other data"):
        ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda *_: None)
    assert facts(settings, train(settings, folder, "again")).key != facts(settings, path).key


def test_means_and_scales_are_those_of_the_bundle(folder: Path) -> None:
    first = train(config(), folder, "first")
    frame = pd.read_parquet(folder / "train.parquet")
    frame.assign(x=100 + 7 * frame["x"]).to_parquet(folder / "train.parquet")
    (given,) = read_bundle_description(first).inputs.values()
    (fitted,) = prepared(config(), folder).inputs.values()
    (taken,) = prepared(config(init_from="first"), folder).inputs.values()
    (alone,) = prepared(config(init_from="first/model.safetensors"), folder).inputs.values()
    assert taken == alone == given != fitted


def test_other_classes_of_the_bundle_are_refused(folder: Path) -> None:
    train(config(), folder, "first")
    settings = config(init_from="first")
    data = settings.data.model_copy(update={"positive": "no"})
    text = refused(settings.model_copy(update={"data": data}), folder)
    assert "train.init_from: the classes of the bundle differ from those of the training rows" in text
    assert "'yes' here, in place 1" in text or "'no' in the bundle" in text


def test_weights_alone_are_told_to_be_unchecked(folder: Path) -> None:
    first = train(config(), folder, "first")
    (first / "model.safetensors").rename(folder / "alone.safetensors")
    told: list[str] = []
    train(config(init_from="alone.safetensors"), folder, told=told)
    assert told == [
        "train.init_from names weights alone: whether inputs and classes mean the same to them was not checked"
    ]


def test_a_regression_begins_in_the_unit_of_its_target(folder: Path) -> None:
    first = train(config("regression", epochs=20), folder, "first")
    path = train(config("regression", init_from="first", learning_rate=1e-9, epochs=1), folder)
    for name, tensor in weights(first).items():
        torch.testing.assert_close(weights(path)[name], tensor, rtol=1e-5, atol=1e-4)


def test_parts_of_a_file_are_taken_by_name_and_frozen(folder: Path) -> None:
    given_weight = torch.arange(8.0).reshape(4, 2) / 10
    state = {"0.weight": given_weight, "head.weight": torch.zeros(3)}
    torch.save(state, folder / "part.pt")
    settings = config(init_from="part.pt", freeze=["0.weight"])
    path = train(settings, folder)
    assert torch.equal(weights(path)["0.weight"], given_weight)
    found = facts(settings, path)
    assert found.initial is not None
    assert found.initial.loaded == ("0.weight",)
    assert found.initial.new == ("0.bias", "2.bias", "2.weight")
    assert found.initial.unused == ("head.weight",)
    assert found.trained_parameters == 4 + 4 + 1
    assert found.settings["freeze"] == ["0.weight"]


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        ({"0.weight": torch.zeros(4, 3)}, ("0.weight has another shape", "(4, 3)", "(4, 2) of torch.float32")),
        ({"0.bias": torch.zeros(4, dtype=torch.int64)}, ("0.bias has another shape or kind", "torch.int64")),
        ({"first.weight": torch.zeros(4)}, ("no tensor has a name that the network has", "found: first.weight")),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    folder: Path, state: dict[str, torch.Tensor], parts: tuple[str, ...]
) -> None:
    safetensors.torch.save_file(state, folder / "part.safetensors")
    text = refused(config(init_from="part.safetensors"), folder)
    for part in ("train.init_from", *parts):
        assert part in text


def test_what_an_architecture_never_trains_stays_so() -> None:
    network = Switching(3, 1)
    network.first.weight.requires_grad_(False)
    freeze(network, ("last.bias",))
    assert [name for name, one in network.named_parameters() if one.requires_grad] == ["first.bias", "last.weight"]


@pytest.mark.parametrize("beginning", ["encoder", "encoder."])
def test_only_whole_parts_of_names_are_frozen(beginning: str) -> None:
    layers = {"encoder": nn.Linear(2, 2), "encoder2": nn.Linear(2, 2), "head": nn.Linear(2, 1)}
    network = nn.Sequential(OrderedDict(layers))
    freeze(network, (beginning, "head.bias"))
    trained = [name for name, one in network.named_parameters() if one.requires_grad]
    assert trained == ["encoder2.weight", "encoder2.bias", "head.weight"]


@pytest.mark.parametrize(
    ("beginning", "nearest"),
    [
        ("encoder.layer.3", "encoder.layer.0, encoder.layer.1"),
        ("encoder.lay", "encoder.layer, encoder.norm"),
        ("enc", "encoder, head"),
        ("head.weight.0", "head.weight"),
    ],
)
def test_a_beginning_that_fits_nothing_is_told_what_stands_there(beginning: str, nearest: str) -> None:
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    encoder = nn.Sequential(OrderedDict({"layer": layers, "norm": nn.LayerNorm(2)}))
    network = nn.Sequential(OrderedDict({"encoder": encoder, "head": nn.Linear(2, 1)}))
    with pytest.raises(TrainingError) as caught:
        freeze(network, (beginning,))
    assert f"allowed: {nearest}\n" in caught.value.describe()
