"""Gates apart from an audit: a gates.toml of `[[gates]]`, `[[waivers]]` and presets, or a preset by its name alone."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auditbench.config import GateTable, ModelTable, TextOrList, WaiverTable
from auditbench.config_checks import Parts, readable_parts
from auditbench.config_problems import problems_of
from auditbench.errors import ConfigError, Problem
from auditbench.presets import PREFIX, Preset, load_preset, preset_names, readable_presets
from auditbench.toml_file import read_toml

_TASKS = get_args(ModelTable.model_fields["task"].annotation)


class GateFile(BaseModel):
    """The whole of a gates.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    preset: TextOrList = Field(
        (), description="Gates that come with the product or a plugin, by name; one or a list of them."
    )
    gates: tuple[GateTable, ...] = Field((), strict=False)
    waivers: tuple[WaiverTable, ...] = Field((), strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSource:
    """Where gates are to be read from.

    Attributes:
        text: A path, or `preset:NAME`.
        base: Folder that a relative path starts from.
    """

    text: str
    base: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenGates:
    """What was read from files of gates.

    Attributes:
        gates: By the place where each stands, such as `gates.toml: gates[0]`.
        waivers: By place.
        problems: Everything wrong with the files by themselves.
        complete: Whether every gate could be read, so that every id is known.
    """

    gates: Mapping[str, GateTable] = field(default_factory=dict)
    waivers: Mapping[str, WaiverTable] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    complete: bool = True


def read_gates(sources: Sequence[GateSource], *, task: str, sensitive: Sequence[str]) -> GivenGates:
    """Read files of gates; a file or preset that is named twice counts once.

    Args:
        task: Of the model; a preset for other tasks is a problem. When it is no known task, presets are left out.
        sensitive: Names of the sensitive features, for presets with a gate on each.
    """
    read: dict[str, GivenGates] = {}
    names: set[str] = set()
    taken: set[str] = set()
    for source in sources:
        identity = _identity(source)
        if identity not in read:
            name = identity if source.text in names else source.text
            names.add(name)
            read[identity] = _read_source(source, name, task, sensitive, taken)
    return GivenGates(
        gates={place: gate for one in read.values() for place, gate in one.gates.items()},
        waivers={place: waiver for one in read.values() for place, waiver in one.waivers.items()},
        problems=tuple(problem for one in read.values() for problem in one.problems),
        complete=all(one.complete for one in read.values()),
    )


def with_gates(parts: Parts, given: GivenGates) -> Parts:
    """The parts of a config with the gates and waivers of other files behind its own."""
    return dataclasses.replace(
        parts,
        gates={**parts.gates, **given.gates},
        waivers={**parts.waivers, **given.waivers},
        all_gates=parts.all_gates and given.complete,
    )


def _identity(source: GateSource) -> str:
    return source.text if source.text.startswith(PREFIX) else os.path.normpath(source.base / source.text)


def _read_source(source: GateSource, name: str, task: str, sensitive: Sequence[str], taken: set[str]) -> GivenGates:
    """What one source holds; `name` tells it apart from the others, and `taken` presets are left out."""
    if source.text.startswith(PREFIX):
        return _from_presets([source.text.removeprefix(PREFIX)], name, task, sensitive, taken)
    try:
        document = read_toml(source.base / source.text, fix=_way_on(source))
    except ConfigError as error:
        return GivenGates(problems=error.problems, complete=False)
    return _from_document(document, name, task, sensitive, taken)


def _way_on(source: GateSource) -> str:
    """What to do when there is no such file."""
    if source.text in preset_names():
        return f"did you mean `{PREFIX}{source.text}`?"
    return f"paths start from {source.base}; presets are `{PREFIX}NAME`"


def _from_document(
    document: Mapping[str, Any], name: str, task: str, sensitive: Sequence[str], taken: set[str]
) -> GivenGates:
    """The gates of a parsed file: those of its presets first, then its own."""
    if "audit" in document:
        return GivenGates(problems=(_is_config(name),), complete=False)
    problems: list[Problem] = []
    parts = readable_parts(document)
    try:
        presets = GateFile.model_validate(document).preset
    except ValidationError as error:
        problems += [_placed(problem, name) for problem in problems_of(error, GateFile)]
        presets = tuple(_texts(document.get("preset")))
    if not (problems or presets or parts.gates or parts.waivers):
        problems.append(
            Problem(
                message="the file holds no gates",
                where=name,
                allowed="`[[gates]]`, `[[waivers]]`, `preset`",
                fix='name a preset, such as `preset = "binary-basics"`, or write the gates',
            )
        )
    shipped = _from_presets(presets, f"{name}: preset", task, sensitive, taken)
    return GivenGates(
        gates={**shipped.gates, **{f"{name}: {place}": gate for place, gate in parts.gates.items()}},
        waivers={f"{name}: {place}": waiver for place, waiver in parts.waivers.items()},
        problems=(*problems, *shipped.problems),
        complete=parts.all_gates and shipped.complete,
    )


def _from_presets(names: Sequence[str], where: str, task: str, sensitive: Sequence[str], taken: set[str]) -> GivenGates:
    """The gates of presets that are not taken yet; from here on they are."""
    gates: dict[str, GateTable] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        if name in taken:
            continue
        try:
            preset = load_preset(name)
        except ConfigError as error:
            problems += [_within(problem, where) for problem in error.problems]
            continue
        misfits = list(_misfits(preset, where, task, sensitive)) if task in _TASKS else []
        problems += misfits
        if not misfits and task in _TASKS:
            taken.add(name)
            gates |= {f"{where} ({table.id})": table for table in preset.tables(sensitive)}
    complete = not problems and (not names or task in _TASKS)
    return GivenGates(gates=gates, problems=tuple(problems), complete=complete)


def _misfits(preset: Preset, where: str, task: str, sensitive: Sequence[str]) -> Iterator[Problem]:
    """Why a preset does not go with a model and its data."""
    if task not in preset.tasks:
        fitting = [one.name for one in readable_presets() if task in one.tasks]
        yield Problem(
            message="this preset is for models of another task",
            where=where,
            found=f"{preset.name} is for {', '.join(preset.tasks)}; the task is {task}",
            allowed=", ".join(fitting),
            fix="choose one of these, or write the gates",
        )
    if preset.needs_sensitive and not sensitive:
        yield Problem(
            message="this preset has a gate on each sensitive feature, and there are none",
            where=where,
            found=preset.name,
            fix="name the columns in `data.sensitive` of the audit, or leave the preset out",
        )


def _is_config(name: str) -> Problem:
    return Problem(
        message="this is the configuration of an audit, and no file of gates",
        where=name,
        allowed="`[[gates]]`, `[[waivers]]`, `preset`",
        fix="keep the gates in a file of their own, and name that in `[audit] gates`",
    )


def _within(problem: Problem, where: str) -> Problem:
    """The problem at the place that names the preset; one of a preset's own file keeps that beside it."""
    own = "" if problem.where.startswith(PREFIX) else f": {problem.where}"
    return dataclasses.replace(problem, where=f"{where}{own}")


def _placed(problem: Problem, name: str) -> Problem:
    return dataclasses.replace(problem, where=name if problem.where == "audit.toml" else f"{name}: {problem.where}")


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, str)]
