"""Looking at the files that `[model]` names, without running anything of them. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from auditbench.errors import ModelError, Problem, UntrustedModelError
from auditbench.models.content_check import kind_in_words
from auditbench.models.formats import FORMATS, USUAL_FUNCTION, factory_parts, is_file, program_file
from auditbench.models.opening import content_kind, read_file, sha256_of
from auditbench.models.opening.content import PICKLED, look_into_whole, refuse_other_kind
from auditbench.models.opening.files import refusing
from auditbench.models.opening.limits import MAX_SOURCE_BYTES
from auditbench.models.opening.programs import (
    FUNCTION,
    PICKLED_ESTIMATOR,
    PROGRAMS,
    SOURCE,
    ProgramKind,
    refuse_absent_function,
    untrusted,
)
from auditbench.models.opening.tensors import no_weights
from auditbench.paths import is_file_there, is_there, without_turns
from auditbench.run import ProgramFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditbench.config import ModelTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the files of a model are.

    Attributes:
        refused: Files that cannot be opened, or are not what the config says.
        untrusted: Programs that nobody vouched for.
        programs: Those that are trusted by their sha256.
    """

    refused: tuple[Problem, ...] = ()
    untrusted: tuple[Problem, ...] = ()
    programs: tuple[ProgramFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """A program, and the bytes that its digest is of."""

    facts: ProgramFacts
    content: bytes


_Look: TypeAlias = "Callable[[Path, ModelTable], _Program | None]"
_WHAT = {**PROGRAMS, "estimator": PICKLED_ESTIMATOR, "factory": SOURCE, "callable": FUNCTION}
_LEFT_TO_LOADERS = ("keras", "huggingface", "predictions")
"""Contents that their own loaders look into, before they open anything."""


def inspect_model(table: ModelTable, base: Path) -> Inspection:
    """Look at the model's file and at its factory; files that are not there are left to others.

    Args:
        base: Folder that paths start from.
    """
    refused: list[Problem] = []
    unknown: list[Problem] = []
    programs: list[ProgramFacts] = []
    looks: list[tuple[Path, _Look]] = [(without_turns(base / table.path), _look_at_model)] if is_file(table) else []
    if table.factory is not None:
        looks.append((without_turns(base / factory_parts(table.factory)[0]), _look_at_factory))
    for path, look in looks:
        if not is_there(path):
            continue
        try:
            program = look(path, table)
        except UntrustedModelError as error:
            unknown += error.problems
            continue
        except ModelError as error:
            refused += error.problems
            continue
        if program is None:
            continue
        if program.facts.sha256 in table.trust:
            programs.append(program.facts)
            refused += _absent_function(path, program, table)
        else:
            unknown += untrusted(path, _WHAT[program.facts.kind], program.content, table.trust).problems
    return Inspection(refused=tuple(refused), untrusted=tuple(unknown), programs=tuple(programs))


def idle_trust(tables: Sequence[ModelTable], base: Path, inspection: Inspection) -> list[Problem]:
    """The digests that are trusted where no model is or needs a program, which cannot be those of the files that were meant."""
    named = dict.fromkeys(digest for table in tables for digest in table.trust)
    known = all(table.format in FORMATS and is_there(base / table.path) for table in tables if table.trust)
    if not named or not known or inspection != Inspection():
        return []
    return [
        Problem(
            message="a file is trusted, and no file here runs code of its own",
            where="model.trust",
            found=", ".join(named),
            allowed="the sha256 of a program, a pickled estimator, a function or a factory that a model is or needs",
            fix="remove it, or --trust-model; or check model.path and model.format",
        )
    ]


def _absent_function(path: Path, program: _Program, table: ModelTable) -> Sequence[Problem]:
    """The refusal of source that has no function of the name that the table gives."""
    if program.facts.kind not in ("factory", "callable"):
        return ()
    named = table.function or USUAL_FUNCTION
    function = named if program.facts.kind == "callable" else factory_parts(table.factory or "")[1]
    try:
        refuse_absent_function(path, program.content, function, _WHAT[program.facts.kind])
    except ModelError as error:
        return error.problems
    return ()


def _look_at_model(path: Path, table: ModelTable) -> _Program | None:
    content = FORMATS[table.format]
    if content in _LEFT_TO_LOADERS:
        return None
    if content == "callable":
        return _look_at_source(path, "callable")
    if content == "estimator":
        return _look_at_estimator(path)
    if content == "bundle":
        if is_file_there(path):
            with refusing(path):
                kind = content_kind(read_file(path))
            refuse_other_kind(path, kind, kind_in_words(table))
        return None
    path = program_file(table, path)
    data = read_file(path)
    with refusing(path):
        looked, sha256 = look_into_whole(data), sha256_of(data)
        if content == "weights" and FORMATS.get(looked.kind) != "weights":
            raise no_weights(path, data, looked)
    refuse_other_kind(path, looked.kind, table.format)
    if content in ("weights", "graph"):
        return None
    facts = ProgramFacts(name=path.name, sha256=sha256, kind=cast(ProgramKind, looked.kind))
    return _Program(facts=facts, content=data)


def _look_at_estimator(path: Path) -> _Program | None:
    """The program that a pickle is; files of other kinds are left to their loader."""
    data = read_file(path)
    with refusing(path):
        kind = content_kind(data)
    facts = ProgramFacts(name=path.name, sha256=sha256_of(data), kind="estimator")
    return _Program(facts=facts, content=data) if kind in PICKLED else None


def _look_at_factory(path: Path, _table: ModelTable) -> _Program:
    return _look_at_source(path, "factory")


def _look_at_source(path: Path, kind: Literal["factory", "callable"]) -> _Program:
    source = read_file(path, most=MAX_SOURCE_BYTES)
    return _Program(facts=ProgramFacts(name=path.name, sha256=sha256_of(source), kind=kind), content=source)
