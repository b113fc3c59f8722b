"""The audit.toml beside an export: the export against the bundle that it was made from, on the data of the first audit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.cli.toml_words import entries, key

if TYPE_CHECKING:
    from auditbench.config_file import LoadedConfig
    from auditbench.models.exporting import Export

_LONGEST_NAME = 100
_BUNDLE = "bundle"


def write_audit(loaded: LoadedConfig, export: Export, tolerance: float) -> Path:
    """Write the audit.toml of an export; the path of it.

    Raises:
        RunFolderError: It cannot be written.
    """
    from auditbench.errors import RunFolderError

    path = Path(export.folder) / "audit.toml"
    try:
        written = path.with_name(f".{path.name}.new")
        written.write_text(audit_text(loaded, export, tolerance), encoding="utf-8")
        written.replace(path)
    except OSError as error:
        raise RunFolderError(
            "the audit of the export cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            fix="name another folder with --out",
        ) from error
    return path


def audit_text(loaded: LoadedConfig, export: Export, tolerance: float) -> str:
    """The audit.toml: the export is audited, and `parity` compares it with the bundle."""
    config = loaded.config
    lines = [
        "# The export in this folder, compared with the bundle that it was made from: auditbench audit audit.toml",
        *_table("audit", {"name": f"{config.audit.name[:_LONGEST_NAME]}, {export.kind}", "seed": config.audit.seed}),
        *_model_tables(loaded, export),
        *_data_tables(loaded, Path(export.folder)),
        *_table("analyzers.parity", {"with_model": _BUNDLE, "tolerance": tolerance}),
        *_table("analyzers.performance", {}),
        *_gates(config.model.task, tolerance),
    ]
    for name in ("report", "limits"):
        if kept := getattr(config, name).model_dump(mode="json", exclude_defaults=True):
            lines += _table(name, kept)
    return "\n".join(lines) + "\n"


def _model_tables(loaded: LoadedConfig, export: Export) -> Iterator[str]:
    from auditbench.models.exporting import KINDS

    model, folder = loaded.config.model, Path(export.folder)
    same = {"task": model.task, "threshold": model.threshold}
    trust = {"trust": [export.sha256]} if export.kind == "pt2" else {}
    yield from _table("model", {"format": KINDS[export.kind], "path": ".", **same, **trust})
    yield from _table(f"models.{_BUNDLE}", {"path": _relative(loaded.base / model.path, folder), **same})


def _data_tables(loaded: LoadedConfig, folder: Path) -> Iterator[str]:
    table = loaded.config.data.model_dump(mode="json", exclude_defaults=True)
    inputs = table.pop("inputs", {})
    train = loaded.config.train
    if "held_out" in table and train is not None and train.split_by == "group":
        table.setdefault("cluster", train.split_column)  # which draws the same rows without [train]
    for name in ("test", "train"):
        if name in table:
            table[name] = _relative(loaded.base / table[name], folder)
    yield from _table("data", table)
    for name, item in inputs.items():
        yield from _table(f"data.inputs.{key(name)}", item)


def _gates(task: str, tolerance: float) -> Iterator[str]:
    """Gates on values, since the rows are all there are: no interval says more of an export."""
    limits = {"largest_scaled_difference": tolerance}
    if task != "regression":
        limits |= {"largest_probability_difference": tolerance, "changed_decisions": 0.0}
    for metric, limit in limits.items():
        yield from ("", "[[gates]]", *entries({"metric": f"parity.{metric}", "max": limit, "decide": "estimate"}))


def _table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"[{name}]", *entries(table))


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())
