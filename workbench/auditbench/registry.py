"""Loading and judging plugins.

One is loaded only when the config or the command names it: by its own name, or by a name that begins with it and a
hyphen; it may provide no other names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from auditbench import hookspecs
from auditbench.config_problems import nearest
from auditbench.contract_checks import misfits
from auditbench.contracts import (
    API_VERSION,
    Analyzer,
    Architecture,
    DatasetLoader,
    ModelLoader,
    Renderer,
)
from auditbench.deprecation import DeprecatedUse
from auditbench.digests import digest_of_files, package_files
from auditbench.errors import (
    AuditbenchError,
    MissingDependencyError,
    PluginError,
    Problem,
    UnknownPluginError,
)
from auditbench.findings import Message
from auditbench.hookspecs import PROJECT, hookimpl
from auditbench.missing_needs import missing_dependency
from auditbench.plugin_api import STATED_AS, UNSTATED, kept_version, unmet_import
from auditbench.plugin_entries import PluginEntry, conflict, covers, entry_of, find_entry, find_exact, plugin_points
from auditbench.plugin_folder import preset_files

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult
    from auditbench.run import AuditRun

_Record = TypeVar("_Record", Analyzer, Renderer, ModelLoader, DatasetLoader, Architecture)
NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
"""What an entry point, and what its plugin provides, may be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided(Generic[_Record]):
    """A record and the plugin it came from."""

    record: _Record
    origin: PluginEntry


class Registry:
    """The plugins that were named so far, loaded into a plugin manager of its own."""

    def __init__(self) -> None:
        self._points = plugin_points()
        self._loaded: dict[str, PluginEntry] = {}
        self._records: dict[str, list[Provided[Any]]] = {}
        self._versions: dict[str, str] = {}
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(_HostImplementation(), name=_HOST)

    @property
    def hook(self) -> pluggy.HookRelay:
        """The hooks of every loaded plugin."""
        return self._manager.hook

    @property
    def loaded(self) -> tuple[PluginEntry, ...]:
        """The plugins loaded so far."""
        return tuple(self._loaded.values())

    def load(self, name: str, *, where: str = "") -> PluginEntry:
        """Load the plugin that may provide `name`, once.

        Raises:
            PluginError: It cannot be imported, breaks the contract of a hook, or provides a name that is not its own.
        """
        entry = find_entry(name, [entry_of(point) for point in self._points], where=where)
        if entry.name not in self._loaded:
            point = next(point for point in self._points if entry_of(point) == entry)
            self._register(point, entry)
            try:
                self._records[entry.name] = [record for hook in _HOOKS for record in self._collect(hook, entry)]
            except AuditbenchError:
                self._manager.unregister(name=entry.name)
                raise
            self._loaded[entry.name] = entry
        return self._loaded[entry.name]

    def load_named(self, names: Iterable[str], *, where: str = "audit.plugins") -> tuple[PluginEntry, ...]:
        """Load plugins by the very names of their entry points, whatever they provide.

        Raises:
            PluginError: As `load`.
        """
        points = [entry_of(point) for point in self._points]
        return tuple(self.load(find_exact(name, points, where=where).name, where=where) for name in names)

    def api_of(self, plugin: str) -> str:
        """The version of the contracts that a loaded plugin was written for."""
        return self._versions[plugin]

    def hooks_of(self, plugin: str) -> tuple[str, ...]:
        """Names of the hooks that a loaded plugin implements, sorted."""
        callers = self._manager.get_hookcallers(self._manager.get_plugin(plugin)) or ()
        return tuple(sorted({caller.name for caller in callers}))

    def deprecations(self, uses: Iterable[DeprecatedUse]) -> tuple[Message, ...]:
        """What a run says of loaded plugins that use names which go away, each once; uses by others are left out."""
        told = []
        for use in uses:
            plugin = next((entry for entry in self.loaded if holds(entry, use.file)), None)
            if plugin is not None:
                source = f"{plugin.distribution} {plugin.version}"
                values = {"plugin": plugin.name, "source": source, "what": use.text[:300]}
                told.append(Message(key="core.deprecated", values=values))
        return tuple(each for index, each in enumerate(told) if each not in told[:index])

    def code_of(self, entry: PluginEntry) -> str:
        """sha256 over the files of a loaded plugin's package; empty when it has none."""
        package = sys.modules.get(entry.package)
        return digest_of_files(package_files(package)) if package else ""

    def analyzer(self, name: str, *, where: str = "") -> Provided[Analyzer]:
        """The analyzer of this name; its plugin is loaded if it was not."""
        return self._find(Analyzer, name, where)

    def renderer(self, name: str, *, where: str = "") -> Provided[Renderer]:
        """The renderer of this name; its plugin is loaded if it was not."""
        return self._find(Renderer, name, where)

    def model_loader(self, name: str, *, where: str = "") -> Provided[ModelLoader]:
        """The model loader of this name, with all that it needs; its plugin is loaded if it was not."""
        return _with_needs(self._find(ModelLoader, name, where), where)

    def dataset_loader(self, name: str, *, where: str = "") -> Provided[DatasetLoader]:
        """The dataset loader of this name, with all that it needs; its plugin is loaded if it was not."""
        return _with_needs(self._find(DatasetLoader, name, where), where)

    def architecture(self, name: str, *, where: str = "") -> Provided[Architecture]:
        """The architecture of this name, with all that it needs; its plugin is loaded if it was not."""
        return _with_needs(self._find(Architecture, name, where), where)

    def provided_by(self, plugin: str) -> tuple[Provided[Any], ...]:
        """Everything a loaded plugin provides."""
        return tuple(self._records[plugin])

    def audit_finished(self, run: AuditRun, *, but: Iterable[str] = ()) -> Iterator[tuple[str, Exception]]:
        """Tell every observer, each on its own; yields the plugin and exception of those that raised.

        Args:
            but: Plugins that heard of it elsewhere.
        """
        for implementation in self.hook.auditbench_audit_finished.get_hookimpls():
            if implementation.plugin_name in but:
                continue
            try:
                implementation.function(*([run] if implementation.argnames else []))
            except Exception as error:  # noqa: BLE001 - whatever an observer raises is a warning in the run
                yield implementation.plugin_name, error

    def _find(self, kind: type[_Record], name: str, where: str) -> Provided[_Record]:
        self.load(name, where=where)
        provided = [item for items in self._records.values() for item in items if isinstance(item.record, kind)]
        found = [item for item in provided if item.record.name == name]
        if len(found) > 1:
            raise conflict(name, [item.origin for item in found], where)
        if not found:
            names = sorted(item.record.name for item in provided)
            what = _WORDS[kind]
            raise UnknownPluginError(
                f"no installed plugin provides the {what} {name!r}",
                where=where,
                found=name,
                allowed=", ".join(names) or f"its plugin provides no {what}",
                fix=nearest(name, names) or "see `auditbench plugins list`",
            )
        return found[0]

    def _register(self, point: EntryPoint, entry: PluginEntry) -> None:
        plugin = _import(point, entry)
        where = _named(entry)
        unstated = API_VERSION if entry.first_party else UNSTATED
        stated = _guarded(
            partial(_stated, point.module, unstated), f"`{STATED_AS}` cannot be read", where, fix="write it as text"
        )
        version = kept_version(stated, where=where, distribution=entry.distribution)
        try:
            self._manager.register(plugin, name=entry.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError, TypeError) as error:
            if self._manager.has_plugin(entry.name):
                self._manager.unregister(name=entry.name)
            text = " ".join(str(error).split())
            raise PluginError(
                "a hook of this plugin does not fit the contract",
                where=where,
                found=text,
                fix="take name and arguments of the hook from `auditbench.hookspecs`",
            ) from error
        if not self._manager.get_hookcallers(plugin) and not preset_files(entry.module):
            self._manager.unregister(name=entry.name)
            raise PluginError(
                "this plugin implements no hook, and ships no preset",
                where=where,
                found=entry.module,
                fix="mark its functions with `@hookimpl`",
            )
        self._versions[entry.name] = version

    def _collect(self, hook: str, entry: PluginEntry) -> Iterator[Provided[Any]]:
        kind, where = _HOOKS[hook], _named(entry)
        for implementation in getattr(self.hook, hook).get_hookimpls():
            if implementation.plugin_name != entry.name or implementation.wrapper or implementation.hookwrapper:
                continue
            for record in _guarded(partial(_listed, implementation.function), f"{hook} raised", where, fix=_ONLY_YIELD):
                if not isinstance(record, kind):
                    raise PluginError(
                        f"`{hook}` gave something else than {kind.__name__}",
                        where=where,
                        found=type(record).__name__,
                        fix=f"yield {kind.__name__}(...), one after the other",
                    )
                _check_name(record.name, entry)
                _check_fields(record, entry)
                yield Provided(record=record, origin=entry)


def holds(entry: PluginEntry, file: str) -> bool:
    """Whether a file belongs to the package, or is the module, of a loaded plugin."""
    module = sys.modules.get(entry.package)
    folders = list(getattr(module, "__path__", ()))
    return any(Path(file).is_relative_to(folder) for folder in folders) or getattr(module, "__file__", "") == file


class _HostImplementation:
    """The host's own part in the hooks: run an analyzer by calling it."""

    @hookimpl(trylast=True)
    def auditbench_run_analyzer(self, analyzer: Analyzer, context: AuditContext) -> AnalysisResult:
        """Call the analyzer's function with its context and parameters."""
        return analyzer.analyze(context, context.params)


_HOST = "auditbench host"
_ONLY_YIELD = "only yield records there, and do the work in their functions"
_HOOKS: dict[str, type[Any]] = {
    "auditbench_analyzers": Analyzer,
    "auditbench_renderers": Renderer,
    "auditbench_model_loaders": ModelLoader,
    "auditbench_dataset_loaders": DatasetLoader,
    "auditbench_architectures": Architecture,
}
_WORDS: dict[type[Any], str] = {
    Analyzer: "analyzer",
    Renderer: "renderer",
    ModelLoader: "model format",
    DatasetLoader: "data set",
    Architecture: "architecture",
}


def _with_needs(provided: Provided[_Record], where: str) -> Provided[_Record]:
    """What may be used, since nothing that it needs is missing.

    Raises:
        PluginError: Something is, with what to install.
    """
    missing = missing_dependency(provided.record.needs, provided.origin, f"{where}: {provided.record.name}")
    if missing is not None:
        raise missing
    return provided


def _named(entry: PluginEntry) -> str:
    return f"plugin {entry.name} ({entry.distribution} {entry.version})"


def _import(point: EntryPoint, entry: PluginEntry) -> Any:
    where = _named(entry)
    try:
        return _guarded(point.load, "this plugin cannot be imported", where, fix=_way_to_import(point.module))
    except PluginError as error:
        cause = error.__cause__
        absent = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if isinstance(cause, ImportError) and (
            unmet := unmet_import(cause, where=where, distribution=entry.distribution)
        ):
            raise unmet from cause
        if absent and absent.partition(".")[0] != point.module.partition(".")[0]:
            raise MissingDependencyError(absent.partition(".")[0], where=where) from cause
        raise


def _stated(module: str, unstated: str) -> Any:
    """The version of the contracts that a module states, or the nearest package around it."""
    parts = module.split(".")
    around = (sys.modules.get(".".join(parts[:end])) for end in range(len(parts), 0, -1))
    return next((getattr(one, STATED_AS) for one in around if hasattr(one, STATED_AS)), unstated)


def _way_to_import(module: str) -> str:
    return f"see `python -c 'import {module}'`; mend what it raises, or correct the entry point and install the plugin again"


def _guarded(call: Callable[[], Any], message: str, where: str, *, fix: str) -> Any:
    """Call into a plugin; whatever it raises becomes a PluginError that names it."""
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(message, where=where, found=f"{type(error).__name__}: {error}"[:300], fix=fix) from error


def _listed(function: Callable[[], Iterable[Any]]) -> list[Any]:
    return list(function())


def _check_name(name: Any, entry: PluginEntry) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or not covers(entry.name, name):
        raise PluginError(
            "this plugin provides a name that is not its own",
            where=_named(entry),
            found=str(name)[:80],
            allowed=f"`{entry.name}`, or `{entry.name}-` and more",
            fix="rename what it provides, or its entry point",
        )


def _check_fields(record: Any, entry: PluginEntry) -> None:
    problems = tuple(
        Problem(
            message=f"a field of {type(record).__name__}({record.name!r}) is not what the contract says",
            where=f"{_named(entry)}: {misfit.field}",
            found=misfit.found,
            allowed=misfit.allowed,
            fix=f"correct `{misfit.field}`",
        )
        for misfit in misfits(record)
    )
    if problems:
        raise PluginError("what this plugin provides does not fit the contract", problems=problems)
