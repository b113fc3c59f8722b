"""A model is trained when it is missing, and used when it is there and was made with the same settings and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditbench.config import AuditConfig
from auditbench.errors import ModelError, StaleModelError, TrainingError
from auditbench.training import ensure_model, training_key
from tests.trained_tables import ARCHITECTURES, config, make_table, source_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_table().to_parquet(tmp_path / "rows.parquet")
    return tmp_path


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


def test_a_model_of_an_earlier_training_is_stale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("auditbench.training.bundles.SCHEMA_VERSION", 1)
        ensure(config(), folder, [])
    with pytest.raises(StaleModelError, match="made with other settings") as caught:
        ensure(config(), folder, [])
    assert "equal settings; other training rows" in caught.value.describe()
    assert "a training of an earlier version of Auditbench" in caught.value.describe()
