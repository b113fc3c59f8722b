"""Training from a configuration to a bundle: repeatable, and honest about what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from torch import nn

from auditbench.config import AuditConfig
from auditbench.data import build_evaluation, encoded_size
from auditbench.models import Architecture, load_bundle
from auditbench.models.bundle import read_cost
from auditbench.training import training_key
from tests.trained_tables import ARCHITECTURES, TARGETS, config, make_table, refused, source_of, train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_table().to_parquet(tmp_path / "rows.parquet")
    return tmp_path


@pytest.mark.parametrize("task", sorted(TARGETS))
@pytest.mark.parametrize(
    "keys", [{}, {"parameters": {"hidden": [8], "dropout": 0.3}}, {"optimizer": "sgd", "momentum": 0.9}]
)
def test_two_trainings_give_equal_bytes(folder: Path, task: str, keys: dict[str, Any]) -> None:
    one = train(config(task, **keys), folder, "one")
    torch.manual_seed(123)
    other = train(config(task, **keys), folder, "other")
    for name in ("model.safetensors", "model.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    third = train(config(task, seed=1, **keys), folder, "third")
    assert (third / "model.safetensors").read_bytes() != (one / "model.safetensors").read_bytes()


@pytest.mark.parametrize("task", sorted(TARGETS))
def test_a_trained_bundle_predicts_in_the_declared_scale(folder: Path, task: str) -> None:
    settings = config(task, epochs=60, patience=60)
    path = train(settings, folder)
    model = load_bundle(path, settings.model, "cpu", ARCHITECTURES)
    data = build_evaluation(
        source_of(settings, folder), model.inputs, task=settings.model.task, classes=model.facts.classes, seed=0
    )
    outputs = np.concatenate([model.predict(rows.inputs) for rows in data.batches(model.batch_rows)])
    if task == "regression":
        assert model.facts.output == "value"
        assert np.corrcoef(outputs[:, 0], data.y_true)[0, 1] > 0.9
        assert abs(outputs.mean() - data.y_true.mean()) < 10
    else:
        assert model.facts.output == "logit"
        assert (model.decisions(outputs) == data.y_true).mean() > 0.8
        np.testing.assert_allclose(model.probabilities(outputs).sum(axis=1), 1.0)
    assert model.target_names == {"label": ("yes",), "level": ("0", "1", "2"), "value": ("value",)}[TARGETS[task]]


def test_facts_and_cost_say_how_it_was_trained(folder: Path) -> None:
    settings = config(epochs=6, patience=2)
    heard: list[tuple[int, int, str]] = []
    path = train(settings, folder, progress=lambda *event: heard.append(event))
    facts = load_bundle(path, settings.model, "cpu", ARCHITECTURES).facts.training
    assert facts is not None
    assert (facts.architecture, facts.parameters["hidden"], facts.settings["epochs"]) == ("mlp", [8], 6)
    assert facts.train_rows + facts.validation_rows == 150
    assert facts.validation_rows == 15
    assert facts.epochs == len(facts.losses) == len(heard)
    assert facts.losses[facts.best_epoch - 1][1] == min(loss for _, loss in facts.losses)
    assert [event[:2] for event in heard] == [(epoch, 6) for epoch in range(1, len(heard) + 1)]
    assert heard[0][2] == f"loss {facts.losses[0][0]:.4f}, validation {facts.losses[0][1]:.4f}"
    assert facts.key == training_key(settings, source_of(settings, folder))
    cost = read_cost(path)
    by_epoch = [cost.pop(f"epoch.{number}.seconds") for number in range(1, facts.epochs + 1)]
    assert set(cost) == {
        "seconds",
        "rows_per_second",
        "peak_memory_bytes",
        "rows_at_once",
        "halved_for_memory",
    }
    assert cost.pop("halved_for_memory") == 0
    assert all(value > 0 for value in cost.values())
    epochs = json.loads((path / "training.json").read_text())["epochs"]
    assert [epoch["seconds"] for epoch in epochs] == by_epoch
    assert sum(epoch["seconds"] for epoch in epochs) < cost["seconds"]
    assert epochs[0]["rows_per_second"] == pytest.approx(facts.train_rows / epochs[0]["seconds"])
    assert facts.learning_rates == (0.01,) * facts.epochs
    assert facts.steps == facts.epochs * 5
    assert facts.trained_parameters == (4 * 8 + 8) + (8 + 1)
    assert facts.initial is None
    assert "schedule" not in facts.settings


def test_training_leaves_torch_as_found(folder: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    try:
        train(config(), folder)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.rand(3), expected)
    assert torch.is_grad_enabled()


def test_diverging_training_says_what_to_change(folder: Path) -> None:
    settings = config(
        "regression", optimizer="sgd", learning_rate=10.0, momentum=0.99, epochs=50, architecture="linear"
    )
    text = refused(settings, folder)
    assert "AB302 train.learning_rate: the loss became infinite or undefined in epoch" in text
    assert "found: 10 with sgd" in text
    assert "fix: set train.learning_rate = 1" in text
    assert not (folder / "model").exists()


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (config(loss="mse"), ("AB302 train.loss", "found: 'mse'", "allowed: 'auto', 'cross-entropy'")),
        (config("regression", loss="cross-entropy"), ("train.loss", 'fix: set train.loss = "mse"')),
        (
            config(architecture="mpl"),
            ("AB300 train.architecture: there is no architecture 'mpl'", "did you mean 'mlp'?"),
        ),
        (config(parameters={"hiden": [8]}), ("train.parameters.hiden", "did you mean 'hidden'?")),
        (config(parameters={"hidden": [0]}), ("train.parameters.hidden.0", "greater than or equal to 1")),
        (config(data={"split": None}), ("AB302 data.train: there are no training rows", "never trained on the rows")),
    ],
)
def test_settings_that_do_not_fit_are_refused(folder: Path, settings: AuditConfig, parts: tuple[str, ...]) -> None:
    text = refused(settings, folder)
    for part in parts:
        assert part in text


def test_one_training_row_is_too_few(tmp_path: Path) -> None:
    make_table(5).assign(part=["train", "test", "test", "test", "test"]).to_parquet(tmp_path / "rows.parquet")
    text = refused(config(data={"classes": ("no", "yes")}), tmp_path)
    assert "AB302 data.train: there are too few rows to train on" in text
    assert "found: 1 row with a label" in text


def test_one_class_and_a_constant_column_complete(tmp_path: Path) -> None:
    make_table().assign(label="yes", x=1.0).to_parquet(tmp_path / "rows.parquet")
    settings = config()
    model = load_bundle(train(settings, tmp_path), settings.model, "cpu", ARCHITECTURES)
    assert model.facts.classes == ("not yes", "yes")
    make_table().assign(value=7.0).to_parquet(tmp_path / "rows.parquet")
    settings = config("regression")
    model = load_bundle(train(settings, tmp_path, "other"), settings.model, "cpu", ARCHITECTURES)
    assert model.predict({"features": np.array([[0.0, 1.0]])})[0, 0] == pytest.approx(7.0, abs=0.5)


class DoubleParams(BaseModel):
    """Parameters of an architecture of somebody else."""

    factor: float = 2.0


def test_an_architecture_of_a_plugin_is_trained_and_reopened(folder: Path) -> None:
    class Double(nn.Module):
        def __init__(self, factor: float, inputs: int, outputs: int) -> None:
            super().__init__()
            self.layer = nn.Linear(inputs, outputs)
            self.factor = factor

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.factor * self.layer(rows)

    mine = Architecture(
        name="double",
        summary="",
        build=lambda params, i, o: Double(params.factor, encoded_size(i), o),
        Params=DoubleParams,
    )
    architectures = {**ARCHITECTURES, "double": mine}
    settings = config("regression", architecture="double", parameters={"factor": 3.0}, epochs=80, patience=80)
    path = train(settings, folder, architectures=architectures)
    model = load_bundle(path, settings.model, "cpu", architectures)
    linear_settings = config("regression", architecture="linear", epochs=80, patience=80)
    linear = load_bundle(train(linear_settings, folder, "linear"), settings.model, "cpu", ARCHITECTURES)
    rows = {"features": np.array([[0.0, 1.0], [1.0, 0.0]])}
    np.testing.assert_allclose(model.predict(rows), linear.predict(rows), rtol=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("task", sorted(TARGETS))
def test_training_on_a_gpu_comes_to_the_same_model(folder: Path, task: str) -> None:
    settings = config(task, epochs=3)
    on_cpu = load_bundle(train(settings, folder, "a"), settings.model, "cpu", ARCHITECTURES)
    on_gpu = load_bundle(train(settings, folder, "b", device="cuda:0"), settings.model, "cuda:0", ARCHITECTURES)
    rows = {"features": np.array([[0.0, 1.0], [1.0, 0.0]])}
    np.testing.assert_allclose(on_gpu.predict(rows), on_cpu.predict(rows), rtol=1e-3, atol=1e-3)
