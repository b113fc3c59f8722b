"""`[train]`: which keys go together, and what each does to a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from auditbench.config import AuditConfig
from auditbench.config_training import TrainTable
from auditbench.data import encoded_size, open_source
from auditbench.errors import AuditbenchError, DataError, TrainingError
from auditbench.models import Architecture, load_bundle
from auditbench.models.architectures import BUILT_IN
from auditbench.models.opening import read_weights
from auditbench.run import TrainingFacts
from auditbench.training import ensure_model, train_bundle, training_key
from auditbench.training.splitting import held_out_groups, held_out_last
from auditbench.training.starting import freeze, open_initial


class Switching(nn.Module):
    """A network whose activations can be computed again."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 5), nn.Linear(5, outputs)
        self.checkpointed = False

    def set_checkpointing(self, on: bool) -> None:
        self.checkpointed = on

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.checkpointed:
            rows = torch.utils.checkpoint.checkpoint(self.first, rows, use_reentrant=False)  # type: ignore[no-untyped-call]
        else:
            rows = self.first(rows)
        return self.last(torch.tanh(rows))


SWITCHING = Architecture(
    name="switching", summary="", build=lambda params, inputs, outputs: Switching(encoded_size(inputs), outputs)
)
ARCHITECTURES = {item.name: item for item in (*BUILT_IN, SWITCHING)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = 160
    x = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": x,
            "noise": rng.normal(size=rows),
            "person": rng.integers(0, 12, rows),
            "day": np.sort(rng.integers(0, 40, rows)),
            "weight": rng.random(rows) + 0.1,
            "label": np.where(x + rng.normal(scale=0.5, size=rows) > 0.4, "yes", "no"),
            "value": 500 + 90 * x + rng.normal(size=rows),
        }
    )
    frame.iloc[:120].to_parquet(tmp_path / "train.parquet")
    frame.iloc[120:].drop(columns=["weight", "person", "day"]).to_parquet(tmp_path / "test.parquet")
    return tmp_path


def config(task: str = "binary-classification", **train: Any) -> AuditConfig:
    target = "value" if task == "regression" else "label"
    return AuditConfig.model_validate(
        {
            "audit": {"name": "a"},
            "model": {"task": task},
            "data": {
                "test": "test.parquet",
                "train": "train.parquet",
                "target": target,
                "features": ["x", "noise"],
                "positive": None if task == "regression" else "yes",
            },
            "train": {"epochs": 3, "batch_size": 32, "parameters": {"hidden": [4]}, **train},
        }
    )


def train(settings: AuditConfig, folder: Path, name: str = "model", told: list[str] | None = None) -> Path:
    columns = settings.train.columns if settings.train else {}
    source = open_source(settings.data, folder, {}, columns)
    heard: list[str] = [] if told is None else told
    arguments: dict[str, Any] = {"device": "cpu", "architectures": ARCHITECTURES, "base": folder}
    train_bundle(settings, source, folder / name, progress=lambda *_: None, tell=heard.append, **arguments)
    return folder / name


def facts(settings: AuditConfig, path: Path) -> TrainingFacts:
    found = load_bundle(path, settings.model, "cpu", ARCHITECTURES).facts.training
    assert found is not None
    return found


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_weights(path / "model.safetensors").tensors


def refused(settings: AuditConfig, folder: Path) -> str:
    with pytest.raises(AuditbenchError) as caught:
        train(settings, folder)
    return caught.value.describe()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"nesterov": True, "optimizer": "sgd"}, "expected `nesterov` with a `momentum` above 0 only"),
        ({"betas": [0.5, 0.9], "optimizer": "sgd"}, "expected `betas` and `epsilon` with"),
        ({"batch_size": 7, "optimizer": "gradient-descent"}, "expected no `batch_size` with"),
        ({"batch_size": 7, "accumulate": 8}, "expected `accumulate` <= `batch_size`"),
        ({"warmup_steps": 7, "warmup_epochs": 1.0}, "expected `warmup_steps` or `warmup_epochs`, not both"),
        ({"decay": 0.5}, 'expected `decay` and `decay_epochs` with `schedule = "step"` only'),
        ({"final_share": 0.5}, "expected `final_share` with"),
        ({"loss": "mse", "label_smoothing": 0.1}, "with a loss of classes only, not with `mse`"),
        ({"split_by": "group"}, "go together: expected both or neither"),
        ({"split_column": "person"}, "go together: expected both or neither"),
        ({"augment": ["flip", "flip"]}, "expected each word of `augment` once"),
        ({"augment": ["mirror"]}, "augment.0"),
        ({"clip_norm": 0.0}, "greater than 0"),
        ({"class_weights": {"yes": -1.0}}, "expected a number above 0 for 'yes'"),
        ({"class_weights": "equal"}, 'expected "none", "balanced", or a table with a number for each class'),
        ({"precision": "half"}, "precision"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainTable.model_validate(keys)
    assert said in str(caught.value)


@pytest.mark.parametrize("keys", [{}, {"optimizer": "sgd", "momentum": 0.9, "freeze": ["0."], "augment": ["flip"]}])
def test_settings_read_back_from_their_own_json(keys: dict[str, Any]) -> None:
    table = TrainTable.model_validate(keys)
    assert TrainTable.model_validate_json(table.model_dump_json()) == table


def test_only_what_decides_the_weights_is_in_the_key(folder: Path) -> None:
    source = open_source(config().data, folder, {})
    keys = [training_key(config(**each), source) for each in ({}, {"checkpoint_steps": 3}, {"clip_norm": 1.0})]
    assert keys[0] == keys[1] != keys[2]


def test_settings_that_were_made_are_recorded_beside_the_usual_ones(folder: Path) -> None:
    settings = config(schedule="cosine", clip_norm=0.5, checkpoint_steps=2)
    found = facts(settings, train(settings, folder)).settings
    assert {"schedule": "cosine", "clip_norm": 0.5, "epochs": 3, "seed": 0}.items() <= found.items()
    assert {"checkpoint_steps", "warmup_steps", "architecture", "parameters"}.isdisjoint(found)


def test_weights_of_rows_come_from_their_column(folder: Path) -> None:
    plain, weighted = train(config(), folder, "plain"), train(config(sample_weights="weight"), folder, "weighted")
    assert not torch.equal(weights(plain)["0.weight"], weights(weighted)["0.weight"])
    frame = pd.read_parquet(folder / "train.parquet")
    frame.assign(weight=2.5).to_parquet(folder / "train.parquet")
    equal = train(config(sample_weights="weight"), folder, "equal")
    for name, tensor in weights(plain).items():
        torch.testing.assert_close(weights(equal)[name], tensor, rtol=1e-4, atol=1e-6)


def test_columns_of_training_are_no_features(folder: Path) -> None:
    settings = config(sample_weights="weight", split_by="group", split_column="person")
    data = settings.data.model_copy(update={"features": (), "exclude": ("label", "value")})
    settings = settings.model_copy(update={"data": data})
    pd.read_parquet(folder / "train.parquet").drop(columns="day").to_parquet(folder / "train.parquet")
    model = load_bundle(train(settings, folder), settings.model, "cpu", ARCHITECTURES)
    assert [feature.name for feature in model.features] == ["x", "noise"]


@given(
    groups=st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_no_group_is_on_both_sides(groups: list[int], share: float, seed: int) -> None:
    kept, out = held_out_groups(np.array(groups), share, seed, column="g")
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(groups)))
    assert {groups[row] for row in kept}.isdisjoint({groups[row] for row in out})
    assert len(kept) >= 1
    assert len(out) >= 1
    largest = max(groups.count(group) for group in set(groups))
    nearest = min(abs(len(out) - share * len(groups)), abs(len(kept) - (1 - share) * len(groups)))
    assert nearest <= largest
    assert np.array_equal(held_out_groups(np.array(groups), share, seed, column="g")[1], out)


@given(
    times=st.lists(st.integers(0, 20).map(float), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1),
    share=st.floats(0.01, 0.99),
)
def test_the_last_rows_are_held_out_and_no_moment_is_on_both_sides(times: list[float], share: float) -> None:
    kept, out = held_out_last(np.array(times), share, column="t")
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(times)))
    assert max(times[row] for row in kept) < min(times[row] for row in out)
    sizes = [sum(one >= moment for one in times) for moment in sorted(set(times))[1:]]
    assert abs(len(out) - share * len(times)) == min(abs(size - share * len(times)) for size in sizes)


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"sample_weights": "wieght"}, ("train.sample_weights", "no column 'wieght'", "did you mean 'weight'?")),
        ({"split_by": "time", "split_column": "dai"}, ("train.split_column", "did you mean 'day'?")),
        ({"sample_weights": "label"}, ("train.sample_weights", "holds categories")),
        ({"init_from": "nothing"}, ("train.init_from", "there are no weights to begin with")),
        ({"init_from": "train.parquet"}, ("train.parquet is no file of weights",)),
        ({"freeze": ["embedding."]}, ("train.freeze", "found: 'embedding.'", "allowed: 0.weight, 0.bias")),
        ({"freeze": ["0.", "2."]}, ("train.freeze", "nothing to train")),
        ({"checkpointing": True}, ("train.checkpointing", "'mlp' keeps its activations")),
        ({"augment": ["flip"]}, ("train.augment", "found: features: tabular")),
        ({"precision": "float16"}, ("train.precision", "needs a GPU")),
    ],
)
def test_settings_that_do_not_fit_the_data_or_the_network_are_refused(
    folder: Path, keys: dict[str, Any], parts: tuple[str, ...]
) -> None:
    text = refused(config(**keys), folder)
    for part in parts:
        assert part in text
    assert not (folder / "model").exists()


@pytest.mark.parametrize(
    ("column", "content", "split_by", "said"),
    [
        ("person", 1, "group", "there is one group alone"),
        ("day", 1, "time", "all rows are of one moment"),
        ("person", None, "group", "has empty cells among the training rows"),
    ],
)
def test_columns_that_split_nothing_are_refused(
    folder: Path, column: str, content: Any, split_by: str, said: str
) -> None:
    frame = pd.read_parquet(folder / "train.parquet")
    frame[column] = content if content is not None else frame[column].astype(float).where(frame.index % 9 > 0)
    frame.to_parquet(folder / "train.parquet")
    text = refused(config(split_by=split_by, split_column=column), folder)
    assert said in text
    assert "train.split_column" in text


def test_days_as_text_are_in_the_order_of_the_calendar(folder: Path) -> None:
    frame = pd.read_parquet(folder / "train.parquet").sample(frac=1, random_state=0)
    frame["day"] = [f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}" for day in frame["day"]]
    frame.to_parquet(folder / "train.parquet")
    settings = config(split_by="time", split_column="day", validation=0.25)
    found = facts(settings, train(settings, folder))
    late = sorted(frame["day"])[-found.validation_rows :]
    assert found.validation_rows == pytest.approx(30, abs=5)
    assert late[0] > sorted(frame["day"])[-found.validation_rows - 1]


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
    assert training_key(settings, source, open_initial(settings.train, folder)) == facts(settings, path).key  # type: ignore[arg-type]
    train(config(), folder, "first")
    assert not ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda *_: None).trained
    train(config(epochs=2), folder, "first")
    with pytest.raises(AuditbenchError, match="made with other settings or other data"):
        ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda *_: None)


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


def test_activations_computed_again_give_the_same_model(folder: Path) -> None:
    keys: dict[str, Any] = {"architecture": "switching", "parameters": {}}
    kept, again = train(config(**keys), folder, "kept"), train(config(checkpointing=True, **keys), folder, "again")
    for name, tensor in weights(kept).items():
        torch.testing.assert_close(weights(again)[name], tensor, rtol=1e-6, atol=1e-7)


def test_something_else_in_the_place_of_the_model_is_told_before_training(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "letter.txt").touch()
    with pytest.raises(AuditbenchError, match="something else than a model stands"):
        train(config(epochs=100_000, patience=100_000), folder)


def test_a_checkpoint_of_other_settings_is_told_and_gone_when_the_model_is_there(folder: Path) -> None:
    left = folder / ".model.training"
    left.mkdir()
    (left / "state.json").write_text(json.dumps({"schema": 1, "key": "other"}))
    told: list[str] = []
    path = train(config(), folder, told=told)
    assert len(told) == 1
    assert told[0].startswith("the checkpoint was set aside as .model.training.aside: it was made with other settings")
    assert json.loads((path / "training.json").read_text())["told"] == told
    assert sorted(item.name for item in folder.iterdir()) == ["model", "test.parquet", "train.parquet"]


def test_rows_beside_are_asked_of_the_training_file_alone(folder: Path) -> None:
    with pytest.raises(DataError, match=r"train\.parquet does not have what training needs"):
        open_source(config().data, folder, {}, {"train.sample_weights": "w"})
    data = config().data.model_copy(update={"train": None})
    assert open_source(data, folder, {}, {"train.sample_weights": "w"}).train is None
    with pytest.raises(TrainingError, match="there are no training rows"):
        train(config().model_copy(update={"data": data}), folder)
