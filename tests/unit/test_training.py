"""Training: repeatable, honest about what it cannot do, and only when it is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from torch import nn

from auditbench.config import AuditConfig, TrainTable
from auditbench.data import BUILT_IN as DATASETS
from auditbench.data import TableSource, build_evaluation, encoded_size, open_source
from auditbench.errors import ModelError, StaleModelError, TrainingError
from auditbench.models import Architecture, load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.batching import BatchSize
from auditbench.models.bundle import read_cost
from auditbench.training import ensure_model, train_bundle, training_key
from auditbench.training.examples import Examples
from auditbench.training.loop import evaluate, fit
from auditbench.training.losses import RowLoss, mean_squared_error
from auditbench.training.splitting import held_out

ARCHITECTURES = {item.name: item for item in BUILT_IN}


def quiet(done: int, total: int, text: str) -> None:
    """Hear of nothing."""


def make_table(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, city = rng.normal(size=rows), rng.choice(["Oslo", "Rome"], size=rows)
    score = x + (city == "Rome") + rng.normal(scale=0.3, size=rows)
    return pd.DataFrame(
        {
            "x": x,
            "city": city,
            "label": np.where(score > 0.5, "yes", "no"),
            "level": np.digitize(score, [0.0, 1.0]).astype(str),
            "value": 1000 + 50 * score,
            "part": np.where(np.arange(rows) % 4 == 0, "test", "train"),
        }
    )


TARGETS = {"binary-classification": "label", "multiclass-classification": "level", "regression": "value"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_table().to_parquet(tmp_path / "rows.parquet")
    return tmp_path


def config(
    task: str = "binary-classification", seed: int = 0, data: dict[str, Any] | None = None, **train: Any
) -> AuditConfig:
    target = TARGETS[task]
    keys = {
        "test": "rows.parquet",
        "split": "part",
        "target": target,
        "features": ("x", "city"),
        "positive": "yes" if target == "label" else None,
        **(data or {}),
    }
    settings = {"epochs": 4, "batch_size": 32, "learning_rate": 0.01, "parameters": {"hidden": [8]}, **train}
    if settings.get("architecture") == "linear":
        settings["parameters"] = {}
    return AuditConfig.model_validate(
        {"audit": {"name": "a", "seed": seed}, "model": {"task": task}, "data": keys, "train": settings}
    )


def source_of(settings: AuditConfig, folder: Path) -> TableSource:
    return open_source(settings.data, folder, {item.name: item for item in DATASETS})


def train(settings: AuditConfig, folder: Path, name: str = "model", progress: Any = quiet, **keys: Any) -> Path:
    source = source_of(settings, folder)
    arguments = {"device": "cpu", "architectures": ARCHITECTURES, "progress": progress, **keys}
    train_bundle(settings, source, folder / name, **arguments)
    return folder / name


def refused(settings: AuditConfig, folder: Path, **keys: Any) -> str:
    with pytest.raises(ModelError) as caught:
        train(settings, folder, **keys)
    return caught.value.describe()


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
    assert len(epochs) == facts.epochs
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


MSE = RowLoss(function=mean_squared_error)


def examples(inputs: torch.Tensor, targets: torch.Tensor) -> Examples:
    """Encoded rows and their targets, all of them."""
    return Examples(rows=inputs.__getitem__, targets=targets, positions=torch.arange(len(targets)))


class Constant(nn.Module):
    """Gives its only weight, so that its loss can be steered."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(len(rows), 1)


def test_the_best_epoch_is_kept_and_patience_ends_training() -> None:
    network = Constant()
    # Training pulls the weight to 10 in steps that Adam keeps at 1; validation is best at 3.
    training = examples(torch.zeros(4, 1), torch.full((4,), 1000.0))
    validation = examples(torch.zeros(4, 1), torch.full((4,), 3.0))
    table = TrainTable(learning_rate=1.0, batch_size=4, epochs=50, patience=4)
    fitted = fit(network, training, validation, MSE, table, seed=0, progress=quiet)
    assert fitted.best_epoch == 3
    assert len(fitted.losses) == 3 + 4
    assert fitted.weights["weight"].item() == pytest.approx(3.0, abs=1e-2)


def test_the_weights_of_the_last_epoch_can_be_kept_instead() -> None:
    network = Constant()
    training = examples(torch.zeros(4, 1), torch.full((4,), 1000.0))
    validation = examples(torch.zeros(4, 1), torch.full((4,), 3.0))
    table = TrainTable(learning_rate=1.0, batch_size=4, epochs=50, patience=4, keep="last")
    fitted = fit(network, training, validation, MSE, table, seed=0, progress=quiet)
    assert fitted.best_epoch == len(fitted.losses) == 3 + 4
    assert fitted.weights["weight"].item() == network.weight.item() == pytest.approx(7.0, abs=1e-2)


@pytest.mark.parametrize("rows", [2, 16])
def test_the_loss_is_the_mean_over_rows_whatever_the_batches(rows: int) -> None:
    found = evaluate(Constant(), examples(torch.zeros(10, 1), torch.arange(10.0)), MSE, BatchSize(rows))
    assert found == pytest.approx(float((torch.arange(10.0) ** 2).mean()))


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=80),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_rows_held_out_are_a_stratified_part(labels: list[int], share: float, seed: int) -> None:
    classes = np.array(labels)
    kept, out = held_out(classes, len(labels), share, seed)
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(labels)))
    assert len(out) >= 1
    assert len(kept) >= 1
    for label in set(labels):
        size = int((classes == label).sum())
        count = int((classes[out] == label).sum())
        assert abs(count - share * size) <= 1.0 or size == 1 or len(out) == 1
    again = held_out(classes, len(labels), share, seed)
    assert np.array_equal(again[1], out)


def test_many_small_classes_hold_out_the_share_of_all_rows() -> None:
    _, out = held_out(np.repeat(np.arange(100), 4), 400, 0.1, 0)
    assert len(out) == 40


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


def test_momentum_belongs_to_sgd() -> None:
    with pytest.raises(ValidationError, match='expected `momentum` with `optimizer = "sgd"` only'):
        TrainTable(momentum=0.9)


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


def ensure(settings: AuditConfig, folder: Path, epochs: list[int]) -> Any:
    source = source_of(settings, folder)
    return ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda done, total, text: epochs.append(done))


def test_a_missing_model_is_trained_once_and_reused(folder: Path) -> None:
    epochs: list[int] = []
    first = ensure(config(), folder, epochs)
    assert first.trained
    assert first.path == folder / "model"
    assert epochs == [1, 2, 3, 4]
    second = ensure(config(), folder, epochs)
    assert not second.trained
    assert len(epochs) == 4
    assert second.key == first.key
    assert second.cost == first.cost
    assert second.cost["seconds"] > 0


@pytest.mark.parametrize(
    "changed", [config(seed=1), config(epochs=5), config(parameters={"hidden": [9]}), config(data={"features": ("x",)})]
)
def test_a_model_of_other_settings_is_stale(folder: Path, changed: AuditConfig) -> None:
    ensure(config(), folder, [])
    before = (folder / "model" / "model.safetensors").read_bytes()
    with pytest.raises(StaleModelError) as caught:
        ensure(changed, folder, [])
    text = caught.value.describe()
    assert "AB301 model.path: the model was made with other settings or other data" in text
    assert "fix: replace it with `auditbench train CONFIG`" in text
    assert (folder / "model" / "model.safetensors").read_bytes() == before


def test_a_model_of_other_training_rows_is_stale(folder: Path) -> None:
    ensure(config(), folder, [])
    make_table(201).to_parquet(folder / "rows.parquet")
    with pytest.raises(StaleModelError):
        ensure(config(), folder, [])


def test_other_evaluated_rows_keep_the_model(tmp_path: Path) -> None:
    make_table().to_parquet(tmp_path / "train.parquet")
    make_table(50).to_parquet(tmp_path / "rows.parquet")
    settings = config(data={"split": None, "train": "train.parquet"})
    ensure(settings, tmp_path, [])
    make_table(60).to_parquet(tmp_path / "rows.parquet")
    assert not ensure(settings, tmp_path, []).trained


def test_without_model_and_train_table_the_way_on_is_named(folder: Path) -> None:
    settings = config().model_copy(update={"train": None})
    with pytest.raises(ModelError) as caught:
        ensure(settings, folder, [])
    text = caught.value.describe()
    assert "AB300 model.path: there is no model" in text
    assert f"found: nothing at {folder / 'model'}" in text
    assert "fix: correct model.path, or add a [train] table" in text
    with pytest.raises(TrainingError, match="the configuration does not say how to train"):
        training_key(settings, source_of(settings, folder))


def test_a_model_without_train_table_is_used_as_it_is(folder: Path) -> None:
    ensure(config(), folder, [])
    found = ensure(config().model_copy(update={"train": None}), folder, [])
    assert (found.trained, found.key) == (False, "")


@pytest.mark.gpu
@pytest.mark.parametrize("task", sorted(TARGETS))
def test_training_on_a_gpu_comes_to_the_same_model(folder: Path, task: str) -> None:
    settings = config(task, epochs=3)
    on_cpu = load_bundle(train(settings, folder, "a"), settings.model, "cpu", ARCHITECTURES)
    on_gpu = load_bundle(train(settings, folder, "b", device="cuda:0"), settings.model, "cuda:0", ARCHITECTURES)
    rows = {"features": np.array([[0.0, 1.0], [1.0, 0.0]])}
    np.testing.assert_allclose(on_gpu.predict(rows), on_cpu.predict(rows), rtol=1e-3, atol=1e-3)
