"""Finding, loading and judging plugins.

A plugin is an entry point of group `auditbench.plugins`. Listing them reads metadata only. One is loaded only when the
config or the command names it: by its own name, or by a name that begins with it and a hyphen; it may provide no other
names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from auditbench import hookspecs
from auditbench.config_problems import nearest
from auditbench.contract_checks import misfits
from auditbench.contracts import Analyzer, Architecture, DatasetLoader, ModelLoader, Needs, Renderer
from auditbench.digests import digest_of_files, package_files
from auditbench.errors import (
    AuditbenchError,
    MissingDependencyError,
    MissingProgramError,
    PluginConflictError,
    PluginError,
    Problem,
    UnknownPluginError,
)
from auditbench.hookspecs import ENTRY_POINT_GROUP, PROJECT, hookimpl
from auditbench.run import PluginFacts

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult
    from auditbench.run import AuditRun

_Record = TypeVar("_Record", Analyzer, Renderer, ModelLoader, DatasetLoader, Architecture)
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """An installed plugin, from its metadata alone.

    Attributes:
        module: What the entry point names.
        first_party: Whether it comes with Auditbench itself.
    """

    name: str
    module: str
    distribution: str
    version: str

    @property
    def first_party(self) -> bool:
        """Whether it comes with Auditbench itself."""
        return re.sub(r"[-_.]+", "-", self.distribution).lower() == PROJECT

    def facts(self) -> PluginFacts:
        """The part of it that stands in a record."""
        return PluginFacts(name=self.name, distribution=self.distribution, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided(Generic[_Record]):
    """A record and the plugin it came from."""

    record: _Record
    origin: PluginEntry


def list_entry_points() -> tuple[PluginEntry, ...]:
    """Every installed plugin by name; imports none of them. Two that claim one name are both listed."""
    return tuple(sorted((_entry(point) for point in _points()), key=lambda entry: (entry.name, entry.distribution)))


def find_entry(name: str, entries: Sequence[PluginEntry] | None = None, *, where: str = "") -> PluginEntry:
    """The plugin that may provide `name`: of that name, or of the longest name it continues with a hyphen.

    Raises:
        UnknownPluginError: No installed plugin may provide it.
        PluginConflictError: Two distributions claim the plugin's name.
    """
    entries = list_entry_points() if entries is None else entries
    covering = [entry for entry in entries if covers(entry.name, name)]
    if not covering:
        names = sorted({entry.name for entry in entries})
        raise UnknownPluginError(
            f"no installed plugin provides {name!r}",
            where=where,
            found=name,
            allowed=", ".join(names) or "no plugins are installed",
            fix=nearest(name, names) or "install the plugin that provides it",
        )
    longest = max(len(entry.name) for entry in covering)
    best = [entry for entry in covering if len(entry.name) == longest]
    if len(best) > 1:
        raise _conflict(best[0].name, best, where)
    return best[0]


def find_exact(name: str, entries: Sequence[PluginEntry] | None = None, *, where: str = "") -> PluginEntry:
    """The plugin whose entry point has this very name; raises as `find_entry`."""
    entry = find_entry(name, entries, where=where)
    if entry.name != name:
        raise UnknownPluginError(
            f"no installed plugin is called {name!r}", where=where, found=name, fix=f"did you mean `{entry.name}`?"
        )
    return entry


def covers(plugin: str, name: str) -> bool:
    """Whether a plugin of this name may provide something called `name`."""
    return name == plugin or name.startswith(f"{plugin}-")


def missing_packages(needs: Needs) -> tuple[str, ...]:
    """The needed packages that are not installed; nothing is imported."""
    return tuple(package for package in needs.packages if not _is_installed(package))


def missing_programs(needs: Needs) -> tuple[str, ...]:
    """The titles of needed programs that are not on this machine; nothing is started."""
    return tuple(program.title for program in needs.programs if program.find() is None)


def missing_dependency(needs: Needs, origin: PluginEntry, where: str) -> PluginError | None:
    """The error for the first package or program that is not there, naming what to install; None when all are."""
    package = next(iter(missing_packages(needs)), None)
    if package is not None and needs.extra and not origin.first_party:
        return MissingDependencyError(f"{origin.distribution}[{needs.extra}]", where=where)
    if package is not None:
        return MissingDependencyError(package, extra=needs.extra, where=where)
    program = next((one for one in needs.programs if one.find() is None), None)
    if program is None:
        return None
    return MissingProgramError(
        f"{program.title} is not installed", where=where, found=program.looked_for(), fix=program.install
    )


class Registry:
    """The plugins that were named so far, loaded into a plugin manager of its own."""

    def __init__(self) -> None:
        self._points = _points()
        self._loaded: dict[str, PluginEntry] = {}
        self._records: dict[str, list[Provided[Any]]] = {}
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
        entry = find_entry(name, [_entry(point) for point in self._points], where=where)
        if entry.name not in self._loaded:
            point = next(point for point in self._points if _entry(point) == entry)
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
        points = [_entry(point) for point in self._points]
        return tuple(self.load(find_exact(name, points, where=where).name, where=where) for name in names)

    def code_of(self, entry: PluginEntry) -> str:
        """sha256 over the files of a loaded plugin's package; empty when it has none."""
        package = sys.modules.get(re.split(r"[.:\[ ]", entry.module, maxsplit=1)[0])
        return digest_of_files(package_files(package)) if package else ""

    def analyzer(self, name: str, *, where: str = "") -> Provided[Analyzer]:
        """The analyzer of this name; its plugin is loaded if it was not."""
        return self._find(Analyzer, name, where)

    def renderer(self, name: str, *, where: str = "") -> Provided[Renderer]:
        """The renderer of this name; its plugin is loaded if it was not."""
        return self._find(Renderer, name, where)

    def model_loader(self, name: str, *, where: str = "") -> Provided[ModelLoader]:
        """The model loader of this name; its plugin is loaded if it was not."""
        return self._find(ModelLoader, name, where)

    def dataset_loader(self, name: str, *, where: str = "") -> Provided[DatasetLoader]:
        """The dataset loader of this name; its plugin is loaded if it was not."""
        return self._find(DatasetLoader, name, where)

    def architecture(self, name: str, *, where: str = "") -> Provided[Architecture]:
        """The architecture of this name; its plugin is loaded if it was not."""
        return self._find(Architecture, name, where)

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
            raise _conflict(name, [item.origin for item in found], where)
        if not found:
            names = sorted(item.record.name for item in provided)
            what = _WORDS[kind]
            raise UnknownPluginError(
                f"no installed plugin provides the {what} {name!r}",
                where=where,
                found=name,
                allowed=", ".join(names) or f"its plugin provides no {what}",
                fix=nearest(name, names),
            )
        return found[0]

    def _register(self, point: EntryPoint, entry: PluginEntry) -> None:
        plugin = _import(point, entry)
        where = _named(entry)
        try:
            self._manager.register(plugin, name=entry.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError, TypeError) as error:
            if self._manager.has_plugin(entry.name):
                self._manager.unregister(name=entry.name)
            text = " ".join(str(error).split())
            raise PluginError("a hook of this plugin does not fit the contract", where=where, found=text) from error
        if not self._manager.get_hookcallers(plugin):
            self._manager.unregister(name=entry.name)
            raise PluginError(
                "this plugin implements no hook",
                where=where,
                found=entry.module,
                fix="mark its functions with `@hookimpl`",
            )

    def _collect(self, hook: str, entry: PluginEntry) -> Iterator[Provided[Any]]:
        kind, where = _HOOKS[hook], _named(entry)
        for implementation in getattr(self.hook, hook).get_hookimpls():
            if implementation.plugin_name != entry.name or implementation.wrapper or implementation.hookwrapper:
                continue
            for record in _guarded(partial(_listed, implementation.function), f"{hook} raised", where):
                if not isinstance(record, kind):
                    raise PluginError(
                        f"`{hook}` gave something else than {kind.__name__}", where=where, found=type(record).__name__
                    )
                _check_name(record.name, entry)
                _check_fields(record, entry)
                yield Provided(record=record, origin=entry)


class _HostImplementation:
    """The host's own part in the hooks: run an analyzer by calling it."""

    @hookimpl(trylast=True)
    def auditbench_run_analyzer(self, analyzer: Analyzer, context: AuditContext) -> AnalysisResult:
        """Call the analyzer's function with its context and parameters."""
        return analyzer.analyze(context, context.params)


_HOST = "auditbench host"
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


def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _entry(point: EntryPoint) -> PluginEntry:
    dist = point.dist
    return PluginEntry(
        name=point.name,
        module=point.value,
        distribution=str(dist.name) if dist else "unknown",
        version=str(dist.version) if dist else "unknown",
    )


def _named(entry: PluginEntry) -> str:
    return f"plugin {entry.name} ({entry.distribution} {entry.version})"


def _import(point: EntryPoint, entry: PluginEntry) -> Any:
    where = _named(entry)
    try:
        return _guarded(point.load, "this plugin cannot be imported", where)
    except PluginError as error:
        cause = error.__cause__
        absent = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if absent and absent.partition(".")[0] != point.module.partition(".")[0]:
            raise MissingDependencyError(absent.partition(".")[0], where=where) from cause
        raise


def _guarded(call: Callable[[], Any], message: str, where: str) -> Any:
    """Call into a plugin; whatever it raises becomes a PluginError that names it."""
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(message, where=where, found=f"{type(error).__name__}: {error}"[:300]) from error


def _listed(function: Callable[[], Iterable[Any]]) -> list[Any]:
    return list(function())


def _check_name(name: Any, entry: PluginEntry) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not covers(entry.name, name):
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
        )
        for misfit in misfits(record)
    )
    if problems:
        raise PluginError("what this plugin provides does not fit the contract", problems=problems)


def _conflict(name: str, entries: Iterable[PluginEntry], where: str) -> PluginConflictError:
    claims = " and ".join(f"{entry.distribution} {entry.version}" for entry in entries)
    return PluginConflictError(
        f"two distributions provide {name!r}", where=where, found=claims, fix="uninstall one of them"
    )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
