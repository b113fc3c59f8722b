"""From an audit.toml and `--set` overrides to an `AuditConfig`, or to one error that lists all that is wrong."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from auditbench.config import AuditConfig
from auditbench.config_checks import (
    file_problems,
    id_problems,
    model_problems,
    name_problems,
    parts_of,
    readable_parts,
    reweighing_problems,
    target_problems,
    without_followers,
)
from auditbench.config_problems import problems_of, shown
from auditbench.contract_checks import HOST_KEYS
from auditbench.digests import digest_of
from auditbench.errors import ConfigError, Problem
from auditbench.gate_checks import gate_problems
from auditbench.gate_file import GateSource, GivenGates, read_gates, with_gates
from auditbench.models.formats import takes_trust
from auditbench.plugin_entries import list_entry_points
from auditbench.toml_file import read_toml

_TABLES = ("audit", "model", "data")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A valid configuration and where it came from.

    Attributes:
        base: Folder that relative paths start from.
        digest: sha256 of the resolved configuration, independent of layout and comments of the file.
        path: The file itself.
        gate_places: Where each gate of the config stands: its key path, after the name of another file.
        gate_files: What `--gates` added to `audit.gates`, as given.
        overrides: What `--set` changed, as given.
        trusted: What `--trust-model` added to `model.trust`.
    """

    config: AuditConfig
    base: Path
    digest: str
    path: Path
    gate_places: tuple[str, ...] = ()
    gate_files: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()


def load_config(
    path: Path, overrides: Sequence[str] = (), trusted: Sequence[str] = (), gate_files: Sequence[str] = ()
) -> LoadedConfig:
    """Read and check an audit.toml, and the files of gates that it names.

    Args:
        gate_files: Further files of gates, relative to the working directory, or `preset:NAME`.
        overrides: `table.key=value`, the value as TOML; a bare word is text, `null` takes the key away.
        trusted: sha256 of files whose code may run to open the model, beside those in `model.trust`.

    Raises:
        ConfigError: With every problem of the file, the names it uses and the files it names. A file without one is
            checked against the plugins themselves, and their parameters, by `supervisor.plan`.
    """
    document = read_toml(path, fix="`auditbench init` writes one")
    problems = [problem for text in overrides for problem in _override(document, text)]
    problems += [problem for digest in trusted for problem in _trust(document, digest)]
    base = path.resolve().parent
    given = _gates_given(document, base, gate_files)
    config = config_from(document, name=path.name, problems=problems, base=base, given=given)
    own = len(config.gates) - len(given.gates)
    return LoadedConfig(
        config=config,
        base=base,
        digest=config_digest(config),
        path=path,
        gate_places=(*(f"gates[{index}]" for index in range(own)), *given.gates),
        gate_files=tuple(gate_files),
        overrides=tuple(overrides),
        trusted=tuple(trusted),
    )


def config_from(
    document: Mapping[str, Any],
    *,
    name: str,
    problems: Sequence[Problem] = (),
    base: Path | None = None,
    given: GivenGates | None = None,
) -> AuditConfig:
    """A configuration from its parsed tables.

    Args:
        name: What to call it in an error.
        problems: Found before; they count too.
        base: Folder that relative paths start from; None when there are no files.
        given: Gates and waivers of other files, which stand behind those of the document.

    Raises:
        ConfigError: With every problem, those of names and files included as far as the rest can be read.
    """
    found = [*problems, *(_not_finite(where, value) for where, value in _numbers(document) if not math.isfinite(value))]
    config: AuditConfig | None = None
    try:
        config = AuditConfig.model_validate(_with_parameters(document))
        parts = parts_of(config)
    except ValidationError as error:
        found += problems_of(error, AuditConfig)
        parts = readable_parts(document)
    if given is not None:
        found += given.problems
        parts = with_gates(parts, given)
    found += id_problems(parts)
    found += model_problems(parts, base)
    found += target_problems(parts)
    found += reweighing_problems(parts)
    if found or config is None:
        entries = list_entry_points()
        found += name_problems(parts, entries)
        found += gate_problems(without_followers(parts, entries), {})
        found += file_problems(parts, base) if base else ()
        raise ConfigError(f"{name} is not valid", problems=tuple(found))
    if given is None:
        return config
    return config.model_copy(update={"gates": tuple(parts.gates.values()), "waivers": tuple(parts.waivers.values())})


def config_digest(config: AuditConfig) -> str:
    """sha256 of a resolved configuration."""
    return digest_of(config.model_dump(mode="json"))


def _gates_given(document: Mapping[str, Any], base: Path, gate_files: Sequence[str]) -> GivenGates:
    """The gates of the files that the document and the command line name, as far as the document can be read."""
    audit, model, data = (table if isinstance(table := document.get(key), dict) else {} for key in _TABLES)
    named = audit.get("gates", ())
    named = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    sensitive = data.get("sensitive", ())
    return read_gates(
        [GateSource(text=name, base=base) for name in named if isinstance(name, str)]
        + [GateSource(text=name, base=Path.cwd()) for name in gate_files],
        task=str(model.get("task", "")),
        sensitive=[name for name in sensitive if isinstance(name, str)] if isinstance(sensitive, list) else [],
    )


def _override(document: dict[str, Any], text: str) -> Iterator[Problem]:
    """Apply one `--set` to the parsed document in place; what is wrong with it is yielded.

    A bare `null`, which TOML does not have, takes a key away.
    """
    key, equals, value = text.partition("=")
    where = f"--set {text}"[:120]
    try:
        change = tomllib.loads(f"{key}=0") if equals and "\n" not in key else {}
    except tomllib.TOMLDecodeError:
        change = {}
    path = _single_path(change)
    if not path:
        yield Problem(message="expected `table.key=value`", where=where, fix="such as `--set audit.seed=1`")
        return
    table, unset = document, value.strip() == "null"
    for part in path[:-1]:
        table = table.get(part, {}) if unset else table.setdefault(part, {})
        if not isinstance(table, dict):
            yield Problem(message=f"`{part}` is no table", where=where, fix="set the whole list or value instead")
            return
    if not unset:
        table[path[-1]] = _toml_value(value)
    elif path[-1] in table:
        del table[path[-1]]
    else:
        yield Problem(
            message="`null` takes a key away, and the configuration does not have this one",
            where=where,
            allowed=", ".join(table) or "nothing, since that table has no keys",
            fix=f"leave it out; the text null is `{key}='\"null\"'`",
        )


def _trust(document: dict[str, Any], digest: str) -> Iterator[Problem]:
    """Add one `--trust-model` to the parsed document in place; what is no sha256 is yielded.

    It is added to every model that may be or need a program, and to `[model]` where there is none, which is refused.
    """
    if not _SHA256.fullmatch(digest):
        yield Problem(
            message="expected the sha256 of a file",
            where="--trust-model",
            found=shown(digest),
            allowed="64 hexadecimal digits in lower case",
            fix="copy the digest that `auditbench check CONFIG` prints",
        )
        return
    model, further = document.get("model"), document.get("models")
    tables = [model, *(further.values() if isinstance(further, dict) else ())]
    tables = [table for table in tables if isinstance(table, dict) and isinstance(table.get("trust", []), list)]
    for table in [table for table in tables if takes_trust(table.get("format"))] or tables[:1]:
        trust = table.get("trust", [])
        table["trust"] = trust if digest in trust else [*trust, digest]


def _single_path(change: Mapping[str, Any]) -> tuple[str, ...]:
    path: tuple[str, ...] = ()
    value: Any = change
    while isinstance(value, dict) and len(value) == 1:
        ((name, value),) = value.items()
        path = (*path, name)
    return path


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()


def _with_parameters(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the analyzers' own keys moved under `parameters`, where the model expects them."""
    analyzers = document.get("analyzers")
    if not isinstance(analyzers, dict):
        return dict(document)
    return {**document, "analyzers": {name: _analyzer_table(table) for name, table in analyzers.items()}}


def _analyzer_table(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    host = {key: value for key, value in table.items() if key in HOST_KEYS}
    return {**host, "parameters": {key: value for key, value in table.items() if key not in HOST_KEYS}}


def _numbers(value: Any, where: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{where}[{index}]")
    elif isinstance(value, float):
        yield where, value


def _not_finite(where: str, value: float) -> Problem:
    return Problem(message="expected a finite number", where=where, found=str(value))
