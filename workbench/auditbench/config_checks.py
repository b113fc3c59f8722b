"""What no single key of an audit.toml can see: names of plugins, gates and waivers that must meet, keys that go
together, files that must be there.

These checks work on the parts of a file that could be read, so that a mistake in one table does not hide those in
others.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from auditbench.config import (
    AuditConfig,
    AuditTable,
    DataTable,
    GateTable,
    InputTable,
    ModelTable,
    ReportTable,
    WaiverTable,
)
from auditbench.config_problems import nearest
from auditbench.config_training import TrainTable
from auditbench.errors import AuditbenchError, Problem, UnknownPluginError
from auditbench.gates import gate_ids, parse_day
from auditbench.models.endpoint.params import endpoint_problems
from auditbench.models.formats import describes_itself, factory_parts, is_file, key_problems
from auditbench.paths import is_there
from auditbench.plugin_entries import PluginEntry, covers, find_entry, find_exact
from auditbench.safe_text import safe_text

RECORD_FORMAT = "json"
_LISTED = "what `auditbench plugins list` names"
_Table = TypeVar("_Table", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a config that these checks look at.

    Attributes:
        analyzers: Names of the tables.
        formats: Of `[report]`.
        plugins: Of `[audit]`.
        gates: By the place where each stands, such as `gates[0]`; those that could be read.
        waivers: By place.
        all_gates: Whether every gate could be read, so that every id is known.
        files: File or folder that must be there, by key path.
        model: None where there is no such table; so `data`.
        models: Further models, by name; those that could be read.
        unread: Keys of the model's table that are there and could not be read.
        trains: Whether there is a `[train]` table; `train` is None where it could not be read, too.
    """

    analyzers: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    gates: Mapping[str, GateTable] = field(default_factory=dict)
    waivers: Mapping[str, WaiverTable] = field(default_factory=dict)
    all_gates: bool = True
    files: Mapping[str, str] = field(default_factory=dict)
    model: ModelTable | None = None
    models: Mapping[str, ModelTable] = field(default_factory=dict)
    data: DataTable | None = None
    unread: frozenset[str] = frozenset()
    trains: bool = False
    train: TrainTable | None = None


def parts_of(config: AuditConfig, gate_places: Sequence[str] = ()) -> Parts:
    """The parts of a valid config.

    Args:
        gate_places: Where each gate stands, when some are from other files.
    """
    places = gate_places or [f"gates[{index}]" for index in range(len(config.gates))]
    return Parts(
        analyzers=tuple(config.analyzers),
        formats=config.report.formats,
        plugins=config.audit.plugins,
        gates=dict(zip(places, config.gates, strict=True)),
        waivers={f"waivers[{index}]": waiver for index, waiver in enumerate(config.waivers)},
        files={
            **_files(config.data, config.model, config.train, trains=config.train is not None),
            **_model_files(config.models),
        },
        model=config.model,
        models=config.models,
        data=config.data,
        trains=config.train is not None,
        train=config.train,
    )


def readable_parts(document: Mapping[str, Any]) -> Parts:
    """The parts of a parsed file that fit their models, whatever is wrong with the rest."""
    analyzers = document.get("analyzers")
    gates = _readable_list(GateTable, document.get("gates"), needed="metric")
    waivers = _readable_list(WaiverTable, document.get("waivers"), needed="gate")
    audit = _readable(AuditTable, document.get("audit"))
    report = _readable(ReportTable, document.get("report"))
    model = _readable(ModelTable, document.get("model"))
    data = _readable(DataTable, document.get("data"))
    train = _readable(TrainTable, document.get("train"))
    models = _valid_models(document.get("models"))
    return Parts(
        analyzers=tuple(analyzers) if isinstance(analyzers, Mapping) else (),
        formats=tuple(report.formats) if report else (),
        plugins=tuple(audit.plugins) if audit else (),
        gates={f"gates[{index}]": gate for index, gate in gates.items() if gate is not None},
        waivers={f"waivers[{index}]": waiver for index, waiver in waivers.items() if waiver is not None},
        all_gates=None not in gates.values(),
        files={**_files(data, model, train, trains="train" in document), **_model_files(models)},
        model=model,
        models=models,
        data=data,
        unread=frozenset(document["model"]) - model.model_fields_set if model else frozenset(),
        trains="train" in document,
        train=train,
    )


def id_problems(parts: Parts) -> Iterator[Problem]:
    """Gates of one id, waivers of no gate, and days that no calendar has."""
    seen: dict[str, str] = {}
    ids = gate_ids(tuple(parts.gates.values()))
    for place, identity in zip(parts.gates, ids, strict=True):
        if identity in seen:
            yield Problem(
                message=f"the same id as {seen[identity]}",
                where=place,
                found=identity,
                fix="give one of them its own `id`, or join `min` and `max` in one gate",
            )
        seen.setdefault(identity, place)
    for place, waiver in parts.waivers.items():
        if waiver.gate not in seen and parts.all_gates:
            yield Problem(
                message="no gate has this id",
                where=f"{place}.gate",
                found=waiver.gate,
                allowed=", ".join(ids) or "there are no gates",
                fix=nearest(waiver.gate, ids),
            )
        if (until := getattr(waiver, "until", None)) is not None and parse_day(until) is None:
            yield Problem(message="there is no such day", where=f"{place}.until", found=until)


def target_problems(parts: Parts) -> Iterator[Problem]:
    """A next token that is no task of the model, and the other way round; a language model of several inputs, or clusters."""
    data, task = parts.data, getattr(parts.model, "task", None)
    if data is None or task is None or "target" not in data.model_fields_set:
        return
    if not all(isinstance(item, InputTable) for item in data.inputs.values()):
        return  # another key of the table could not be read, so that these are not checked yet
    if task == "next-token" and data.cluster is not None:
        yield Problem(
            message="tokens of one text are one cluster already",
            where="data.cluster",
            found=repr(data.cluster),
            allowed='no `data.cluster` with model.task = "next-token"',
            fix="remove data.cluster",
        )
    if (data.continued is not None) == (task == "next-token"):
        if task == "next-token" and len(data.inputs) > 1:
            others = [name for name in data.inputs if name != data.continued]
            yield Problem(
                message="a language model takes one text, and the data have further inputs",
                where="data.inputs",
                found=", ".join(repr(name) for name in others[:6]),
                allowed=repr(data.continued),
                fix=f"remove {', '.join(f'[data.inputs.{name}]' for name in others[:6])}",
            )
        return
    if task == "next-token":
        texts = [item.column or name for name, item in data.inputs.items() if item.modality == "text"]
        missing = 'add [data.inputs.text] with modality = "text", and set data.target to its column'
        yield Problem(
            message="a next token is predicted from texts, and no text input has the column of the target",
            where="data.target",
            found=repr(data.target),
            allowed=", ".join(map(repr, texts)) or "the column of an input of the modality `text`",
            fix=nearest(data.target, texts) or (f"set data.target to {texts[0]!r}" if texts else missing),
        )
    else:
        yield Problem(
            message="the target is the text that the model takes, so it would see the answer",
            where="data.target",
            found=repr(data.target),
            fix='name the column of the labels, or set model.task = "next-token" to predict what follows a text',
        )


def reweighing_problems(parts: Parts) -> Iterator[Problem]:
    """Features to reweigh that the data do not name, and a target without classes."""
    data, task = parts.data, getattr(parts.model, "task", None)
    named = () if parts.train is None else parts.train.reweigh
    if named and task in ("regression", "next-token"):
        yield Problem(
            message="reweighing makes groups and classes independent, and this target has no classes of its own",
            where="train.reweigh",
            found=f'{", ".join(map(repr, named))} with model.task = "{task}"',
            allowed="a classification",
            fix="remove train.reweigh; train.sample_weights weighs rows of any target",
        )
    sensitive = getattr(data, "sensitive", None)
    if data is None or sensitive is None:
        return
    for place, name in enumerate(named):
        if name not in sensitive:
            yield Problem(
                message="no sensitive feature has this name",
                where=f"train.reweigh[{place}]",
                found=repr(name),
                allowed=", ".join(map(repr, sensitive)) or "data.sensitive names none",
                fix=nearest(name, sensitive) or f"add {name!r} to data.sensitive",
            )


def model_problems(parts: Parts, base: Path | None = None) -> Iterator[Problem]:
    """Keys of the model's table that do not go together, and those that its format needs.

    Where they do not fit and the model's file is of another format, that is said, and the keys are those of its
    content.

    Args:
        base: Folder that paths start from; None when there are no files.
    """
    model = parts.model
    if model is None:
        return
    described = base is not None and describes_itself(model, base)
    problems = list(key_problems(model, trains=parts.trains, unread=parts.unread, described=described))
    if problems and base is not None and not parts.trains and not {"format", "path"} & parts.unread:
        from auditbench.models.content_check import other_kind

        if other := other_kind(model, base):
            kind, problem = other
            meant = model.model_copy(update={"format": kind})
            problems = [problem, *key_problems(meant, trains=False, unread=parts.unread)]
    yield from problems
    for name, further in parts.models.items():
        described = base is not None and describes_itself(further, base)
        for problem in key_problems(further, trains=False, described=described):
            yield dataclasses.replace(problem, where=f"models.{name}{problem.where.removeprefix('model')}")
    yield from _endpoint_problems(parts)


def _endpoint_problems(parts: Parts) -> Iterator[Problem]:
    """Addresses and settings that no endpoint has, before anything is sent."""
    tables = {"model": parts.model, **{f"models.{name}": table for name, table in parts.models.items()}}
    for where, table in tables.items():
        if table is None or getattr(table, "format", "") != "endpoint":
            continue
        if where != "model" or not {"path", "parameters"} & parts.unread:
            yield from endpoint_problems(table, where=where)


def name_problems(parts: Parts, entries: Sequence[PluginEntry]) -> Iterator[Problem]:
    """Analyzers, formats and plugins that nothing installed provides, as far as metadata tell."""
    wanted = [(find_entry, name, f"analyzers.{name}") for name in parts.analyzers]
    wanted += [(find_entry, name, "report.formats") for name in parts.formats if name != RECORD_FORMAT]
    wanted += [(find_exact, name, f"audit.plugins[{index}]") for index, name in enumerate(parts.plugins)]
    for find, name, where in wanted:
        try:
            find(name, entries, where=where)
        except UnknownPluginError as error:
            # What a plugin provides is not known before it is loaded, so that renderers would stand among analyzers.
            yield from (dataclasses.replace(problem, allowed=_LISTED) for problem in error.problems)
        except AuditbenchError as error:
            yield from error.problems


def without_followers(parts: Parts, entries: Sequence[PluginEntry]) -> Parts:
    """The parts without gates whose only fault is that the table of their analyzer is misspelt, of which `name_problems` tells."""
    listed = {name: _is_covered(name, entries) for name in parts.analyzers}
    misspelt = [name for name, covered in listed.items() if not covered]
    followers = {
        place
        for place, gate in parts.gates.items()
        if (name := gate.metric.partition(".")[0]) not in listed
        and nearest(name, misspelt)
        and _is_covered(name, entries)
    }
    return dataclasses.replace(
        parts, gates={place: gate for place, gate in parts.gates.items() if place not in followers}
    )


def _is_covered(name: str, entries: Sequence[PluginEntry]) -> bool:
    return any(covers(entry.name, name) for entry in entries)


def file_problems(parts: Parts, base: Path) -> Iterator[Problem]:
    """Files that are not there; paths start from `base`."""
    for where, name in parts.files.items():
        if not is_there(base / name):
            yield Problem(
                message="there is no such file",
                where=where,
                found=name,
                fix=_nearest_file(base, name, parts.files.values())
                or (
                    "correct the path, or add a [train] table that says how to make the model"
                    if where == "model.path" and parts.model is not None and parts.model.format == "bundle"
                    else f"paths start from {base}"
                ),
            )


def _nearest_file(base: Path, name: str, named: Collection[str]) -> str:
    """A question that names a file of the same folder whose stem is written most like it, and that no key names."""
    folder = Path(name).parent
    try:
        there = [folder / file.name for file in (base / folder).iterdir()]
    except OSError:
        return ""
    stems = {file.stem: file.as_posix() for file in sorted(there) if file.as_posix() not in named}
    close = difflib.get_close_matches(Path(name).stem, stems, n=1, cutoff=0.6)
    return f"did you mean `{safe_text(stems[close[0]])}`?" if close else ""


def _files(
    data: DataTable | None, model: ModelTable | None, train: TrainTable | None, *, trains: bool
) -> dict[str, str]:
    named = {
        "data.test": data.test if data else None,
        "data.train": data.train if data else None,
        "train.init_from": train.init_from if train else None,
        "model.path": model.path if model and not trains and is_file(model) else None,
        "model.factory": factory_parts(model.factory)[0] if model and model.factory else None,
    }
    return {where: name for where, name in named.items() if name is not None}


def _model_files(models: Mapping[str, ModelTable]) -> dict[str, str]:
    return {f"models.{name}.path": table.path for name, table in models.items() if is_file(table)}


def _valid_models(tables: Any) -> dict[str, ModelTable]:
    found = {}
    for name, table in tables.items() if isinstance(tables, Mapping) else ():
        with suppress(ValidationError):
            found[name] = ModelTable.model_validate(table)
    return found


def _readable_list(kind: type[_Table], tables: Any, *, needed: str) -> dict[int, _Table | None]:
    """Each table of a list, or None where the key that everything hangs on could not be read."""
    read = [_readable(kind, table) for table in tables] if isinstance(tables, list) else []
    return {
        index: table if table is not None and needed in table.model_fields_set else None
        for index, table in enumerate(read)
    }


def _readable(kind: type[_Table], table: Any) -> _Table | None:
    """A table with the keys that are valid by themselves; needed ones may be absent. None if it is no table."""
    if not isinstance(table, Mapping):
        return None
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        wrong = {item["loc"][0] for item in error.errors(include_url=False) if item["loc"]}
        return kind.model_construct(
            **{key: value for key, value in table.items() if key in kind.model_fields and key not in wrong}
        )
