"""What a worker finds when it loads plugins and checks a config against them. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from auditbench.config import AuditConfig, DataTable, ModelTable
from auditbench.config_checks import RECORD_FORMAT
from auditbench.config_problems import nearest, problems_of, unknown_keys
from auditbench.contracts import Analyzer, Renderer
from auditbench.data import BUILT_IN as DATA_SETS
from auditbench.data import TABULAR_INPUT
from auditbench.descriptions import AnalyzerDescription, CheckedPart
from auditbench.digests import digest_of
from auditbench.errors import (
    AuditbenchError,
    ConfigError,
    EmptyDataError,
    ModelError,
    PluginError,
    Problem,
    UnknownPluginError,
)
from auditbench.missing_needs import missing_dependency
from auditbench.models.architectures import BUILT_IN as ARCHITECTURES
from auditbench.models.architectures import modality_problem, usually_called
from auditbench.models.formats import FORMATS, usual_format
from auditbench.models.inspection import Inspection, idle_trust, inspect_model
from auditbench.models.opening.packages import require_for
from auditbench.paths import is_there
from auditbench.plugin_entries import PluginEntry, list_entry_points
from auditbench.provenance import required_versions
from auditbench.registry import Provided, Registry
from auditbench.run import Modality
from auditbench.worker.describing import describe_analyzer
from auditbench.worker.named_parameters import hidden_parts, named_files, named_methods, named_models


def require_renderer(registry: Registry, name: str, *, where: str) -> Provided[Renderer]:
    """The renderer of this name, with all that it needs.

    Raises:
        PluginError: There is none, or a package or program that it needs is not installed.
    """
    try:
        provided = registry.renderer(name, where=where)
    except UnknownPluginError as error:
        raise _unknown(registry, Renderer, "format", name, where) from error
    missing = missing_dependency(provided.record.needs, provided.origin, f"{where}: {name}")
    if missing is not None:
        raise missing
    return provided


def check_part(
    config: AuditConfig,
    registry: Registry,
    *,
    analyzers: Iterable[str],
    formats: Iterable[str],
    foundation: Path | None,
    modality: Modality | None = None,
) -> CheckedPart:
    """Load what a part of the config names, and the plugins of `[audit]`, and check the parameters given there.

    Args:
        analyzers: Tables of `analyzers` to check.
        formats: Formats of `report` to check.
        modality: What the model takes; None where the config does not say it.
        foundation: Folder of the config, when model format, data, and architecture are to be checked, too.
    """
    problems: list[Problem] = []
    described: list[AnalyzerDescription] = []
    further: list[PluginEntry] = []
    for index, name in enumerate(config.audit.plugins):
        with _Collected(problems):
            further += registry.load_named([name], where=f"audit.plugins[{index}]")
    for name in analyzers:
        with _Collected(problems):
            provided = _require_analyzer(registry, name)
            table = config.analyzers[name]
            _, plain_parameters = parameters_of(provided, table.parameters)
            problems += named_models(provided.record, plain_parameters, config)
            if modality is not None:
                problems += named_methods(provided.record, plain_parameters, modality)
                problems += hidden_parts(provided.record, plain_parameters, modality)
            if foundation is not None:
                problems += named_files(provided.record, plain_parameters, foundation)
            code = code_of_plugins(registry, [provided.origin, *further])
            described.append(describe_analyzer(provided, plain_parameters, code=code))
            missing = missing_dependency(provided.record.needs, provided.origin, f"analyzers.{name}")
            if missing is not None and table.required:
                raise missing
    for name in formats:
        with _Collected(problems):
            require_renderer(registry, name, where="report.formats")
    inspection = Inspection()
    if foundation is not None:
        _check_foundation(config, registry, problems)
        inspection = _inspected(config, foundation)
        problems += idle_trust((config.model, *config.models.values()), foundation, inspection)
        _check_data(config, foundation, registry, problems)
    return CheckedPart(
        analyzers=tuple(described),
        plugins=tuple(entry.facts() for entry in registry.loaded),
        problems=tuple(problems),
        refused=inspection.refused,
        untrusted=inspection.untrusted,
        programs=inspection.programs,
    )


def _inspected(config: AuditConfig, base: Path) -> Inspection:
    """What the files of the audited model and of the further ones are; formats of plugins are left to their loaders."""
    tables = (config.model, *config.models.values())
    found = [inspect_model(table, base) for table in tables if table.format in FORMATS]
    return Inspection(
        refused=tuple(problem for one in found for problem in one.refused),
        untrusted=tuple(problem for one in found for problem in one.untrusted),
        programs=tuple(program for one in found for program in one.programs),
    )


def parameters_in(config: AuditConfig | None, provided: Provided[Analyzer]) -> tuple[Any, dict[str, Any]]:
    """Validated parameters of an analyzer as its table of the config gives them; see `parameters_of`.

    Raises:
        PluginError: The analyzer takes no part in the audit.
    """
    tables = config.analyzers if config else {}
    name = provided.record.name
    if name not in tables:
        raise PluginError(
            "this analyzer takes no part in the audit",
            where=name,
            allowed=", ".join(tables),
            fix=f"add [analyzers.{name}] to the config",
        )
    return parameters_of(provided, tables[name].parameters)


def parameters_of(provided: Provided[Analyzer], parameters: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Validated parameters of an analyzer: as its own `Params` (None without one) and as plain data.

    Raises:
        ConfigError: With every problem of the analyzer's table.
        PluginError: The analyzer's own validation raised.
    """
    where = f"analyzers.{provided.record.name}"
    return _validated(provided.record.Params, parameters, where)


def code_of_plugins(registry: Registry, plugins: Iterable[PluginEntry]) -> str:
    """Digest of the code of plugins and of the versions of what their distributions ask for."""
    return digest_of([[registry.code_of(entry), required_versions(entry.distribution)] for entry in plugins])


def _require_analyzer(registry: Registry, name: str) -> Provided[Analyzer]:
    try:
        return registry.analyzer(name, where=f"analyzers.{name}")
    except UnknownPluginError as error:
        raise _unknown(registry, Analyzer, "analyzer", name, f"analyzers.{name}") from error


def _unknown(
    registry: Registry, kind: type[Analyzer] | type[Renderer], what: str, name: str, where: str
) -> UnknownPluginError:
    """The error that names what is there of the kind of ours, loaded for it, and other plugins by their entry points."""
    entries = list_entry_points()
    records = [item.record for entry in entries if entry.first_party for item in _provided(registry, entry)]
    ours = sorted(record.name for record in records if isinstance(record, kind))
    ours += [RECORD_FORMAT] if kind is Renderer else []
    others = sorted({entry.name for entry in entries if not entry.first_party})
    further = f"; or what these plugins provide: {', '.join(others)}" if others else ""
    return UnknownPluginError(
        f"nothing installed provides the {what} {name!r}",
        where=where,
        found=name,
        allowed=", ".join(ours) + further,
        fix=nearest(name, [*ours, *others]) or "see `auditbench plugins list`",
    )


def _provided(registry: Registry, entry: PluginEntry) -> tuple[Provided[Any], ...]:
    return registry.provided_by(registry.load(entry.name).name)


def _validated(model: Any, parameters: Mapping[str, Any], where: str) -> tuple[Any, dict[str, Any]]:
    if model is None:
        if parameters:
            problems = tuple(
                Problem(message="unknown key", where=f"{where}.{key}", allowed="no parameters", fix="remove it")
                for key in parameters
            )
            raise ConfigError(f"{where} is not valid", problems=problems)
        return None, {}
    try:
        params = model.model_validate_json(json.dumps(parameters, default=str))
        plain_parameters = params.model_dump(mode="json")
    except ValidationError as error:
        raise ConfigError(f"{where} is not valid", problems=tuple(problems_of(error, model, where))) from error
    except Exception as error:  # whatever a plugin's validators raise
        raise PluginError(
            "checking the parameters raised",
            where=where,
            found=f"{type(error).__name__}: {error}"[:300],
            fix="let the validators of `Params` raise ValueError, and nothing else",
        ) from error
    if unknown := unknown_keys(model, parameters, where):
        raise ConfigError(f"{where} is not valid", problems=tuple(unknown))
    return params, plain_parameters


def _check_foundation(config: AuditConfig, registry: Registry, problems: list[Problem]) -> None:
    _check_model(config.model, config.data, registry, problems, where="model")
    for name, table in config.models.items():
        _check_model(table, config.data, registry, problems, where=f"models.{name}")
    if config.data.dataset is not None and config.data.dataset not in (names := [item.name for item in DATA_SETS]):
        with _Collected(problems):
            _known(config.data.dataset, names, registry.dataset_loader, "data.dataset", "data set")
    if config.train is None:
        return
    with _Collected(problems):
        _check_architecture(config.train.architecture, config.train.parameters, config.data, registry, table="train")


def _check_model(
    model: ModelTable, data: DataTable, registry: Registry, problems: list[Problem], *, where: str
) -> None:
    if model.format not in FORMATS:
        with _Collected(problems):
            _known(model.format, FORMATS, registry.model_loader, f"{where}.format", "model format")
    if FORMATS.get(model.format) == "weights" and model.architecture is not None:
        with _Collected(problems):
            _check_architecture(model.architecture, model.parameters, data, registry, table=where)
    with _Collected(problems):
        require_for(model.format, where=f"{where}.format")


def _check_architecture(
    name: str, parameters: Mapping[str, Any], data: DataTable, registry: Registry, *, table: str
) -> None:
    built_in = {item.name: item for item in ARCHITECTURES}
    where = f"{table}.architecture"
    found = built_in[name] if name in built_in else _known(name, built_in, registry.architecture, where, "architecture")
    modalities = {key: item.modality for key, item in data.inputs.items()} or {TABULAR_INPUT: "tabular"}
    problem = modality_problem(found, modalities, where=where)
    if problem is not None:
        raise ModelError(problem.message, problems=(problem,))
    _validated(found.Params, parameters, f"{table}.parameters")


def _check_data(config: AuditConfig, base: Path, registry: Registry, problems: list[Problem]) -> None:
    """Look for the columns that the config names, and for training rows where a model has to be trained."""
    from auditbench.data import check_columns
    from auditbench.data.stored_outputs import output_columns
    from auditbench.models.bundle import bundle_exists

    table = config.data
    if not all(name is None or is_there(base / name) for name in (table.test, table.train)):
        return
    loaders = {item.name: item for item in DATA_SETS}
    try:
        if table.dataset is not None and table.dataset not in loaders:
            loaders[table.dataset] = registry.dataset_loader(table.dataset, where="data.dataset").record
        has_training_rows = check_columns(table, base, loaders, config.train, output_columns(config))
    except (EmptyDataError, PluginError):
        return  # an empty file has an answer of its own; an unknown data set has been named
    except AuditbenchError as error:
        problems.extend(error.problems)
        return
    if config.train is not None and not has_training_rows and not bundle_exists(base / config.model.path):
        problems.append(
            Problem(
                message="there is no model, and there are no training rows to make one",
                where="data.train",
                found="none of data.train, data.split and data.held_out",
                fix="name a file in data.train, set data.held_out = 0.2 to draw the evaluated rows from one file, or name a "
                "bundle in model.path",
            )
        )


def _known(name: str, built_in: Iterable[str], find: Callable[..., Provided[Any]], where: str, what: str) -> Any:
    """The record of a plugin with all that it needs, or an error that also names what is built in."""
    try:
        return find(name, where=where).record
    except UnknownPluginError as error:
        usual = {"architecture": usually_called, "model format": usual_format}.get(what)
        names: Sequence[str] = sorted({*built_in, *(entry.name for entry in list_entry_points())})
        raise UnknownPluginError(
            f"nothing installed provides the {what} {name!r}",
            where=where,
            found=name,
            allowed=f"{', '.join(sorted(built_in))}, or one that a plugin provides",
            fix=(usual(name) if usual else "") or nearest(name.lower(), names) or "see `auditbench plugins list`",
        ) from error


class _Collected:
    """Adds the problems of what is raised inside to a list, and goes on."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, AuditbenchError):
            self._problems.extend(error.problems)
            return True
        return False
