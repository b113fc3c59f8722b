"""`[tool.auditbench.conformance]` of a plugin's pyproject.toml: what its things are tried with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditbench.errors import ConfigError

_WHERE = "tool.auditbench.conformance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an author gives to the checks, by the name of what is checked.

    ```toml
    [tool.auditbench.conformance.samples]
    numbers = "tests/sample/audit.toml"     # of a model loader or data set: its [model] and [data]

    [tool.auditbench.conformance.parameters.gap]
    rows = 20                               # of an analyzer, where its defaults are slow
    ```

    Attributes:
        samples: Files with the tables `[model]` and `[data]` of an audit.toml, of a data set with `[data]` alone.
        parameters: Of analyzers, as a config would give them.
    """

    samples: Mapping[str, Path] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def settings_in(document: Mapping[str, Any], *, folder: Path) -> Settings:
    """The settings in a pyproject.toml; none where it has no such table.

    Args:
        document: The whole file.
        folder: Where it stands; paths of samples start there.

    Raises:
        ConfigError: A key is unknown, or a value is no path or table.
    """
    table: dict[str, Any] = dict(document)
    for part in _WHERE.split("."):
        table = _table(table.get(part, {}), _WHERE)
    if unknown := sorted(set(table) - {"samples", "parameters"}):
        raise ConfigError("there is no such key", where=_WHERE, found=", ".join(unknown), allowed="samples, parameters")
    samples = _table(table.get("samples", {}), f"{_WHERE}.samples")
    for name, path in samples.items():
        if not isinstance(path, str) or not (folder / path).is_file():
            raise ConfigError(
                "there is no such sample",
                where=f"{_WHERE}.samples.{name}",
                found=repr(path),
                allowed=f"a file, from {folder}",
                fix="name a file with the tables [model] and [data] of an audit.toml",
            )
    parameters = _table(table.get("parameters", {}), f"{_WHERE}.parameters")
    return Settings(
        samples={name: folder / path for name, path in samples.items()},
        parameters={name: _table(given, f"{_WHERE}.parameters.{name}") for name, given in parameters.items()},
    )


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError("expected a table", where=where, found=repr(value)[:80], fix="write it as `{ key = value }`")
    return value
