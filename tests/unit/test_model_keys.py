"""Keys of `[model]` that go with its format, and what is said of those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from auditbench.config import AuditConfig, ModelTable
from auditbench.config_file import config_from
from auditbench.errors import ConfigError
from auditbench.models.formats import key_problems
from auditbench.registry import Registry
from auditbench.worker.checking import check_part
from tests.model_files import scripted

MLP = {"architecture": "mlp", "parameters": {"hidden": [4]}}
NAMED = {"factory": "net.py:build", "parameters": {"hidden": 4}}
SHA = "ab" * 32


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        pytest.param({}, [], id="bundle"),
        pytest.param({"output": "logit"}, ["output"], id="bundle-says-its-output"),
        pytest.param(
            {**MLP, "factory": "a.py:b", "inputs": "raw", "trust": [SHA]},
            ["architecture", "factory", "parameters", "inputs", "trust"],
            id="bundle-takes-none",
        ),
        pytest.param({"format": "safetensors", **MLP, "output": "logit"}, [], id="weights"),
        pytest.param({"format": "state-dict", **NAMED, "output": "logit", "trust": [SHA]}, [], id="weights-factory"),
        pytest.param({"format": "safetensors"}, ["architecture", "output"], id="weights-alone"),
        pytest.param(
            {"format": "safetensors", **MLP, "factory": "a.py:b", "output": "value"},
            ["factory", "output"],
            id="two-networks-and-another-scale",
        ),
        pytest.param({"format": "exported", "output": "probability", "trust": [SHA]}, [], id="program"),
        pytest.param(
            {"format": "pickle", **MLP}, ["architecture", "parameters", "output"], id="program-is-the-network"
        ),
        pytest.param(
            {"format": "torchscript", "task": "regression", "output": "logit"}, ["output"], id="regression-gives-values"
        ),
        pytest.param({"format": "keras", "output": "probability", "inputs": "standardized"}, [], id="keras"),
        pytest.param(
            {"format": "keras", "trust": [SHA], "function": "f"},
            ["function", "trust", "output"],
            id="keras-runs-no-code",
        ),
        pytest.param({"format": "huggingface", "parameters": {"length": 8}}, [], id="huggingface"),
        pytest.param(
            {"format": "huggingface", "output": "logit", "trust": [SHA], "inputs": "raw"},
            ["inputs", "output", "trust"],
            id="huggingface-says-its-output",
        ),
        pytest.param({"format": "estimator", "trust": [SHA]}, [], id="estimator"),
        pytest.param({"format": "estimator", "output": "probability"}, ["output"], id="estimator-says-its-output"),
        pytest.param({"format": "callable", "function": "f", "output": "logit", "trust": [SHA]}, [], id="callable"),
        pytest.param({"format": "callable", "columns": ["p"]}, ["columns", "output"], id="callable-has-no-columns"),
        pytest.param({"format": "predictions", "columns": ["p"], "output": "probability"}, [], id="predictions"),
        pytest.param({"format": "predictions"}, ["columns", "output"], id="predictions-of-no-column"),
        pytest.param({"format": "endpoint", "output": "logit", "parameters": {"retries": 1}}, [], id="endpoint"),
        pytest.param({"format": "of-a-plugin", "output": "logit", **MLP}, [], id="others-decide-for-themselves"),
    ],
)
def test_keys_that_do_not_go_together_are_all_named(keys: Mapping[str, Any], wrong: list[str]) -> None:
    table = ModelTable.model_validate({"task": "binary-classification", **keys})
    assert [problem.where for problem in key_problems(table, trains=False)] == [f"model.{key}" for key in wrong]


@pytest.mark.parametrize(
    ("model", "where"),
    [
        pytest.param({"format": "safetensors", "output": "logits"}, ["model.output", "model.architecture"], id="typo"),
        pytest.param(
            {"format": "safetensors", "factory": "net", "output": "logit", "trust": ["12"]},
            ["model.factory", "model.trust[0]"],
            id="a-key-that-cannot-be-read-counts-as-there",
        ),
        pytest.param(
            {"format": "Safe Tensors", "architecture": 3}, ["model.format", "model.architecture"], id="format"
        ),
    ],
)
def test_mistakes_of_every_kind_come_in_one_go(model: Mapping[str, Any], where: list[str]) -> None:
    document = {
        "audit": {"name": "x", "seed": -1},
        "model": {"task": "binary-classification", **model},
        "data": {"test": "a", "target": "y"},
    }
    with pytest.raises(ConfigError) as caught:
        config_from(document, name="audit.toml")
    assert sorted(problem.where for problem in caught.value.problems) == sorted(["audit.seed", *where])


def problems_of_config(folder: Path, model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where each problem of a config with this model is, and what to do about it."""
    document = {
        "audit": {"name": "x"},
        "model": {"task": "binary-classification", **model},
        "data": {"test": "rows.csv", "target": "y"},
    }
    (folder / "rows.csv").touch()
    with pytest.raises(ConfigError) as caught:
        config_from(document, name="audit.toml", base=folder)
    return [(problem.where, problem.fix) for problem in caught.value.problems]


def test_the_content_of_the_file_decides_which_keys_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(scripted())
    set_format = (str(path), 'set model.format = "torchscript"')
    keys = {"path": "net.pt", "output": "logit", "trust": [SHA]}
    assert problems_of_config(tmp_path, keys) == [set_format]
    assert problems_of_config(tmp_path, {"path": "net.pt", "format": "safetensors", "output": "logit"}) == [set_format]
    missing = ("model.output", "say what the model gives; it is never guessed")
    assert problems_of_config(tmp_path, {"path": "net.pt", "inputs": "raw"}) == [set_format, missing]
    path.write_bytes(b"no model")
    assert [where for where, _ in problems_of_config(tmp_path, keys)] == ["model.output", "model.trust"]
    (tmp_path / "net").mkdir()
    assert [where for where, _ in problems_of_config(tmp_path, {**keys, "path": "net"})] == [
        "model.output",
        "model.trust",
    ]


@pytest.mark.parametrize("form", ["bundle", "onnx", "keras", "huggingface", "endpoint"])
def test_trust_that_a_format_does_not_need_is_told_in_plain_words(form: str) -> None:
    table = ModelTable.model_validate({"task": "regression", "format": form, "output": "value", "trust": [SHA]})
    (found,) = [one for one in key_problems(table, trains=False) if one.where == "model.trust"]
    assert found.found == SHA
    assert found.fix == "remove it, or --trust-model: a model of this format runs no code of its own"


@pytest.mark.parametrize(
    ("form", "made"), [("estimator", b"tree\nversion=v4\n"), ("safetensors", b"\2" + bytes(7) + b"{}")]
)
def test_trust_where_no_file_is_a_program_is_refused_for_every_format(form: str, made: bytes, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(made)
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n")

    def wrong(**keys: Any) -> list[tuple[str, str]]:
        model = {
            "task": "regression",
            "format": form,
            **({**MLP, "output": "value"} if form != "estimator" else {}),
            **keys,
        }
        document = {"audit": {"name": "x"}, "model": model, "data": {"test": "rows.csv", "target": "y"}}
        config = AuditConfig.model_validate(document)
        part = check_part(config, Registry(), analyzers=[], formats=[], foundation=tmp_path)
        return [(one.where, one.found) for one in part.problems if one.where == "model.trust"]

    assert wrong(trust=[SHA]) == [("model.trust", SHA)]
    assert wrong() == []
    assert wrong(trust=[SHA], path="absent") == []


def test_training_goes_with_bundles_only() -> None:
    document = {
        "audit": {"name": "x"},
        "model": {"task": "regression", "format": "exported", "output": "value"},
        "train": {},
        "data": {"test": "a", "target": "y"},
    }
    with pytest.raises(ConfigError) as caught:
        config_from(document, name="audit.toml")
    assert [problem.where for problem in caught.value.problems] == ["train"]
    assert isinstance(config_from({**document, "model": {"task": "regression"}}, name="audit.toml"), AuditConfig)
