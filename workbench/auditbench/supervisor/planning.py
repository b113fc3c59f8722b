"""What an audit would run, in which order, and everything that stands in its way, found before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from auditbench.analyzer_needs import unmet_need
from auditbench.config import AuditConfig
from auditbench.config_checks import RECORD_FORMAT, file_problems, parts_of, without_followers
from auditbench.config_file import LoadedConfig
from auditbench.config_problems import nearest
from auditbench.descriptions import AnalyzerDescription, CheckedPart, TriedSubject
from auditbench.errors import (
    AuditbenchError,
    ConfigError,
    ModelError,
    Problem,
    UnknownPluginError,
    UntrustedModelError,
)
from auditbench.findings import Message
from auditbench.gate_checks import gate_problems
from auditbench.paths import is_there
from auditbench.plugin_entries import PluginEntry, find_entry, list_entry_points
from auditbench.record import validate
from auditbench.results import AnalysisResult, Status
from auditbench.run import Capability, PluginFacts, ProgramFacts
from auditbench.supervisor.watchdog import memory_limit
from auditbench.supervisor.worker_pool import FIRST_PARTY, WorkerPool, group_of
from auditbench.supervisor.worker_process import WorkerFault, no_event


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAnalyzer:
    """One analyzer of the config.

    Attributes:
        group: The worker it runs in.
        time_limit: Wall-clock seconds.
        memory: Bytes that its worker may use; None for the limit of every worker.
        reason: Why it will not run; None when nothing known stands against it.
        description: None when it was left out by the command, since its plugin is then not loaded.
    """

    name: str
    group: str
    required: bool
    time_limit: float
    memory: int | None = None
    reason: Message | None = None
    description: AnalyzerDescription | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an audit would do.

    Attributes:
        analyzers: In the order in which they run.
        formats: Reports to write, beside run.json.
        renderers: The worker of each format.
        trains: Whether a `[train]` table is there to make a model that is missing.
        plugins: Everything that was loaded.
        programs: Files whose code runs to open the model, each trusted by its sha256.
        tried: What was found where data and model were opened; None where they were not.
    """

    analyzers: tuple[PlannedAnalyzer, ...]
    formats: tuple[str, ...]
    renderers: Mapping[str, str]
    trains: bool
    plugins: tuple[PluginFacts, ...]
    programs: tuple[ProgramFacts, ...] = ()
    tried: TriedSubject | None = None

    def of_group(self, group: str) -> tuple[str, ...]:
        """Names of the analyzers of a group that will run, as far as is known."""
        return tuple(item.name for item in self.analyzers if item.group == group and item.reason is None)

    def looking_groups(self) -> tuple[str, ...]:
        """The groups with an analyzer that looks at model and data before it runs; the first-party one always."""
        looking = (
            item.group
            for item in self.analyzers
            if item.reason is None and item.description is not None and item.description.checks
        )
        return tuple(dict.fromkeys((FIRST_PARTY, *looking)))


def make_plan(
    loaded: LoadedConfig,
    pool: WorkerPool,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    formats: Sequence[str] | None = None,
) -> Plan:
    """Plan an audit; plugins are loaded and asked in workers of the pool, which stay for the audit itself.

    Raises:
        ConfigError: With everything that is wrong: names, parameters, gates, files, plugins.
        ModelError: Nothing is wrong but files of the model.
        UntrustedModelError: Nothing is wrong but that nobody vouched for the code that opening the model would run.
    """
    config = loaded.config
    entries = list_entry_points()
    problems = _selection_problems(config, only, skip)
    left_out = {name for name in config.analyzers if (only and name not in only) or name in skip}
    wanted = tuple(name for name in config.analyzers if name not in left_out)
    groups = _groups_of(wanted, lambda name: group_or_ours(name, entries=entries, where=f"analyzers.{name}"), problems)
    names = tuple(dict.fromkeys(name for name in (config.report.formats if formats is None else formats)))
    rendered = tuple(name for name in names if name != RECORD_FORMAT)
    renderers = _groups_of(rendered, partial(group_or_ours, entries=entries, where="report.formats"), problems)
    parts = _ask(loaded, pool, groups, renderers, problems)
    described = {item.name: item for part in parts for item in part.analyzers}
    parts_read = parts_of(config, loaded.gate_places)
    problems += gate_problems(without_followers(parts_read, entries), described)
    problems += file_problems(parts_read, loaded.base)
    order = tuple(config.analyzers)
    try:
        order = in_order(order, {name: item.after for name, item in described.items()})
    except ConfigError as error:
        problems += error.problems
    _refuse(loaded.path.name, problems, parts)
    planned = tuple(_planned(name, config, groups, described.get(name), left_out) for name in order)
    plugins = {plugin for part in parts for plugin in part.plugins}
    return Plan(
        analyzers=planned,
        formats=rendered,
        renderers=renderers,
        trains=config.train is not None and not is_there(loaded.base / config.model.path),
        plugins=tuple(sorted(plugins, key=lambda plugin: plugin.name)),
        programs=tuple(program for part in parts for program in part.programs),
    )


def with_subject(plan: Plan, config: AuditConfig, tried: TriedSubject) -> Plan:
    """The plan with what was found in data and model: analyzers that need what the model does not offer, or
    do not apply to it, will not run.
    """
    analyzers = tuple(
        replace(
            item,
            reason=tried.not_possible.get(item.name) or _foreseen(config, item.description, tried.capabilities),
        )
        if item.reason is None and item.description is not None
        else item
        for item in plan.analyzers
    )
    return replace(plan, analyzers=analyzers, tried=tried)


def without_result(item: PlannedAnalyzer, status: Status, reason: Message) -> AnalysisResult:
    """The result of an analyzer that has none, for this reason."""
    description = item.description
    return AnalysisResult(
        analyzer=item.name,
        topic=description.topic if description else "",
        status=status,
        reason=reason,
        required=item.required,
        version=description.plugin.version if description else "",
        parameters=description.parameters if description else {},
    )


def group_or_ours(name: str, *, entries: Sequence[PluginEntry], where: str) -> str:
    """The worker of an analyzer or a format. Where no plugin has its name the first-party one, which knows what there is.

    Raises:
        PluginConflictError: Two distributions claim the plugin's name.
    """
    try:
        return group_of(find_entry(name, entries, where=where))
    except UnknownPluginError:
        return FIRST_PARTY


def in_order(names: Sequence[str], after: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names in their order, moved back only as far as what they come after demands.

    Raises:
        ConfigError: Some of them wait for each other.
    """
    waiting = list(names)
    ordered: list[str] = []
    while waiting:
        ready = next((name for name in waiting if not set(after.get(name, ())) & (set(waiting) - {name})), None)
        if ready is None or ready in after.get(ready, ()):
            circle = [ready] if ready else _circle(waiting, after)
            raise ConfigError(
                "these analyzers wait for each other", where="analyzers", found=", ".join(circle), fix="leave one out"
            )
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(ordered)


def _circle(waiting: Sequence[str], after: Mapping[str, Sequence[str]]) -> list[str]:
    """Names that wait for each other in a circle, out of names that each wait for one of them."""
    path: list[str] = []
    name = waiting[0]
    while name not in path:
        path.append(name)
        name = next(other for other in waiting if other in after[name])
    return path[path.index(name) :]


def _planned(
    name: str,
    config: AuditConfig,
    groups: Mapping[str, str],
    description: AnalyzerDescription | None,
    left_out: Iterable[str],
) -> PlannedAnalyzer:
    table = config.analyzers[name]
    reason = Message(key="core.skipped_by_command") if name in left_out else None
    if reason is None and description is not None:
        reason = _foreseen(config, description)
    return PlannedAnalyzer(
        name=name,
        group=groups.get(name, ""),
        required=table.required,
        time_limit=table.time_limit or config.limits.analyzer_seconds,
        memory=None if table.memory_gib is None else memory_limit(table.memory_gib),
        reason=reason,
        description=description,
    )


def _foreseen(
    config: AuditConfig, description: AnalyzerDescription, capabilities: Sequence[Capability] | None = None
) -> Message | None:
    """Why an analyzer will not apply, as far as the config tells, and the capabilities of the model where it was opened."""
    return unmet_need(
        description.needs,
        modality=config.data.modality,
        task=config.model.task,
        sensitive=bool(config.data.sensitive),
        others=bool(config.models),
        training=config.trains_again,
        missing=description.missing_packages + description.missing_programs,
        install=description.missing.fix if description.missing else "",
        capabilities=capabilities,
    )


def _selection_problems(config: AuditConfig, only: Sequence[str], skip: Sequence[str]) -> list[Problem]:
    return [
        Problem(
            message="the config has no such analyzer",
            where=option,
            found=name,
            allowed=", ".join(config.analyzers) or "no analyzers",
            fix=nearest(name, config.analyzers),
        )
        for option, names in (("--only", only), ("--skip", skip))
        for name in names
        if name not in config.analyzers
    ]


def _groups_of(names: Iterable[str], group: Callable[[str], str], problems: list[Problem]) -> dict[str, str]:
    groups: dict[str, str] = {}
    for name in names:
        try:
            groups[name] = group(name)
        except AuditbenchError as error:
            problems += error.problems
    return groups


def _refuse(name: str, problems: Iterable[Problem], parts: Iterable[CheckedPart]) -> None:
    """Raise all that is wrong as the error of the first of these that applies: the config, the model, its code."""
    wrong = dict.fromkeys(problems)
    refused = dict.fromkeys(problem for part in parts for problem in part.refused)
    untrusted = dict.fromkeys(problem for part in parts for problem in part.untrusted)
    found = (*wrong, *refused, *untrusted)
    if wrong:
        raise ConfigError(f"{name} is not valid", problems=found)
    if refused:
        raise ModelError("the files of this model cannot be opened", problems=found)
    if untrusted:
        raise UntrustedModelError("opening this model would run code that is not trusted", problems=found)


def _ask(
    loaded: LoadedConfig,
    pool: WorkerPool,
    analyzers: Mapping[str, str],
    renderers: Mapping[str, str],
    problems: list[Problem],
) -> list[CheckedPart]:
    """Let every group check its part of the config; the first-party worker checks the foundation as well."""
    config = loaded.config
    parts: list[CheckedPart] = []
    for group in dict.fromkeys([FIRST_PARTY, *analyzers.values(), *renderers.values()]):
        content: dict[str, Any] = {
            "config": config.model_dump_json(),
            "analyzers": [name for name, owner in analyzers.items() if owner == group],
            "formats": [name for name, owner in renderers.items() if owner == group],
            "foundation": str(loaded.base) if group == FIRST_PARTY else None,
        }
        try:
            answer = pool.worker(group).ask("check", seconds=config.limits.load_seconds, event=no_event, **content)
            parts.append(validate(CheckedPart, answer["part"], where=f"worker {group}"))
            problems += parts[-1].problems
        except WorkerFault as fault:
            pool.drop(group)
            problems.append(_fault_problem(group, fault))
        except AuditbenchError as error:
            problems += error.problems
    return parts


def _fault_problem(group: str, fault: WorkerFault) -> Problem:
    last = next((line for line in reversed(fault.details.splitlines()) if line.strip()), "")
    what = "did not answer in time" if fault.timed_out else "ended its process"
    return Problem(
        message=f"the plugin {what} while it was loaded",
        where=group.removeprefix("plugin-"),
        found="; ".join(part for part in (fault.text(), last[:200]) if part),
        fix="remove it from the config, or repair it",
    )
