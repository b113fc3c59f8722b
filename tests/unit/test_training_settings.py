"""`[train]`: which keys go together, and what each does to a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from auditbench.config_training import TrainTable
from auditbench.data import open_source
from auditbench.errors import AuditbenchError, DataError, TrainingError
from auditbench.models import load_bundle
from auditbench.training import training_key
from tests.dated_tables import ARCHITECTURES, config, facts, prepared, refused, train, weights, write_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tables(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"momentum": 0.9}, 'expected `momentum` with `optimizer = "sgd"` only'),
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
        ({"reweigh": ["sex", "sex"]}, "expected each name of `reweigh` once"),
        ({"loss": "mse", "reweigh": ["sex"]}, "with a loss of classes only, not with `mse`"),
        ({"clip_norm": 0.0}, "greater than 0"),
        ({"class_weights": {"yes": -1.0}}, "expected a number from 1e-12 to 1e+12 for 'yes'"),
        ({"class_weights": {"no": 1.0, "yes": 1e300}}, "expected a number from 1e-12 to 1e+12 for 'yes'"),
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


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"sample_weights": "wieght"}, ("train.sample_weights", "no column 'wieght'", "did you mean 'weight'?")),
        ({"split_by": "time", "split_column": "dai"}, ("train.split_column", "did you mean 'day'?")),
        ({"sample_weights": "label"}, ("train.sample_weights", "holds categories")),
        ({"init_from": "nothing"}, ("train.init_from", "there are no weights to begin with")),
        ({"init_from": "train.parquet"}, ("train.parquet is no file of weights",)),
        ({"freeze": ["embedding."]}, ("train.freeze", "found: 'embedding.'", "allowed: 0, 2\n")),
        ({"freeze": ["0.wei"]}, ("train.freeze", "found: '0.wei'", "allowed: 0.weight, 0.bias\n")),
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
        ("person", None, "group", "has empty cells"),
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


def as_text(days: pd.Series) -> pd.Series:
    return days.dt.strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    "form",
    [
        lambda days: days,
        lambda days: days.dt.tz_localize("Europe/Oslo"),
        lambda days: days.dt.as_unit("ns") + pd.Timedelta(1),
        lambda days: days.dt.date,
        as_text,
        lambda days: as_text(days).astype("category"),
        lambda days: days.dt.day_of_year,
    ],
    ids=["timestamp", "zoned", "nanoseconds", "date", "text", "dictionary", "number"],
)
def test_the_last_days_are_held_out_in_every_form(folder: Path, form: Any, kind: str) -> None:
    frame = pd.read_parquet(folder / "train.parquet").sample(frac=1, random_state=0)
    days = pd.Timestamp("2026-08-30") + pd.to_timedelta(frame["day"], unit="D")  # from August to October
    frame = frame.assign(day=form(days))
    (frame.to_csv if kind == "csv" else frame.to_parquet)(folder / f"train.{kind}", index=False)
    settings = config(split_by="time", split_column="day", validation=0.25)
    data = settings.data.model_copy(update={"train": f"train.{kind}"})
    found = prepared(settings.model_copy(update={"data": data}), folder)
    kept, held = (days.to_numpy()[side.positions.numpy()] for side in (found.train, found.validation))
    assert kept.max() < held.min()
    assert len(held) == pytest.approx(30, abs=5)


@pytest.mark.parametrize(
    ("cell", "said"),
    [("31/12/2026", "found: '31/12/2026'"), ("2026-01-01T00:00Z", "'2026-01-01T00:00Z' with a time zone and")],
)
def test_days_that_are_no_days_are_refused(folder: Path, cell: str, said: str) -> None:
    frame = pd.read_parquet(folder / "train.parquet")
    days = [f"2026-01-{1 + day % 28:02d}" for day in frame["day"]]
    frame.assign(day=[*days[:-1], cell]).to_parquet(folder / "train.parquet")
    text = refused(config(split_by="time", split_column="day"), folder)
    assert "train.split_column: the column 'day' does not say which row was first" in text
    assert said in text


def test_days_are_no_features_and_no_weights(folder: Path) -> None:
    for part in ("train", "test"):
        frame = pd.read_parquet(folder / f"{part}.parquet")
        frame.assign(noise=pd.Timestamp("2026-01-01")).to_parquet(folder / f"{part}.parquet")
    keys = {"split_by": "time", "split_column": "noise"}
    assert "column 'noise' of test.parquet is neither a number nor a category" in refused(config(**keys), folder)
    data = config().data.model_copy(update={"features": ("x",)})
    settings = config(sample_weights="noise").model_copy(update={"data": data})
    assert "train.sample_weights: the column 'noise' holds categories" in refused(settings, folder)


def test_groups_stay_apart_whatever_the_order_of_the_rows(folder: Path) -> None:
    frame = pd.read_parquet(folder / "train.parquet").sample(frac=1, random_state=1)
    frame.to_parquet(folder / "train.parquet")
    found = prepared(config(split_by="group", split_column="person", validation=0.3), folder)
    kept, held = (set(frame["person"].to_numpy()[side.positions.numpy()]) for side in (found.train, found.validation))
    assert kept
    assert held
    assert kept.isdisjoint(held)
    assert kept | held == set(frame["person"])


def test_classes_are_balanced_by_the_rows_that_are_trained_on(folder: Path) -> None:
    settings = config(split_by="time", split_column="day", validation=0.4, class_weights="balanced")
    frame = pd.read_parquet(folder / "train.parquet")
    frame["label"] = np.where(frame.index % np.where(frame["day"] > frame["day"].median(), 2, 5) == 0, "yes", "no")
    frame.to_parquet(folder / "train.parquet")
    found = prepared(settings, folder)
    labels = (frame["label"] == "yes").to_numpy()
    shares = labels[found.train.positions.numpy()].mean(), labels.mean()
    assert abs(shares[0] - shares[1]) > 0.05
    expected = np.where(labels, 0.5 / shares[0], 0.5 / (1 - shares[0]))
    assert found.train.weights is not None
    np.testing.assert_allclose(found.train.weights.numpy(), expected, rtol=1e-6)


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
    (left / "state.json").write_text(json.dumps({"schema": 2, "key": "other"}))
    told: list[str] = []
    path = train(config(), folder, told=told)
    assert len(told) == 1
    assert told[0].startswith("the checkpoint was set aside as .model.training.aside: it was made with other settings")
    assert json.loads((path / "training.json").read_text())["told"] == told
    assert sorted(item.name for item in folder.iterdir()) == ["model", "test.parquet", "train.parquet"]


def test_rows_beside_are_asked_of_the_training_file_alone(folder: Path) -> None:
    with pytest.raises(DataError, match=r"train\.parquet does not have what training needs"):
        open_source(config().data, folder, {}, TrainTable(sample_weights="w"))
    data = config().data.model_copy(update={"train": None})
    assert open_source(data, folder, {}, TrainTable(sample_weights="w")).train is None
    with pytest.raises(TrainingError, match="there are no training rows"):
        train(config().model_copy(update={"data": data}), folder)
