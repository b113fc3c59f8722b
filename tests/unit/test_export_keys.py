"""Keys of `[model]` and `[models.NAME]` for exports and ONNX files, and what is looked at before anything is opened."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from auditbench import provenance
from auditbench.config import AuditConfig, ModelTable
from auditbench.config_file import LoadedConfig, config_from
from auditbench.errors import ConfigError, ModelError
from auditbench.models.formats import describes_itself, key_problems, program_file
from auditbench.models.inspection import inspect_model
from auditbench.provenance import format_packages, package_versions
from auditbench.supervisor.opening import refuse_another
from auditbench.supervisor.record import echo, empty_subject, model_formats
from auditbench.supervisor.session import AuditSession

TASK = {"task": "binary-classification"}
DOCUMENT: dict[str, Any] = {
    "audit": {"name": "keys"},
    "model": {**TASK, "format": "onnx", "output": "logit"},
    "data": {"test": "rows.csv", "target": "bought"},
}


def problems(table: dict[str, Any], *, described: bool = False) -> list[str]:
    found = key_problems(ModelTable.model_validate({**TASK, **table}), trains=False, described=described)
    return [f"{problem.where}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("table", "described", "expected"),
    [
        pytest.param({"format": "onnx", "output": "logit", "inputs": "standardized"}, False, [], id="file-alone"),
        pytest.param({"format": "onnx"}, False, ["model.output: this key is missing"], id="file-without-output"),
        pytest.param({"format": "onnx"}, True, [], id="export"),
        pytest.param({"format": "exported"}, True, [], id="export-of-pt2"),
        pytest.param(
            {"format": "onnx", "output": "logit", "inputs": "raw"},
            True,
            [f'model.{key}: this key does not go with model.format = "onnx"' for key in ("output", "inputs")],
            id="export-with-what-it-says-itself",
        ),
        pytest.param(
            {"format": "onnx", "output": "logit", "trust": ["0" * 64], "architecture": "mlp"},
            False,
            [f'model.{key}: this key does not go with model.format = "onnx"' for key in ("architecture", "trust")],
            id="graph-is-no-program",
        ),
        pytest.param(
            {"format": "onnx", "output": "value"},
            False,
            ["model.output: the declared output does not fit binary-classification"],
            id="other-scale",
        ),
    ],
)
def test_keys_of_a_model(table: dict[str, Any], described: bool, expected: list[str]) -> None:
    assert problems(table, described=described) == expected


@pytest.mark.parametrize(("kind", "file"), [("onnx", "model.onnx"), ("exported", "model.pt2")])
def test_the_program_of_an_export_has_its_name(tmp_path: Path, kind: str, file: str) -> None:
    (tmp_path / "net").touch()
    alone = ModelTable.model_validate({**TASK, "format": kind, "path": "net"})
    folder = ModelTable.model_validate({**TASK, "format": kind, "path": "."})
    assert program_file(alone, tmp_path / "net") == tmp_path / "net"
    assert program_file(folder, tmp_path) == tmp_path / file
    assert (describes_itself(alone, tmp_path), describes_itself(folder, tmp_path)) == (False, True)
    assert not describes_itself(ModelTable.model_validate(TASK), tmp_path)


def test_further_models_are_checked_like_the_audited_one(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("age,bought\n1,yes\n")
    (tmp_path / "model").write_bytes(b"")
    models = {
        "first": {**TASK, "format": "onnx", "path": "absent.onnx"},
        "second": {**TASK, "format": "safetensors", "output": "logit", "path": "model"},
    }
    with pytest.raises(ConfigError) as refused:
        config_from({**DOCUMENT, "models": models}, name="audit.toml", base=tmp_path)
    assert {problem.where: problem.message for problem in refused.value.problems} == {
        "models.first.output": "this key is missing",
        "models.second.architecture": "weights need exactly one network to be put into",
        "models.first.path": "there is no such file",
    }


def test_problems_of_further_models_stand_beside_others(tmp_path: Path) -> None:
    document = {**DOCUMENT, "models": {"first": {**TASK, "format": "onnx"}}, "nonsense": {}}
    with pytest.raises(ConfigError) as refused:
        config_from(document, name="audit.toml", base=tmp_path)
    assert {"models.first.output", "nonsense"} <= {problem.where for problem in refused.value.problems}


def test_a_graph_is_looked_at_before_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"<html></html>")
    found = inspect_model(ModelTable.model_validate({**TASK, "format": "onnx", "path": "."}), tmp_path)
    assert re.search("html, by its content", found.refused[0].found)
    (tmp_path / "model.onnx").write_bytes(b"\x08\x09\x12\x00")
    assert inspect_model(ModelTable.model_validate({**TASK, "format": "onnx", "path": "."}), tmp_path).refused == ()


def test_packages_of_the_formats_are_recorded_and_no_others(tmp_path: Path) -> None:
    config = AuditConfig.model_validate(
        {**DOCUMENT, "model": TASK, "models": {"first": {**TASK, "format": "onnx", "path": "a.onnx"}}}
    )
    assert model_formats(config) == {"bundle", "onnx"}
    found = package_versions(format_packages(model_formats(config)))
    assert (found["onnx"], found["onnxruntime"]) == (version("onnx"), version("onnxruntime"))
    assert not {"onnx", "onnxruntime"} & set(package_versions(format_packages({"bundle", "exported"})))


def test_another_onnxruntime_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    config = AuditConfig.model_validate(DOCUMENT)
    loaded = LoadedConfig(config=config, base=tmp_path, digest="", path=tmp_path / "audit.toml")
    session: Any = AuditSession(loaded, Any, Any, Any, device="cpu")  # type: ignore[arg-type]
    for told in ("1.0", "1.0", "2.0"):
        monkeypatch.setattr(provenance, "_version", lambda name, told=told: told if name == "onnxruntime" else None)
        keys.append(session._key(empty_subject(config)))
    assert keys[0] == keys[1]
    assert {name for name in keys[0] if keys[0][name] != keys[2][name]} == {"set of packages or threads"}


def test_no_folder_of_this_machine_is_in_the_record() -> None:
    model = {
        **TASK,
        "format": "safetensors",
        "output": "logit",
        "path": "/home/alice/m",
        "factory": "/home/alice/n.py:build",
    }
    document = {
        **DOCUMENT,
        "model": model,
        "models": {"first": model},
        "train": {"init_from": "/home/alice/base.safetensors"},
        "data": {"test": "/home/alice/a.csv", "train": "/home/alice/b.csv", "target": "y"},
    }
    found = echo(AuditConfig.model_validate(document), [])
    assert "alice" not in json.dumps(found)
    assert (found["model"]["factory"], found["models"]["first"]["factory"]) == ("n.py:build", "n.py:build")
    assert found["train"]["init_from"] == "base.safetensors"
    relative = AuditConfig.model_validate({**DOCUMENT, "train": {"init_from": "../base.safetensors"}})
    assert echo(relative, [])["train"]["init_from"] == "../base.safetensors"


def test_a_further_model_that_changes_meanwhile_stops_the_audit() -> None:
    config = AuditConfig.model_validate(DOCUMENT)
    first = dataclasses.replace(empty_subject(config), others={"bundle": "a" * 64})
    refuse_another(first, first)
    with pytest.raises(ModelError, match="a further model is not the one") as refused:
        refuse_another(dataclasses.replace(first, others={"bundle": "b" * 64}), first)
    assert refused.value.problems[0].where == "models.bundle"
