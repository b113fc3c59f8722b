"""Errors that a first configuration meets: what is allowed, and what somebody meant who writes it as others do."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.boundary import guarded
from auditbench.config import AuditConfig, DataTable, InputTable
from auditbench.config_file import config_from
from auditbench.contracts import NAMES_A_MODEL, model_name_problem
from auditbench.data import open_source
from auditbench.errors import ConfigError, DataError, ModelError, Problem
from auditbench.models.architectures import BUILT_IN
from auditbench.models.formats import FORMATS, usual_format
from auditbench.models.network import find_architecture
from auditbench.registry import Registry
from auditbench.toml_file import read_toml
from auditbench.worker.checking import check_part

DOCUMENT: dict[str, Any] = {
    "audit": {"name": "first"},
    "model": {"task": "binary-classification"},
    "train": {},
    "data": {"test": "rows.csv", "target": "y"},
}


def problem(**tables: dict[str, Any]) -> Problem:
    """The only problem of a configuration with these keys changed."""
    document = copy.deepcopy(DOCUMENT)
    for name, keys in tables.items():
        document[name].update(keys)
    with pytest.raises(ConfigError) as caught:
        config_from(document, name="audit.toml")
    (found,) = caught.value.problems
    return found


def test_a_missing_modality_lists_what_there_is() -> None:
    found = problem(data={"inputs": {"photo": {"column": "photo"}}})
    assert found.where == "data.inputs.photo.modality"
    assert found.allowed == '"image", "text", "series", "tabular"'
    assert found.fix == 'add `modality = "image"`, or another of these'


def test_a_missing_key_without_choices_says_what_it_is() -> None:
    document = copy.deepcopy(DOCUMENT)
    del document["data"]["target"]
    with pytest.raises(ConfigError) as caught:
        config_from(document, name="audit.toml")
    assert [(one.allowed, one.fix) for one in caught.value.problems] == [("Column to predict.", "add `target = …`")]


@pytest.mark.parametrize(
    ("tables", "fix"),
    [
        ({"train": {"augment": ["mirror"]}}, "did you mean `flip`?"),
        ({"train": {"augment": ["rotated"]}}, "did you mean `rotate`?"),
        ({"train": {"augment": ["sepia"]}}, ""),
        ({"train": {"augment": "flip"}}, 'put it in square brackets: `["flip"]`'),
        ({"train": {"loss": "BCE"}}, "did you mean `cross-entropy`?"),
        ({"data": {"inputs": {"x": {"modality": "picture"}}}}, "did you mean `image`?"),
        ({"model": {"task": "mse"}}, ""),
        ({"train": {"epochs": "ten"}}, "write the whole number, without quotes"),
        ({"data": {"target": ["label", "city"]}}, "name one column; a model has one target"),
        ({"data": {"id": ["a"]}}, "write one text in quotes, no list"),
    ],
)
def test_what_is_called_otherwise_elsewhere_is_understood(tables: dict[str, Any], fix: str) -> None:
    assert problem(**tables).fix == fix


def test_augmentation_lists_its_words() -> None:
    assert problem(train={"augment": ["mirror"]}).allowed == '"flip", "shift", "rotate", "noise", "crop"'


@pytest.mark.parametrize(
    ("name", "words"),
    [("lstm", '`rnn` with `cell = "lstm"`'), ("GPT", "`decoder`"), ("transformer", "`encoder`"), ("cn", "cnn")],
)
def test_an_architecture_of_another_name_is_understood(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_architecture(name, {item.name: item for item in BUILT_IN}, where="train.architecture")
    assert words in caught.value.problems[0].fix
    if name.islower():
        config = AuditConfig.model_validate({**DOCUMENT, "train": {"architecture": name}})
        part = check_part(config, Registry(), analyzers=[], formats=[], foundation=tmp_path)
        assert [words in one.fix for one in part.problems if one.where == "train.architecture"] == [True]


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("ONNXX", "did you mean `onnx`?"),
        ("Keras", "did you mean `keras`?"),
        ("sklearn", "name `estimator`"),
        ("XGBoost", "name `estimator`"),
        ("PyTorch", "name `state-dict` for weights"),
        ("tensorflow", "name `keras`"),
        ("csv", "name `predictions`"),
        ("something-else", "see `auditbench plugins list`"),
    ],
)
def test_a_format_of_another_name_is_understood(name: str, fix: str, tmp_path: Path) -> None:
    config = AuditConfig.model_validate({**DOCUMENT, "train": None, "model": {**DOCUMENT["model"], "format": name}})
    part = check_part(config, Registry(), analyzers=[], formats=[], foundation=tmp_path)
    (found,) = [one for one in part.problems if one.where == "model.format"]
    assert found.allowed == f"{', '.join(sorted(FORMATS))}, or one that a plugin provides"
    assert found.fix.startswith(fix)


def test_every_format_that_is_suggested_is_there() -> None:
    for name in FORMATS:
        assert usual_format(name) == ""
    assert set(re.findall("`(.+?)`", " ".join(map(usual_format, ("torch", "pt2", "jit", "h5", "skops"))))) <= set(
        FORMATS
    )


def test_every_name_that_is_understood_stands_for_one_that_is_there() -> None:
    from auditbench.models.architectures import _CALLED

    known = {item.name for item in BUILT_IN}
    assert known.isdisjoint(_CALLED)
    assert all(any(f"`{name}`" in meant for name in known) for meant in _CALLED.values())


def test_an_export_without_a_format_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["export", "audit.toml"]) == 2
    told = capsys.readouterr().err
    assert "--to: the format of the export is not named" in told
    assert "allowed: onnx, pt2, safetensors" in told
    assert "auditbench export audit.toml --to onnx" in told


def test_an_unknown_analyzer_lists_analyzers_alone(tmp_path: Path) -> None:
    config = AuditConfig.model_validate({**DOCUMENT, "analyzers": {"perfomance": {}, "html": {}}})
    part = check_part(config, Registry(), analyzers=["perfomance", "html"], formats=[], foundation=None)
    first, second = part.problems
    assert first.fix == "did you mean `performance`?"
    for one in (first, second):
        assert {"captum", "performance", "shap"} <= set(one.allowed.split(", "))
        assert {"html", "csv", "model-card"}.isdisjoint(one.allowed.split(", "))


def test_beside_other_problems_an_unknown_analyzer_lists_no_renderer() -> None:
    document = {**DOCUMENT, "analyzers": {"perfomance": {}}, "audit": {}}
    with pytest.raises(ConfigError) as caught:
        config_from(document, name="audit.toml")
    found = {one.where: one for one in caught.value.problems}["analyzers.perfomance"]
    assert (found.allowed, found.fix) == ("what `auditbench plugins list` names", "did you mean `performance`?")


@pytest.mark.parametrize(
    ("name", "models", "refused"),
    [("a", ["a", "b"], False), ("", ["a"], False), ("", [], False), ("", ["a", "b"], True), ("c", ["a"], True)],
)
def test_the_name_of_a_further_model(name: str, models: list[str], refused: bool) -> None:
    assert (model_name_problem(name, models, where="analyzers.x.with") is not None) == refused


def test_parity_says_which_parameter_names_a_model() -> None:
    record = Registry().analyzer("parity").record
    assert record.Params is not None
    assert record.Params.model_json_schema()["properties"]["with_model"][NAMES_A_MODEL] is True
    assert record.needs.further_models


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_numbers_are_no_texts(tmp_path: Path, name: str) -> None:
    import pandas as pd

    frame = pd.DataFrame({"amount": ["12", "-0.5", "", "1e3"], "y": ["a", "b", "a", "b"]})
    frame.to_csv(tmp_path / name, index=False) if name.endswith("csv") else frame.to_parquet(tmp_path / name)
    table = DataTable(test=name, target="y", inputs={"amount": InputTable(modality="text")})
    with pytest.raises(DataError) as caught:
        open_source(table, tmp_path, {})
    (found,) = caught.value.problems
    assert found.message == f"column 'amount' of {name} holds numbers, and no text"
    assert "[data.inputs.amount]" in found.fix
    digits = table.model_copy(update={"inputs": {"amount": InputTable(modality="text", unit="characters")}})
    assert open_source(digits, tmp_path, {}).test.inputs["amount"][:].tolist() == ["12", "-0.5", "", "1e3"]
    frame.loc[3, "amount"] = "many"
    frame.to_csv(tmp_path / "words.csv", index=False)
    words = table.model_copy(update={"test": "words.csv"})
    assert open_source(words, tmp_path, {}).test.inputs["amount"][:].tolist()[3] == "many"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[audit]\nseed = 1\nseed = 2\n", "`seed` again in line 3"),
        ("[audit]\nseed = 1\nseed = 2", "`seed` again in line 3"),
        ("[audit]\nplugins = [\n'a'\n]\nseed = 1\nplugins = [\n'b',\n'c']\n", "`plugins` again in line 6"),
        ("[data]\ntypes.a = 'number'\ntypes.a = 'number'\n", "`types.a` again in line 3"),
        ("[data]\ntypes = 1\n[data.types] # of columns\na = 2\n", "`[data.types]` again in line 3"),
    ],
)
def test_a_key_that_is_given_twice_is_named(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "audit.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_toml(path, fix="")
    (problem,) = caught.value.problems
    assert (problem.message, problem.found, problem.where) == ("a key is given twice", found, str(path))


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("revews.csv", "did you mean `reviews.csv`?"),
        ("rows/tets.csv", "did you mean `rows/test.csv`?"),
        ("nowhere/tets.csv", "paths start from "),
        ("trains.csv", "paths start from "),
    ],
)
def test_a_missing_file_is_asked_for_by_one_of_its_folder(tmp_path: Path, name: str, fix: str) -> None:
    (tmp_path / "rows").mkdir()
    for there in ("reviews.csv", "rows/test.csv", "train.csv"):
        (tmp_path / there).write_text("")
    data = {"test": name, "train": "train.csv", "target": "y"}
    with pytest.raises(ConfigError) as caught:
        config_from(DOCUMENT | {"data": data | {"targe": "y"}}, name="audit.toml", base=tmp_path)
    (problem,) = (one for one in caught.value.problems if one.where == "data.test")
    assert problem.message == "there is no such file"
    assert problem.fix.startswith(fix)


def test_a_misspelt_text_is_asked_for_where_its_next_token_is_predicted() -> None:
    document = {
        "audit": {"name": "first"},
        "model": {"task": "next-token"},
        "train": {"architecture": "decoder"},
        "data": {"test": "rows.csv", "target": "txt", "inputs": {"text": {"modality": "text"}}},
    }
    for target, fix in (("txt", "did you mean `text`?"), ("label", "set data.target to 'text'")):
        document["data"] = {**document["data"], "target": target}  # type: ignore[dict-item]
        with pytest.raises(ConfigError) as caught:
            config_from(document, name="audit.toml")
        (problem,) = caught.value.problems
        assert (problem.where, problem.found, problem.allowed) == ("data.target", repr(target), "'text'")
        assert problem.fix == fix
