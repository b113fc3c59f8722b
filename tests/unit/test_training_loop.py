"""The loop: parts of steps, precision, memory that runs out, frozen parts, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.data.inputs import SeriesInput
from auditbench.errors import ModelError, ModelMemoryError, TrainingError
from auditbench.training import examples as examples_module
from auditbench.training.checkpoints import Checkpoint, Checkpoints
from auditbench.training.examples import Batch, Examples, encoded_rows
from auditbench.training.loop import Fitted, fit
from auditbench.training.losses import LossValue, RowLoss, binary_cross_entropy, mean_squared_error

ROWS = 90
LOSS = RowLoss(function=binary_cross_entropy)


def quiet(*_: object) -> None:
    """Hear of nothing."""


def network(dropout: float = 0.0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))


def examples(weights: torch.Tensor | None = None) -> Examples:
    rng = torch.Generator().manual_seed(2)
    rows = torch.randn(ROWS, 4, generator=rng)
    targets = (rows[:, 0] + 0.5 * torch.randn(ROWS, generator=rng) > 0).float()
    return Examples(rows=rows.__getitem__, targets=targets, weights=weights, positions=torch.arange(ROWS))


def fitted(module: nn.Module, keys: dict[str, Any], given: Examples | None = None, **others: Any) -> Fitted:
    table = TrainTable.model_validate({"epochs": 4, "batch_size": 32, "learning_rate": 0.01, "patience": 9, **keys})
    given = given or examples()
    train, validation = given.at(np.arange(70)), given.at(np.arange(70, ROWS))
    arguments = {"loss": LOSS, "seed": 0, "progress": quiet, **others}
    loss = arguments.pop("loss")
    return fit(module, train, validation, loss, table, **arguments)


def distance(one: Fitted, other: Fitted) -> float:
    return max(float((one.weights[name] - other.weights[name]).abs().max()) for name in one.weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("parts", [2, 5, 32])
def test_accumulation_comes_to_the_step_of_the_whole_batch(parts: int, weighted: bool) -> None:
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(5)) + 0.1 if weighted else None
    plain = fitted(network(), {}, examples(weights))
    accumulated = fitted(network(), {"accumulate": parts}, examples(weights))
    assert accumulated.part_rows == -(-32 // parts)
    assert distance(plain, accumulated) < 2e-6
    np.testing.assert_allclose(plain.losses, accumulated.losses, rtol=1e-5)


def test_full_batch_gradient_descent_does_not_depend_on_the_seed() -> None:
    keys = {"optimizer": "gradient-descent", "batch_size": 256}
    one, other = fitted(network(), keys), fitted(network(), keys, seed=7)
    assert one.steps == 4
    assert distance(one, other) < 1e-6


def test_bfloat16_comes_near_and_is_not_the_same() -> None:
    plain, mixed = fitted(network(), {}), fitted(network(), {"precision": "bfloat16"})
    assert 0 < distance(plain, mixed) < 0.02
    np.testing.assert_allclose(plain.losses, mixed.losses, rtol=0.02)
    assert all(tensor.dtype == torch.float32 for tensor in mixed.weights.values())


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(TrainingError) as caught:
        fitted(network(), {"precision": "float16"})
    text = caught.value.describe()
    assert "train.precision: half precision needs a GPU" in text
    assert 'fix: set train.precision = "bfloat16"' in text


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_on_a_gpu_comes_near(precision: str) -> None:
    plain = fitted(network(), {})
    given = examples()
    rows = given.rows(given.positions).cuda()
    moved = Examples(
        rows=lambda positions: rows[positions.cuda()], targets=given.targets.cuda(), positions=given.positions
    )
    mixed = fitted(network().cuda(), {"precision": precision}, moved)
    np.testing.assert_allclose(plain.losses, mixed.losses, rtol=0.02)


def short_of_memory(most: int) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss that more than so many rows have no memory for."""

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        if len(batch) > most:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return LOSS(module, batch)

    return loss


def test_memory_that_runs_out_halves_the_parts_and_keeps_the_step() -> None:
    said: list[str] = []
    plain = fitted(network(), {})
    halved = fitted(network(), {}, loss=short_of_memory(9), tell=said.append)
    assert (halved.part_rows, halved.halvings) == (8, 2)
    assert distance(plain, halved) < 2e-6
    assert halved.told == ("memory ran out: steps are computed in parts of 8 rows",)
    assert tuple(said) == halved.told


def test_one_row_without_memory_is_an_error() -> None:
    with pytest.raises(ModelMemoryError, match="memory ran out with one row a batch"):
        fitted(network(), {}, loss=short_of_memory(0))


def test_frozen_parameters_and_their_statistics_stay_as_they_are() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    for parameter in module[:2].parameters():
        parameter.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    after = fitted(module, {"weight_decay": 0.1}).weights
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed == {"3.weight", "3.bias"}


def test_what_the_settings_say_reaches_the_steps() -> None:
    linear = fitted(network(), {"schedule": "linear", "final_share": 0.5, "epochs": 4})
    steps = np.arange(1, 5) * 3 - 1
    np.testing.assert_allclose(linear.rates, 0.01 * (1 - 0.5 * steps / 12))
    assert (linear.steps, len(linear.seconds)) == (12, 4)


class Stopped(Exception):  # noqa: N818 - no error, but the end of a run
    """Stands for a run that is killed."""


def stopping_after(steps: int) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss that ends the run in a step."""
    left = [steps]

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        left[0] -= module.training
        if left[0] < 0:
            raise Stopped
        return LOSS(module, batch)

    return loss


@pytest.mark.parametrize("steps", [1, 3, 4, 11])
def test_a_run_that_stopped_goes_on_to_equal_bits(tmp_path: Path, steps: int) -> None:
    keys = {"checkpoint_steps": 1, "schedule": "cosine", "optimizer": "adamw"}
    whole = fitted(network(0.4), keys)
    checkpoints = Checkpoints(tmp_path / "model", "key")
    with pytest.raises(Stopped):
        fitted(network(0.4), keys, loss=stopping_after(steps), checkpoints=checkpoints)
    went_on = fitted(network(0.4), keys, checkpoints=checkpoints)
    epoch, step = divmod(steps - 1, 3)
    assert went_on.told == (f"goes on from a checkpoint in epoch {epoch + 1}, after step {step + 1}",)
    assert distance(whole, went_on) == 0
    assert (went_on.losses, went_on.rates, went_on.best_epoch) == (whole.losses, whole.rates, whole.best_epoch)


def test_there_is_a_checkpoint_after_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.training.loop._SECONDS_BETWEEN_EPOCHS", 0.0)
    checkpoints = Checkpoints(tmp_path / "model", "key")
    with pytest.raises(Stopped):
        fitted(network(0.4), {}, loss=stopping_after(8), checkpoints=checkpoints)
    went_on = fitted(network(0.4), {}, checkpoints=checkpoints)
    assert went_on.told == ("goes on from a checkpoint in epoch 3, after step 0",)
    assert distance(fitted(network(0.4), {}), went_on) == 0


def test_a_run_that_had_stopped_early_is_over(tmp_path: Path) -> None:
    keys = {"learning_rate": 5.0, "optimizer": "sgd", "patience": 1, "epochs": 30, "checkpoint_steps": 3}
    checkpoints = Checkpoints(tmp_path / "model", "key")
    whole = fitted(network(), keys)
    assert len(whole.losses) < 30
    first = fitted(network(), keys, checkpoints=checkpoints)
    again = fitted(network(), keys, checkpoints=checkpoints)
    assert first.losses == again.losses == whole.losses
    assert distance(whole, again) == 0


def left_over(folder: Path) -> Checkpoints:
    """The checkpoint of a run that stopped after four steps."""
    checkpoints = Checkpoints(folder / "model", "key")
    with pytest.raises(Stopped):
        fitted(network(), {"checkpoint_steps": 1}, loss=stopping_after(4), checkpoints=checkpoints)
    return checkpoints


def test_a_checkpoint_is_one_file_of_tensors_and_a_document(tmp_path: Path) -> None:
    folder = left_over(tmp_path).folder
    assert folder == tmp_path / ".model.training"
    assert sorted(path.name for path in folder.iterdir()) == ["state-4.safetensors", "state.json"]
    document = json.loads((folder / "state.json").read_text())
    assert (document["key"], document["state"]["epoch"], document["state"]["step"]) == ("key", 2, 1)


def flip_a_bit(folder: Path) -> None:
    path = folder / "state-4.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(folder: Path, **keys: Any) -> None:
    path = folder / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip_a_bit, "state-4.safetensors has other bytes than were written"),
        (lambda folder: (folder / "state-4.safetensors").unlink(), "there is no state-4.safetensors that can be read"),
        (lambda folder: (folder / "state.json").write_text('{"schema"'), "state.json is not valid JSON"),
        (lambda folder: edit(folder, key="other"), "it was made with other settings, other data"),
        (lambda folder: edit(folder, schema=9), "schema 9, where this version writes 1"),
        (lambda folder: edit(folder, state={"epoch": "x"}), "validation error"),
        (lambda folder: edit(folder, tensors="../model"), "it names no file of tensors: '../model'"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_set_aside(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    checkpoints = left_over(tmp_path)
    damage(checkpoints.folder)
    found = fitted(network(), {}, checkpoints=checkpoints)
    assert len(found.told) == 1
    assert found.told[0].startswith("the checkpoint was set aside as .model.training.aside: ")
    assert said in found.told[0]
    assert (tmp_path / ".model.training.aside" / "state.json").exists()
    assert distance(found, fitted(network(), {})) == 0
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_without_room_for_checkpoints_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / ".model.training").write_text("no folder")
    found = fitted(network(), {"checkpoint_steps": 1}, checkpoints=Checkpoints(tmp_path / "model", "key"))
    assert found.told == ("no checkpoints are written any more: File exists",)
    assert distance(found, fitted(network(), {})) == 0


def test_rows_that_are_encoded_batch_by_batch_are_those_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"s": SeriesInput(channels=("a", "b"), steps=3, mean=(1.0, 2.0), scale=(0.5, 2.0))}
    raw = {"s": np.random.default_rng(0).normal(size=(20, 2, 3))}
    positions = torch.tensor([3, 19, 0, 3])
    kept = encoded_rows(raw, inputs, "cpu")
    monkeypatch.setattr(examples_module, "KEPT_BYTES", 20 * 6 * 4)
    at_the_limit = encoded_rows(raw, inputs, "cpu")
    monkeypatch.setattr(examples_module, "KEPT_BYTES", 20 * 6 * 4 - 1)
    above = encoded_rows(raw, inputs, "cpu")
    for rows in (kept, at_the_limit, above):
        expected = (raw["s"][positions] - np.array([[1.0], [2.0]])) / np.array([[0.5], [2.0]])
        np.testing.assert_allclose(rows(positions).numpy(), expected, rtol=1e-6)
    raw["s"][:] = 0
    assert torch.equal(above(positions), above(positions + 0))
    assert float(kept(positions).abs().sum()) != float(above(positions).abs().sum())


def test_a_regression_on_weighted_rows_is_weighted_least_squares() -> None:
    rng = np.random.default_rng(3)
    rows, weights = rng.normal(size=(ROWS, 4)), rng.random(ROWS) + 0.05
    targets = rows @ [1.0, -2.0, 0.5, 0.0] + 0.3 + rng.normal(size=ROWS)
    design = np.column_stack([rows, np.ones(ROWS)]) * np.sqrt(weights)[:, None]
    exact = np.linalg.lstsq(design, targets * np.sqrt(weights), rcond=None)[0]
    encoded = torch.tensor(rows, dtype=torch.float32)
    given = Examples(
        rows=encoded.__getitem__,
        targets=torch.tensor(targets, dtype=torch.float32),
        weights=torch.tensor(weights, dtype=torch.float32),
        positions=torch.arange(ROWS),
    )
    module = nn.Linear(4, 1)
    table = TrainTable(optimizer="gradient-descent", learning_rate=0.2, epochs=300, patience=300, keep="last")
    loss = RowLoss(function=mean_squared_error)
    found = fit(module, given, given, loss, table, seed=0, progress=quiet)
    np.testing.assert_allclose([*found.weights["weight"][0], *found.weights["bias"]], exact, atol=1e-5)


@pytest.mark.parametrize("linked", [True, False])
def test_files_that_are_no_checkpoint_are_never_removed(tmp_path: Path, linked: bool) -> None:
    checkpoints = Checkpoints(tmp_path / "model", "key")
    held = tmp_path / "victim" if linked else checkpoints.folder
    held.mkdir()
    (held / "letter.txt").touch()
    if linked:
        checkpoints.folder.symlink_to(held)
    with pytest.raises(ModelError, match="something else than a checkpoint"):
        fitted(network(), {"checkpoint_steps": 1}, checkpoints=checkpoints)
    checkpoints.remove()
    assert (held / "letter.txt").exists()


def test_divergence_with_checkpoints_is_the_same_error(tmp_path: Path) -> None:
    keys = {"learning_rate": 10.0, "optimizer": "sgd", "momentum": 0.99, "epochs": 99, "checkpoint_steps": 1}
    loss = RowLoss(function=mean_squared_error)
    with pytest.raises(TrainingError, match="infinite or undefined"):
        fitted(nn.Linear(4, 1), keys, loss=loss, checkpoints=Checkpoints(tmp_path / "model", "key"))


@pytest.mark.parametrize("keys", [{"part_rows": 0}, {"part_rows": -1}, {"epoch": 99}, {"steps": 9}])
def test_a_state_that_does_not_fit_is_set_aside(tmp_path: Path, keys: dict[str, Any]) -> None:
    checkpoints = left_over(tmp_path)
    state = json.loads((checkpoints.folder / "state.json").read_text())["state"]
    edit(checkpoints.folder, state={**state, **keys})
    found = fitted(network(), {}, checkpoints=checkpoints)
    assert "set aside" in found.told[0]
    assert distance(found, fitted(network(), {})) == 0


@pytest.mark.parametrize("name", ["kept.0.weight", "weights.0.weight", "generator.cpu", "optimizer.0.step"])
@pytest.mark.parametrize("gone", [True, False])
def test_tensors_that_do_not_fit_are_set_aside(tmp_path: Path, name: str, gone: bool) -> None:
    checkpoints = left_over(tmp_path)
    checkpoint, _ = checkpoints.read()
    assert checkpoint is not None
    tensors = dict(checkpoint.tensors)
    tensor = tensors.pop(name)
    if not gone:
        tensors[name] = tensor.reshape(-1)[:7].clone().reshape(1, -1)
    checkpoints.write(Checkpoint(state=checkpoint.state, tensors=tensors))
    found = fitted(network(), {}, checkpoints=checkpoints)
    assert name in found.told[0]
    assert distance(found, fitted(network(), {})) == 0
