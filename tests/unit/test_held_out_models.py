"""A model is audited on rows that its bundle says were held out, or on another file; never on rows it was trained on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.config import AuditConfig
from auditbench.data import TableSource, open_source
from auditbench.errors import StaleModelError
from auditbench.models.formats import ModelRequest
from auditbench.models.loading import load_model
from auditbench.training import ensure_model
from tests.dated_tables import ARCHITECTURES, facts, train

BY_PERSON = {"split_by": "group", "split_column": "person"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    frame = pd.DataFrame({"x": x, "person": np.arange(80) % 10, "label": np.where(x > 0, "yes", "no")})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.iloc[::-1].to_csv(tmp_path / "others.csv", index=False)
    return tmp_path


def config(trains: dict[str, Any] | None, **data: Any) -> AuditConfig:
    table = {"test": "rows.csv", "target": "label", "positive": "yes", "features": ["x"], "held_out": 0.25, **data}
    settings = {"epochs": 2, "parameters": {"hidden": [3]}}
    document: dict[str, Any] = {"audit": {"name": "a"}, "model": {"task": "binary-classification"}, "data": table}
    return AuditConfig.model_validate(document | ({} if trains is None else {"train": {**settings, **trains}}))


def source_of(settings: AuditConfig, folder: Path) -> TableSource:
    return open_source(settings.data, folder, {}, settings.train)


def opened(settings: AuditConfig, folder: Path) -> tuple[bool, int]:
    """Open the model as an audit does: whether it was trained for that, and how many rows it would evaluate."""
    source = source_of(settings, folder)
    made = ensure_model(settings, folder, source, "cpu", ARCHITECTURES, lambda *_: None)
    tools: dict[str, Any] = {"base": folder, "device": "cpu", "architectures": ARCHITECTURES}
    load_model(ModelRequest(path=folder / "model", table=settings.model, source=source, **tools))
    return made.trained, len(source.test)


def refused(settings: AuditConfig, folder: Path) -> str:
    with pytest.raises(StaleModelError) as caught:
        opened(settings, folder)
    return caught.value.describe()


def test_a_bundle_says_which_rows_were_held_out(folder: Path) -> None:
    settings = config({})
    found, source = facts(settings, train(settings, folder)), source_of(settings, folder)
    assert found.held_out == source.held_out
    assert found.held_out is not None
    assert (found.held_out.share, found.held_out.rows) == (0.25, 20)
    assert found.held_out.file == source.digests["rows.csv"]
    again = source_of(config(BY_PERSON), folder).held_out
    assert again is not None
    assert again.digest != found.held_out.digest


@pytest.mark.parametrize(("trains", "rows"), [({}, 20), (BY_PERSON, 16)])
def test_the_rows_of_its_own_draw_are_evaluated(folder: Path, trains: dict[str, Any], rows: int) -> None:
    train(config(trains), folder)
    assert opened(config(trains), folder) == (False, rows)
    assert opened(config(None, cluster="person" if trains else None), folder) == (False, rows)


@pytest.mark.parametrize(
    ("made", "audited", "found"),
    [
        (
            {},
            {"held_out": 0.5},
            "20 rows held out by the share 0.25 in the model, other 40 rows held out by the share 0.5",
        ),
        ({}, {"held_out": None}, "20 rows held out by the share 0.25 in the model, none here"),
        (BY_PERSON, {}, "rows held out by the share 0.25 in the model, other 20 rows held out by the share 0.25"),
    ],
)
def test_another_draw_of_its_file_is_refused_without_train_too(
    folder: Path, made: dict[str, Any], audited: dict[str, Any], found: str
) -> None:
    train(config(made), folder)
    text = refused(config(None, **audited), folder)
    assert "AB301 data.held_out: the model was trained on rows of rows.csv that are evaluated here" in text
    assert found in text
    assert "set data.held_out = 0.25" in text


def test_other_settings_are_named_and_removing_train_is_no_advice(folder: Path) -> None:
    train(config({}), folder)
    for settings in (config({}, held_out=0.5), config({}, held_out=None, train="others.csv")):
        text = refused(settings, folder)
        assert f"data.held_out = 0.25 in the model, {settings.data.held_out or 'nothing'} here" in text
        assert "remove [train]" not in text
    shutil.rmtree(folder / "model")
    apart = {"held_out": None, "train": "others.csv"}
    train(config({}, **apart), folder)
    assert "or remove [train] to audit it as it is" in refused(config({"epochs": 3}, **apart), folder)


def test_a_model_of_rows_that_nothing_says_is_no_model_of_a_draw(folder: Path) -> None:
    train(config({}, held_out=None, train="others.csv"), folder)
    text = refused(config(None), folder)
    assert "data.held_out: the model was trained on other rows than data.held_out leaves" in text
    assert "name the file in data.test, without data.held_out" in text
    opened(config(None, held_out=None), folder)
    shutil.rmtree(folder / "model")
    train(config({}, test="others.csv"), folder)
    assert "20 rows held out by the share 0.25 of another file" in refused(config(None), folder)
    opened(config(None, held_out=None), folder)


def test_a_bundle_of_another_program_says_nothing_and_passes(folder: Path) -> None:
    path = train(config({}), folder) / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "training": None}))
    assert opened(config(None, held_out=0.5), folder) == (False, 40)


def test_training_does_not_begin_with_weights_that_saw_the_evaluated_rows(folder: Path) -> None:
    train(config({}), folder, "first")
    other = config({"init_from": "first"}, held_out=0.5)
    with pytest.raises(StaleModelError, match="was trained on rows of rows") as caught:
        train(other, folder)
    assert caught.value.problems[0].where == "train.init_from"
    train(config({"init_from": "first", "epochs": 3}), folder)
    train(config({"init_from": "first"}, test="others.csv", held_out=0.5), folder, "second")


def test_an_export_says_it_too(folder: Path) -> None:
    from auditbench.models.declared import interface_of

    train(config({}), folder)
    for settings, says in ((config(None), True), (config(None, held_out=0.5), False)):
        table = settings.model.model_copy(update={"format": "exported"})
        tools: dict[str, Any] = {"base": folder, "device": "cpu", "architectures": ARCHITECTURES}
        request = ModelRequest(path=folder / "model", table=table, source=source_of(settings, folder), **tools)
        if says:
            assert interface_of(request).classes == ("no", "yes")
        else:
            with pytest.raises(StaleModelError, match="was trained on rows"):
                interface_of(dataclasses.replace(request))
