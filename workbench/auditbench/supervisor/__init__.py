"""The supervising process: plans, starts workers, limits and restarts them, collects what they say, decides, writes.

It imports neither torch nor numpy nor a plugin's code. First-party analyzers share one worker; every other plugin has its own.
A failed renderer leaves run.json complete and makes the exit code 5 when it is ours, else 3.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from auditbench.config_checks import RECORD_FORMAT
from auditbench.config_file import LoadedConfig
from auditbench.descriptions import PluginDescription, TrainedModel
from auditbench.errors import AuditbenchError, PluginError, Problem, WorkerError
from auditbench.interruption import sigterm_raises
from auditbench.listener import Listener, SilentListener
from auditbench.provenance import check_platform
from auditbench.record import validate
from auditbench.registry import find_entry, list_entry_points
from auditbench.run import AuditRun, PluginFacts
from auditbench.run_file import read_run
from auditbench.store import LOGS, RECORD, RunFolder
from auditbench.supervisor.planning import Plan, make_plan
from auditbench.supervisor.rendering import render_formats
from auditbench.supervisor.session import AuditSession
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool, group_of
from auditbench.supervisor.worker_process import WorkerFault, no_event

_DESCRIBE_SECONDS = 60.0
_RENDER_SECONDS = 120.0


def audit(
    loaded: LoadedConfig,
    *,
    out: Path,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    device: str = "auto",
    formats: Sequence[str] | None = None,
    resume: bool = True,
    listener: Listener | None = None,
) -> AuditRun:
    """Run an audit and write its folder.

    The run that is returned is the one in run.json. Interrupted by Ctrl-C or SIGTERM after model and data were open, it
    has status `interrupted` and exit code 130 or 143, and the listener is told how to resume; before that, the
    interrupt is raised on. An EmptyDataError is raised after a run.json with verdict `nothing_evaluated` was written.

    Args:
        out: Run folder; see `auditbench.store` for what may be in it.
        only: Run these analyzers alone; the others count as skipped.
        device: `auto`, `cpu` or `cuda`.
        formats: Instead of `report.formats`.
        resume: Whether to go on with an unfinished or finished run of the same key in `out`; otherwise it is replaced.

    Raises:
        AuditbenchError: The audit was refused; nothing was evaluated.
    """
    check_platform()
    folder = RunFolder(out)
    with _killed_at_the_end(WorkerPool(folder.folder(LOGS))) as pool, sigterm_raises():
        session = AuditSession(loaded, folder, pool, listener or SilentListener(), device=device)
        try:
            return session.run(only=only, skip=skip, formats=formats, resume=resume)
        finally:
            pool.kill()
            folder.abandon()


def plan(
    loaded: LoadedConfig, *, only: Sequence[str] = (), skip: Sequence[str] = (), formats: Sequence[str] | None = None
) -> Plan:
    """What `audit` would do, found without opening model or data.

    Raises:
        ConfigError: With everything that is wrong with the config, the plugins it names and the files it names.
    """
    check_platform()
    with _short_lived_pool() as pool:
        return make_plan(loaded, pool, only=only, skip=skip, formats=formats)


def train(loaded: LoadedConfig, *, device: str = "auto", listener: Listener | None = None) -> TrainedModel:
    """Train the model that a config describes, replacing one that was trained before.

    Raises:
        AuditbenchError: The config, the data or the settings do not allow it.
    """
    check_platform()
    ear = listener or SilentListener()
    config = loaded.config
    with _short_lived_pool() as pool, sigterm_raises():
        ear.stage_started("train", config.model.path)

        def event(message: dict[str, object]) -> float | None:
            if message["event"] == "progress":
                ear.stage_progress("train", str(message["step"]), int(str(message["done"])), int(str(message["total"])))
            return None

        try:
            answer = pool.worker(FIRST_PARTY).ask(
                "train",
                seconds=config.limits.train_seconds,
                event=event,
                config=config.model_dump_json(),
                base=str(loaded.base),
                device=device,
            )
        except WorkerFault as fault:
            raise WorkerError("the model was not trained", where="train", found=fault.text()) from None
        trained = validate(TrainedModel, answer["outcome"], where="train")
        ear.stage_finished("train", trained.cost.get("seconds", 0.0), "done")
        return trained


def render(
    folder: Path, formats: Sequence[str], language: str = "en", *, listener: Listener | None = None
) -> tuple[Path, ...]:
    """Write reports of a finished run again.

    Raises:
        RecordError: There is no readable run.
        PluginError: A renderer failed; those before it have written their files.
    """
    check_platform()
    run = read_run(folder)
    home = RunFolder(folder)
    try:
        names = [name for name in dict.fromkeys(formats) if name != RECORD_FORMAT]
        groups = {name: group_of(find_entry(name, where="--format")) for name in names}
        home.reopen()
        with _short_lived_pool() as pool:
            content = (home.path / RECORD).read_bytes()
            rendered = render_formats(
                pool,
                home,
                groups,
                content,
                language=language,
                seconds=_RENDER_SECONDS,
                listener=listener or SilentListener(),
            )
        if run.status == "complete":
            home.complete(content)
        if rendered.failures:
            name, reason = next(iter(rendered.failures.items()))
            raise PluginError(f"the format {name!r} was not written", found=str(reason.values["error"]))
        return tuple(home.path / file for file in rendered.files)
    finally:
        home.close()


def describe(names: Sequence[str] | None = None) -> tuple[PluginDescription, ...]:
    """What installed plugins provide; each is loaded in a worker of its group.

    Args:
        names: Plugins, or names that they provide; None describes every installed one.

    Raises:
        UnknownPluginError: Nothing installed may provide a name.
    """
    check_platform()
    entries = list_entry_points()
    chosen = list(dict.fromkeys(entry.name for entry in entries)) if names is None else list(names)
    described = []
    with _short_lived_pool() as pool:
        for name in chosen:
            try:
                entry = find_entry(name, entries)
                answer = pool.worker(group_of(entry)).ask(
                    "describe", seconds=_DESCRIBE_SECONDS, event=no_event, plugins=[entry.name]
                )
                (document,) = answer["plugins"]
                described.append(validate(PluginDescription, document, where=f"plugin {name}"))
            except WorkerFault as fault:
                pool.drop(group_of(entry))
                problem = Problem(message="the plugin was lost while it was loaded", where=name, found=fault.text())
                described.append(_unusable(name, (problem,)))
            except AuditbenchError as error:
                if names is not None:
                    raise
                described.append(_unusable(name, error.problems))
    return tuple(described)


def _unusable(name: str, problems: tuple[Problem, ...]) -> PluginDescription:
    facts = PluginFacts(name=name, distribution="", version="")
    return PluginDescription(plugin=facts, first_party=False, problems=problems)


@contextmanager
def _short_lived_pool() -> Iterator[WorkerPool]:
    with tempfile.TemporaryDirectory(prefix="auditbench-") as logs, _killed_at_the_end(WorkerPool(Path(logs))) as pool:
        yield pool


@contextmanager
def _killed_at_the_end(pool: WorkerPool) -> Iterator[WorkerPool]:
    try:
        yield pool
    finally:
        pool.kill()
