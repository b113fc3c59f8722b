"""The audit.toml beside an export: read back, it is the first audit's data, with paths from its own folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.exported_audit import audit_text, write_audit
from auditbench.config import AuditConfig
from auditbench.config_file import LoadedConfig
from auditbench.errors import RunFolderError
from auditbench.models.exporting import Difference, Export, ExportKind

DATA: dict[str, Any] = {
    "test": "data/rows.csv",
    "train": "data/train rows.csv",
    "target": 'bought "it"\\',
    "classes": ("nein", "ja 👍"),
    "features": ("age", "wage\x7f"),
    "bins": {"age": (1e-7, 25.0), "höhe": (1.5, 2.5)},
    "types": {"age": "number", "a.b": "category"},
    "max_rows": 10,
    "inputs": {
        "picture": {"modality": "image", "size": (8, 9)},
        "text": {"modality": "text", "column": "words", "length": 5},
    },
}


def loaded(base: Path, *, task: str = "multiclass-classification", **tables: Any) -> LoadedConfig:
    document = {
        "audit": {"name": "näme", "seed": 3},
        "model": {"task": task, "path": "models/net", "threshold": 0.25},
        "data": DATA,
        **tables,
    }
    config = AuditConfig.model_validate(document)
    return LoadedConfig(config=config, base=base, digest="", path=base / "audit.toml")


def export(folder: Path, kind: ExportKind = "pt2") -> Export:
    random = Difference(rows=1, largest=0.0, scaled=0.0)
    return Export(kind=kind, folder=str(folder), file="model", sha256="a" * 64, size=1, on_random_rows=random)


def test_the_data_are_those_of_the_first_audit(tmp_path: Path) -> None:
    first = loaded(tmp_path)
    table = tomllib.loads(audit_text(first, export(tmp_path / "export/pt2"), 1e-5))
    table["analyzers"] = {}
    config = AuditConfig.model_validate(table)
    paths = {"test": "../../data/rows.csv", "train": "../../data/train rows.csv"}
    assert config.data == first.config.data.model_copy(update=paths)
    assert (config.audit.name, config.audit.seed) == ("näme, pt2", 3)
    assert (config.model.path, config.model.threshold, config.model.trust) == (".", 0.25, ("a" * 64,))
    assert config.models["bundle"].path == "../../models/net"
    assert (config.report, config.limits) == (first.config.report, first.config.limits)


def test_report_and_limits_are_kept(tmp_path: Path) -> None:
    first = loaded(tmp_path, report={"language": "zh-CN"}, limits={"memory_gib": 2.5})
    table = tomllib.loads(audit_text(first, export(tmp_path), 1e-5))
    assert (table["report"], table["limits"]) == ({"language": "zh-CN"}, {"memory_gib": 2.5})


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        ("regression", ["largest_scaled_difference"]),
        ("binary-classification", ["largest_scaled_difference", "largest_probability_difference", "changed_decisions"]),
    ],
)
def test_gates_are_on_what_the_task_has(tmp_path: Path, task: str, metrics: list[str]) -> None:
    table = tomllib.loads(audit_text(loaded(tmp_path, task=task), export(tmp_path, "onnx"), 0.125))
    assert [gate["metric"] for gate in table["gates"]] == [f"parity.{name}" for name in metrics]
    assert [gate["max"] for gate in table["gates"]] == [0.125, 0.125, 0.0][: len(metrics)]
    assert table["analyzers"]["parity"] == {"with_model": "bundle", "tolerance": 0.125}
    assert "trust" not in table["model"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be written") as refused:
        write_audit(loaded(tmp_path), export(tmp_path / "absent"), 1e-5)
    assert refused.value.problems[0].where == str(tmp_path / "absent/audit.toml")


@pytest.mark.parametrize(("own", "written"), [({}, "patient"), ({"cluster": "house"}, "house")])
def test_groups_that_were_held_out_whole_stay_so_without_train(
    tmp_path: Path, own: dict[str, str], written: str
) -> None:
    data = {"test": "rows.csv", "target": "y", "held_out": 0.2, **own}
    train = {"split_by": "group", "split_column": "patient"}
    text = audit_text(loaded(tmp_path, task="regression", data=data, train=train), export(tmp_path), 1e-5)
    assert tomllib.loads(text)["data"]["cluster"] == written
    untrained = audit_text(loaded(tmp_path, task="regression", data={**data, "cluster": None}), export(tmp_path), 1e-5)
    assert "cluster" not in tomllib.loads(untrained)["data"]
