"""The supervising process: plans, starts workers, limits and restarts them, collects what they say, decides, writes.

It imports neither torch nor numpy nor a plugin's code. First-party analyzers share one worker; every other plugin has
its own. With a baseline, a worker compares the results with it before gates are decided. A format that cannot be
rendered makes the evidence incomplete: the exit code is 5 when its renderer is ours, else 3, and the other reports are
made from the record that says so. Observers are told when the reports are written; what they raise is a warning in the
record, and in the reports, which are then rendered once more.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from auditbench.config import LimitsTable
from auditbench.config_checks import RECORD_FORMAT
from auditbench.config_file import LoadedConfig
from auditbench.descriptions import PluginDescription, TrainedModel
from auditbench.errors import AuditbenchError, ConfigError, ExitCode, PluginError, Problem, RecordError
from auditbench.folder_lock import unfinished
from auditbench.interruption import sigterm_raises
from auditbench.listener import Listener, SilentListener
from auditbench.manifest import RECORD, refuse_altered
from auditbench.models.differences import TOLERANCE
from auditbench.models.exporting import Conversion, Export, ExportKind
from auditbench.plugin_entries import find_entry, list_entry_points
from auditbench.provenance import check_platform
from auditbench.record import validate
from auditbench.run import AuditRun, PluginFacts
from auditbench.run_file import read_run
from auditbench.store import LOGS, RunFolder
from auditbench.supervisor.baseline import read_baseline
from auditbench.supervisor.opening import lost_over, try_in
from auditbench.supervisor.planning import Plan, group_or_ours, make_plan, with_subject
from auditbench.supervisor.rendering import render_formats
from auditbench.supervisor.session import AuditSession
from auditbench.supervisor.worker_environment import credentials_of
from auditbench.supervisor.worker_events import Progress, Told, WorkerEvent
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
    replace: bool = False,
    baseline: Path | None = None,
    listener: Listener | None = None,
) -> AuditRun:
    """Run an audit and write its folder.

    The run that is returned is the one in run.json. Interrupted by Ctrl-C or SIGTERM after model and data were open, it
    has status `interrupted` and exit code 130 or 143; before that, the interrupt is raised on. Either way the listener
    is told how to resume. An EmptyDataError is raised after a run.json with verdict `nothing_evaluated` took the place
    of the last record.

    Args:
        out: Run folder; see `auditbench.store` for what may be in it.
        only: Run these analyzers alone; the others count as skipped.
        device: `auto`, `cpu` or `cuda`.
        formats: Instead of `report.formats`.
        resume: Whether to go on with an unfinished or finished run of the same key in `out`; otherwise it is replaced.
        replace: Whether a run of another key in `out` is replaced; otherwise it is refused.
        baseline: Run that this one is compared with; results do not depend on it, gates may. Where it is another at the
            end, or cannot be read, the run says so in a warning, and gates on the change are undecided.

    Raises:
        RunWriteError: The run had begun and its folder cannot be written any more; what had finished is kept.
        AuditbenchError: The audit was refused; nothing was evaluated.
    """
    check_platform()
    compared = None if baseline is None else read_baseline(baseline, out=out)
    folder = RunFolder(out)
    try:
        with _killed_at_the_end(WorkerPool(folder.folder(LOGS), loaded.config.limits)) as pool, sigterm_raises():
            ear = listener or SilentListener()
            session = AuditSession(loaded, folder, pool, ear, device=device, baseline=compared)
            return session.run(only=only, skip=skip, formats=formats, resume=resume, replace=replace)
    except BaseException as error:
        folder.abandon(failed=not (isinstance(error, AuditbenchError) and error.exit_code == ExitCode.REFUSED))
        raise
    finally:
        folder.abandon()


def plan(
    loaded: LoadedConfig,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    device: str = "auto",
    formats: Sequence[str] | None = None,
) -> Plan:
    """What `audit` would do, when it would not be refused: data and model are opened, nothing is trained.

    Args:
        device: Where the model would run: `auto`, `cpu` or `cuda`.

    Raises:
        ConfigError: With everything that is wrong with the config, the plugins it names and the files it names.
        AuditbenchError: What `audit` would raise when it opens data and model.
    """
    check_platform()
    config = loaded.config
    with _short_lived_pool(config.limits) as pool:
        found = make_plan(loaded, pool, only=only, skip=skip, formats=formats)
        tried = [
            try_in(pool, group, loaded, device=device, analyzers=found.of_group(group))
            for group in found.looking_groups()
        ]
        reasons = {name: reason for one in tried for name, reason in one.not_possible.items()}
        return with_subject(found, config, dataclasses.replace(tried[0], not_possible=reasons))


def train(loaded: LoadedConfig, *, device: str = "auto", listener: Listener | None = None) -> TrainedModel:
    """Train the model that a config describes, replacing one that was trained before.

    Raises:
        AuditbenchError: The config, the data or the settings do not allow it.
    """
    check_platform()
    ear = listener or SilentListener()
    config = loaded.config
    with _short_lived_pool(config.limits) as pool, sigterm_raises():
        ear.stage_started("train", config.model.path)

        def event(said: WorkerEvent) -> None:
            if isinstance(said, Progress):
                ear.stage_progress("train", said.step, said.done, said.total)
            elif isinstance(said, Told):
                ear.note(said.sentence)

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
            raise lost_over("the model was not trained", fault, where="train", limit="limits.train_seconds") from None
        trained = validate(TrainedModel, answer["outcome"], where="train")
        ear.stage_finished("train", trained.cost.get("seconds", 0.0), "done")
        return trained


def export(
    bundle: Path,
    folders: Mapping[ExportKind, Path],
    *,
    loaded: LoadedConfig | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Export, ...]:
    """Write a bundle in other formats, each into a folder of its own, once its outputs are those of the bundle.

    Args:
        loaded: Says which data the outputs are compared on, too; without it they are compared on random rows alone.
        tolerance: Largest difference, divided by the largest output where that is above 1.

    Raises:
        ModelError: The bundle cannot be opened or exported, or an export gives other outputs.
        AuditbenchError: The config or the data cannot be used.
    """
    check_platform()
    limits = None if loaded is None else loaded.config.limits
    seconds = (limits or LimitsTable()).train_seconds
    with _short_lived_pool(limits) as pool, sigterm_raises():
        try:
            answer = pool.worker(FIRST_PARTY).ask(
                "export",
                seconds=seconds,
                event=no_event,
                credentials={} if loaded is None else credentials_of(loaded.config),
                config=None if loaded is None else loaded.config.model_dump_json(),
                base=str(Path.cwd() if loaded is None else loaded.base),
                bundle=str(bundle),
                folders=[[kind, str(folder)] for kind, folder in folders.items()],
                tolerance=tolerance,
            )
        except WorkerFault as fault:
            raise lost_over("the model was not exported", fault, where="export", limit="limits.train_seconds") from None
    return validate(tuple[Export, ...], answer["exports"], where="export")


def convert(loaded: LoadedConfig, folder: Path, *, tolerance: float = TOLERANCE, replace: bool = False) -> Conversion:
    """Write the model of a config as a bundle, once its outputs are those of the model.

    Args:
        tolerance: Largest difference, divided by the largest output where that is above 1.
        replace: Whether a bundle that stands in the folder may be replaced.

    Raises:
        ModelError: The model cannot be opened, no bundle is the same model, or something stands in the folder.
        AuditbenchError: The data cannot be used.
    """
    check_platform()
    with _short_lived_pool(loaded.config.limits) as pool, sigterm_raises():
        try:
            answer = pool.worker(FIRST_PARTY).ask(
                "convert",
                seconds=loaded.config.limits.train_seconds,
                event=no_event,
                credentials=credentials_of(loaded.config),
                config=loaded.config.model_dump_json(),
                base=str(loaded.base),
                folder=str(folder),
                tolerance=tolerance,
                replace=replace,
            )
        except WorkerFault as fault:
            raise lost_over(
                "the model was not converted", fault, where="convert", limit="limits.train_seconds"
            ) from None
    return validate(Conversion, answer["conversion"], where="convert")


def render(
    folder: Path, formats: Sequence[str], language: str = "en", *, listener: Listener | None = None
) -> tuple[Path, ...]:
    """Write reports of a finished run again.

    Raises:
        ConfigError: No format is named but that of the record itself.
        RecordError: There is no readable run, its record or arrays are not those that its manifest lists, or a later
            audit in the folder did not come to its end.
        PluginError: A format cannot be written here, and nothing was; or a renderer failed, and the others have written
            their files.
    """
    check_platform()
    names = [name for name in dict.fromkeys(formats) if name != RECORD_FORMAT]
    if not names:
        raise ConfigError(
            "there is no report to write",
            where="--format",
            found=", ".join(formats) or "no format",
            fix="name one, such as `--format html`; run.json is there already",
        )
    run = read_run(folder)
    refuse_altered(folder, status=run.status)
    if process := unfinished(folder):
        raise RecordError(
            "the last audit in this folder has not come to its end; the record is of the one before",
            where=str(folder),
            found=process,
            fix="wait for it, or run the audit again",
        )
    home = RunFolder(folder, way_on="copy the whole folder of the run, and render the copy")
    try:
        entries = list_entry_points()
        groups = {name: group_or_ours(name, entries=entries, where="--format") for name in names}
        with _short_lived_pool() as pool:
            _require(pool, groups)
            home.reopen()
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
            details = rendered.details.get(name, "")
            raise PluginError(
                f"the format {name!r} was not written",
                found=str(reason.values["error"]),
                fix="`--debug` shows where it was raised; mend the plugin, or leave the format out",
                details=details,
            )
        return tuple(home.path / file for file in rendered.files)
    finally:
        home.abandon()


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
    described: list[PluginDescription] = []
    with _short_lived_pool() as pool:
        for name in chosen:
            try:
                entry = find_entry(name, entries)
                answer = pool.worker(group_of(entry)).ask(
                    "describe", seconds=_DESCRIBE_SECONDS, event=no_event, plugins=[entry.name]
                )
                described += validate(tuple[PluginDescription, ...], answer["plugins"], where=f"plugin {name}")
            except WorkerFault as fault:
                pool.drop(group_of(entry))
                problem = Problem(message="the plugin was lost while it was loaded", where=name, found=fault.text())
                described.append(_unusable(name, (problem,)))
            except AuditbenchError as error:
                if names is not None:
                    raise
                described.append(_unusable(name, error.problems))
    return tuple(described)


def _require(pool: WorkerPool, groups: Mapping[str, str]) -> None:
    """Refuse formats that nothing installed can write, before one of them is written.

    Raises:
        PluginError: There is no such renderer, or it needs something that is not installed.
    """
    for name, group in groups.items():
        try:
            pool.worker(group).ask(
                "require", seconds=_DESCRIBE_SECONDS, event=no_event, renderer=name, where="--format"
            )
        except WorkerFault as fault:
            raise PluginError(
                "the plugin was lost while it was loaded",
                where=name,
                found=fault.text(),
                fix="see what its module does when it is imported, and move that into the functions that need it",
            ) from None


def _unusable(name: str, problems: tuple[Problem, ...]) -> PluginDescription:
    facts = PluginFacts(name=name, distribution="", version="")
    return PluginDescription(plugin=facts, first_party=False, problems=problems)


@contextmanager
def _short_lived_pool(limits: LimitsTable | None = None) -> Iterator[WorkerPool]:
    """Workers whose logs nobody keeps; without a config at hand, under the default limits."""
    with (
        tempfile.TemporaryDirectory(prefix="auditbench-") as logs,
        _killed_at_the_end(WorkerPool(Path(logs), limits)) as pool,
    ):
        yield pool


@contextmanager
def _killed_at_the_end(pool: WorkerPool) -> Iterator[WorkerPool]:
    try:
        yield pool
    finally:
        pool.kill()
