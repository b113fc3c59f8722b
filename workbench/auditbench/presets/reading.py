"""The files of one preset, read and checked: its gates, and a sentence for it and for each gate in every language."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from auditbench.config import GateTable
from auditbench.config_base import Slug
from auditbench.config_problems import problems_of
from auditbench.errors import ConfigError, Problem
from auditbench.messages import LANGUAGES
from auditbench.presets.preset import MOST_LETTERS, Preset, PresetGate
from auditbench.presets.sources import PresetSource
from auditbench.run import Task
from auditbench.safe_text import safe_text
from auditbench.toml_file import read_toml

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # a dot would make it the key of another preset's sentence
_ROOM_FOR_A_FEATURE = 8
_MOST_SAID = 600


class PresetGateTable(GateTable):
    """`[[gates]]` of a preset: a gate whose sentence stands in the catalogues."""

    id: Slug = Field(description="Stable id within the preset.")
    each: Literal["sensitive"] | None = Field(None, description="`sensitive`: one gate a sensitive feature.")

    @model_validator(mode="after")
    def _says_nothing_itself(self) -> PresetGateTable:
        if self.explanation:
            raise ValueError("expected no `explanation`: the sentence of a gate stands in the catalogues of messages/")
        return self


class PresetFile(BaseModel):
    """The whole of a preset's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    tasks: Annotated[tuple[Task, ...], Field(min_length=1, strict=False)] = Field(
        description="Tasks of the models that have these metrics."
    )
    gates: Annotated[tuple[PresetGateTable, ...], Field(min_length=1, strict=False)] = Field(
        description="Limits, one a metric."
    )


def read_preset(source: PresetSource) -> Preset:
    """Read a preset.

    Raises:
        ConfigError: With everything wrong with its file and its sentences, each naming the distribution and the file.
    """
    where = source.called(source.file)
    if not _NAME.fullmatch(source.name):
        raise _refused(source, [_misnamed(source, where)])
    try:
        read = PresetFile.model_validate(_document(source, source.file))
    except ValidationError as error:
        raise _refused(source, [_placed(problem, where) for problem in problems_of(error, PresetFile)]) from error
    if problems := list(_id_problems(source, read, where)):
        raise _refused(source, problems)
    gates = tuple(_gate(source.name, table) for table in read.gates)
    keys = [f"preset.{source.name}", *(gate.table.explanation for gate in gates)]
    sentences, problems = _sentences(source, keys)
    if problems:
        raise _refused(source, problems)
    return Preset(name=source.name, tasks=read.tasks, gates=gates, sentences=sentences, owner=source.owner)


def _document(source: PresetSource, file: Path) -> dict[str, Any]:
    try:
        return read_toml(
            file, fix=f"add it to the package, also to its wheel, or install another {source.distribution}"
        )
    except ConfigError as error:
        called = source.called(file)
        problems = [
            dataclasses.replace(problem, where=problem.where.replace(str(file), called)) for problem in error.problems
        ]
        raise _refused(source, problems) from error


def _misnamed(source: PresetSource, where: str) -> Problem:
    return Problem(
        message="no preset can have this name",
        where=where,
        found=source.name[:80],
        allowed="at most 40 lower-case letters, digits, hyphens and underscores, the first of them a letter",
        fix="rename the file, and the keys of its sentences",
    )


def _id_problems(source: PresetSource, read: PresetFile, where: str) -> Iterator[Problem]:
    ids = [table.id for table in read.gates]
    begun = [f"{table.id}." for table in read.gates if table.each]
    for number, table in enumerate(read.gates):
        most = MOST_LETTERS - len(source.name) - 1 - (_ROOM_FOR_A_FEATURE if table.each else 0)
        place = f"{where}: gates[{number}].id"
        if len(table.id) > most:
            yield Problem(
                message="this id is too long",
                where=place,
                found=table.id,
                allowed=f"at most {most} letters, since ids begin with the preset's name",
                fix="shorten it",
            )
        if table.id in ids[:number]:
            yield Problem(message="two gates have one id", where=place, found=table.id, fix="rename one of them")
        if taken := next(filter(table.id.startswith, begun), None):
            yield Problem(
                message="this id may be that of another gate on one of the sensitive features",
                where=place,
                found=table.id,
                allowed=f"an id that does not begin with `{taken}`",
                fix="rename one of them",
            )


def _gate(preset: str, table: PresetGateTable) -> PresetGate:
    identity = f"{preset}.{table.id}"
    fields = table.model_dump(exclude={"each", "id", "explanation"})
    gate = GateTable.model_validate({**fields, "id": identity, "explanation": f"preset.{identity}"})
    return PresetGate(table=gate, each_sensitive=table.each == "sensitive")


def _sentences(source: PresetSource, keys: list[str]) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    found: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for language in LANGUAGES:
        file = source.words / f"{language}.toml"
        try:
            said = _document(source, file)
        except ConfigError as error:
            problems += error.problems
            continue
        found[language] = {key: said[key] for key in keys if key in said}
        problems += [
            Problem(
                message="this sentence of a preset is missing" if key not in said else "this sentence cannot be shown",
                where=f'{source.called(file)}: "{key}"',
                found=repr(said[key])[:80] if key in said else "",
                allowed=f"one line of visible text, at most {_MOST_SAID} letters, without braces",
                fix=f'write `"{key}" = "…"`',
            )
            for key in keys
            if not _can_be_shown(said.get(key))
        ]
    return found, problems


def _can_be_shown(said: object) -> bool:
    if not isinstance(said, str) or not said.strip():
        return False
    return safe_text(said, _MOST_SAID) == said and not set("{}") & set(said)


def _placed(problem: Problem, where: str) -> Problem:
    """The problem in its file; what is wrong with the whole of it has no place of its own."""
    own = "" if problem.where in ("", "audit.toml") else f": {problem.where}"
    return dataclasses.replace(problem, where=f"{where}{own}")


def _refused(source: PresetSource, problems: list[Problem]) -> ConfigError:
    return ConfigError(f"the preset {source.name!r} cannot be used", problems=tuple(problems))
