"""`check_plugin` and `check_project`: every promise of a plugin, tried in processes of their own under limits.

No code of the plugin runs in the process that asks. A thing that crashes, hangs or takes all memory breaks the promise
that was being tried, and the next thing is tried in another process.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditbench.descriptions import PluginDescription
from auditbench.errors import AuditbenchError, Problem
from auditbench.hookspecs import ENTRY_POINT_GROUP
from auditbench.plugin_entries import find_exact
from auditbench.record import plain, validate
from auditbench.run import PluginFacts
from auditbench.supervisor.watchdog import memory_limit
from auditbench.supervisor.worker_events import Part, Progress, WorkerEvent
from auditbench.supervisor.worker_process import WorkerFault, WorkerProcess, no_event
from auditbench.testing.conformance.plugin_record import plugin_conformance
from auditbench.testing.conformance.projects import (
    PluginProject,
    installed_roots,
    module_file,
    project_conformance,
    read_project,
)
from auditbench.testing.conformance.promises import Conformance, Outcome, Promise, broken, not_tried
from auditbench.testing.conformance.settings import Settings

_MODULE = "auditbench.testing.conformance"
_DESCRIBE_SECONDS = 120.0
_SURVIVES = Promise(key="survives", sentence="Comes to its end: no crash, no hang, no more memory than there is.")
_WORDS = {"model format": "loader", "data set": "dataset loader"}
"""The kit's word for what a description calls otherwise."""

Tell = Callable[[str], None]
"""Hears what is tried next, in words."""


def check_plugin(name: str, *, seconds: float, tell: Tell = lambda _: None) -> tuple[Conformance, ...]:
    """Which promises an installed plugin keeps, and each thing that it provides.

    Args:
        seconds: Wall-clock limit of each thing.

    Raises:
        UnknownPluginError: Nothing that is installed is called so.
    """
    entry = find_exact(name)
    with _site(()) as site:
        return tuple(_checked(name, module_file(installed_roots(entry), entry.module), site, Settings(), seconds, tell))


def check_project(folder: Path, *, seconds: float, tell: Tell = lambda _: None) -> tuple[Conformance, ...]:
    """Which promises the project of a plugin keeps, its plugins, and each thing that they provide.

    It need not be installed: its entry points and its modules are shown to the processes that try it, and to no other.

    Args:
        seconds: Wall-clock limit of each thing.

    Raises:
        ConfigError: The folder holds no project.
    """
    project = read_project(folder)
    found = [project_conformance(project)]
    with _site(project.roots, project) as site:
        for name, module in project.entry_points.items():
            found += _checked(name, module_file(project.roots, module), site, project.settings, seconds, tell)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """Folders that a worker looks into first, and one for logs."""

    paths: tuple[Path, ...]
    logs: Path

    @contextmanager
    def worker(self, name: str) -> Iterator[WorkerProcess]:
        """A worker of its own, ended behind the block with all that it started."""
        log = self.logs / f"{len(list(self.logs.iterdir()))}.log"
        worker = WorkerProcess(name, log, memory=memory_limit(None), module=_MODULE, paths=self.paths)
        try:
            yield worker
        finally:
            worker.kill()


@contextmanager
def _site(roots: tuple[Path, ...], project: PluginProject | None = None) -> Iterator[_Site]:
    """A site where a project looks as if it were installed, as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="auditbench-") as home:
        logs = Path(home) / "logs"
        logs.mkdir()
        if project is None:
            yield _Site(paths=(), logs=logs)
            return
        name = re.sub(r"[^A-Za-z0-9.]+", "_", project.name).strip("._") or "project"  # the name of a file, never a path
        metadata = Path(home) / "site" / f"{name}-0.dist-info"
        metadata.mkdir(parents=True)
        version = project.version if project.version not in ("", "dynamic") else "0"
        told = (("Metadata-Version", "2.1"), ("Name", project.name or "project"), ("Version", version))
        lines = "".join(f"{key}: {' '.join(text.split())}\n" for key, text in told)
        (metadata / "METADATA").write_text(lines, encoding="utf-8")
        points = "".join(f"{name} = {module}\n" for name, module in project.entry_points.items())
        (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{points}", encoding="utf-8")
        yield _Site(paths=(metadata.parent, *roots), logs=logs)


def _checked(
    plugin: str, module: Path | None, site: _Site, settings: Settings, seconds: float, tell: Tell
) -> Iterator[Conformance]:
    """The plugin, then each thing that it provides in a process of its own."""
    tell(f"plugin {plugin}")
    description = _described(plugin, site)
    yield plugin_conformance(description, module)
    analyzers = [("analyzer", analyzer.name) for analyzer in description.analyzers]
    others = [(_WORDS.get(item.kind, item.kind), item.name) for item in description.provides if item.kind != "preset"]
    for kind, name in (*analyzers, *others):
        yield _tried(plugin, kind, name, site, settings, seconds, tell)


def _described(plugin: str, site: _Site) -> PluginDescription:
    try:
        with site.worker(plugin) as worker:
            answer = worker.ask("describe", seconds=_DESCRIBE_SECONDS, event=no_event, plugins=[plugin])
            (description,) = validate(tuple[PluginDescription, ...], answer["plugins"], where=f"plugin {plugin}")
            return description
    except WorkerFault as fault:
        problem = Problem(
            message="the plugin was lost while it was loaded",
            where=f"plugin {plugin}",
            found=_how(fault),
            allowed="a module that is imported at once, and does nothing but define",
            fix="move what it does at import into the functions that need it",
        )
    except AuditbenchError as error:
        problem = error.problems[0]
    facts = PluginFacts(name=plugin, distribution="", version="")
    return PluginDescription(plugin=facts, first_party=False, problems=(problem,))


def _tried(
    plugin: str, kind: str, name: str, site: _Site, settings: Settings, seconds: float, tell: Tell
) -> Conformance:
    known = _Known()

    def heard(event: WorkerEvent) -> None:
        if isinstance(event, Progress):
            known.trying = event.step
            tell(f"{kind} {name}: {event.step}")
        elif isinstance(event, Part):
            known.hear(event)

    tell(f"{kind} {name}")
    given: dict[str, Any] = {
        "samples": {one: str(path) for one, path in settings.samples.items()},
        "parameters": plain(dict(settings.parameters)),
    }
    try:
        with site.worker(plugin) as worker:
            answer = worker.ask(
                "try_thing", seconds=seconds, event=heard, plugin=plugin, thing=f"{kind} {name}", **given
            )
        return validate(Conformance, answer["conformance"], where=f"{kind} {name}")
    except WorkerFault as fault:
        allowed, fix = _way_on(fault, seconds)
        message = f"the process was lost when `{known.trying}` was tried"
        problem = Problem(message=message, where=f"{kind} {name}", found=_how(fault), allowed=allowed, fix=fix)
    except AuditbenchError as error:
        problem = error.problems[0]
    return Conformance(kind=kind, name=name, outcomes=(broken(_SURVIVES, problem), *known.outcomes()))


@dataclass(slots=True)
class _Known:
    """What a process had said of a thing when it was lost."""

    trying: str = "its first promise"
    promises: tuple[Promise, ...] = ()
    tried: dict[str, Outcome] = field(default_factory=dict)

    def hear(self, part: Part) -> None:
        """Keep the promises, or the outcome of one; raises RecordError where it is neither."""
        if part.name == "promises":
            self.promises = validate(tuple[Promise, ...], part.content, where="promises")
        else:
            outcome = validate(Outcome, part.content, where="outcome")
            self.tried[outcome.promise.key] = outcome

    def outcomes(self) -> Iterator[Outcome]:
        """Those that are known, and every other promise as not tried."""
        reason = f"the process was lost when `{self.trying}` was tried"
        for promise in self.promises:
            yield self.tried.get(promise.key) or not_tried(promise, reason)


def _way_on(fault: WorkerFault, seconds: float) -> tuple[str, str]:
    """What is allowed instead of a lost process, and how to mend what lost it."""
    if fault.timed_out:
        return f"an answer within {seconds:g} seconds", "see what it waits for; `--time-limit` gives it more time"
    if "memory" in fault.reason.key:
        return "no more memory than there is", "hold less at a time, such as fewer rows in one call"
    return (
        "a result, or an exception",
        "raise an exception instead of ending the process; where a library crashed, see what it was called with",
    )


def _how(fault: WorkerFault) -> str:
    """How a process was lost, with where it crashed, or else the last line that it wrote."""
    lines = [line.strip() for line in fault.details.splitlines() if line.strip()]
    crashed = next((number for number, line in enumerate(lines) if line.startswith("Current thread")), None)
    return " ".join([fault.text(), *(lines[-1:] if crashed is None else lines[crashed + 1 : crashed + 2])])
