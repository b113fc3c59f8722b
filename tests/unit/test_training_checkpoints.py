"""Checkpoints: a run that stopped goes on to equal bits, and a checkpoint that does not fit is set aside."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from auditbench.errors import ModelError, TrainingError
from auditbench.training.checkpoints import Checkpoint, Checkpoints
from auditbench.training.examples import Batch
from auditbench.training.losses import LossValue, RowLoss, mean_squared_error
from tests.small_training import Stopped, distance, fitted, network, stopping_after
from tests.trained_tables import config, make_table, train


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
        (lambda folder: edit(folder, schema=9), "schema 9, where this version writes 2"),
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


@pytest.mark.parametrize(
    "keys", [{"part_rows": 0}, {"part_rows": -1}, {"epoch": 99}, {"steps": 9}, {"moved": 5}, {"moved_in_epoch": 2}]
)
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


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("name", ["optimizer.0.exp_avg", "optimizer.2.exp_avg_sq", "optimizer.1.step"])
def test_an_optimizer_with_numbers_that_are_none_is_set_aside(tmp_path: Path, name: str, number: float) -> None:
    checkpoints = left_over(tmp_path)
    checkpoint, _ = checkpoints.read()
    assert checkpoint is not None
    checkpoint.tensors[name].view(-1)[0] = number
    checkpoints.write(checkpoint)
    found = fitted(network(), {}, checkpoints=checkpoints)
    assert f"{name} has numbers that are infinite or undefined" in found.told[0]
    assert distance(found, fitted(network(), {})) == 0


@pytest.mark.parametrize("name", ["optimizer.x.step", "optimizer.4.step", "optimizer.0.max_exp_avg_sq", "optimizer."])
def test_an_optimizer_of_other_names_is_set_aside(tmp_path: Path, name: str) -> None:
    checkpoints = left_over(tmp_path)
    checkpoint, _ = checkpoints.read()
    assert checkpoint is not None
    checkpoints.write(replace(checkpoint, tensors={**checkpoint.tensors, name: torch.zeros(())}))
    found = fitted(network(), {}, checkpoints=checkpoints)
    assert f"it has {name}, which this run does not" in found.told[0]
    assert distance(found, fitted(network(), {})) == 0


def test_the_steps_of_the_optimizer_are_its_own(tmp_path: Path) -> None:
    checkpoint, _ = left_over(tmp_path).read()
    assert checkpoint is not None
    assert [float(checkpoint.tensors[f"optimizer.{index}.step"]) for index in range(4)] == [4.0] * 4


def test_an_optimizer_whose_numbers_overflowed_is_not_written(tmp_path: Path) -> None:
    """Adam then stands still: its weights stay finite."""
    checkpoints = Checkpoints(tmp_path / "model", "key")
    stopping = stopping_after(5)
    steps = [0]

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        value = stopping(module, batch)
        steps[0] += module.training
        factor = 1e30 if module.training and steps[0] == 3 else 1.0
        return replace(value, mean=value.mean.detach() + factor * (value.mean - value.mean.detach()))

    with pytest.raises(Stopped):
        fitted(network(), {"checkpoint_steps": 1}, loss=loss, checkpoints=checkpoints)
    checkpoint, _ = checkpoints.read()
    assert checkpoint is not None
    assert checkpoint.state.steps == 2


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        ("", "goes on from a checkpoint in epoch 1, after step 5"),
        ("auditbench.training.bundles.__version__", "was set aside as .model.training.aside: it was made with other"),
        ("torch.__version__", "was set aside as .model.training.aside: it was made with other"),
    ],
)
def test_a_run_of_other_versions_is_not_gone_on_with(
    tmp_path: Path, replaced: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table().to_parquet(tmp_path / "rows.parquet")

    def stop(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        train(config(checkpoint_steps=1), tmp_path, progress=stop)
    if replaced:
        monkeypatch.setattr(replaced, "0.0.1")
    said: list[str] = []
    train(config(checkpoint_steps=1), tmp_path, tell=said.append)
    assert len(said) == 1
    assert told in said[0]
