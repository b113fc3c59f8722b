"""What an audit of a live model will do, found in this process instead of workers."""

from __future__ import annotations

from collections.abc import Sequence

from auditbench.config import AuditConfig
from auditbench.config_checks import RECORD_FORMAT, parts_of, without_followers
from auditbench.errors import ConfigError
from auditbench.gate_checks import gate_problems
from auditbench.plugin_entries import find_entry, list_entry_points
from auditbench.registry import Registry
from auditbench.supervisor.planning import Plan, PlannedAnalyzer, in_order
from auditbench.supervisor.worker_pool import group_of
from auditbench.worker.checking import check_part


def plan_here(config: AuditConfig, registry: Registry, *, where: str, gate_places: Sequence[str] = ()) -> Plan:
    """Load what is named and put the analyzers in order.

    Args:
        where: What to call the config in an error.
        gate_places: Where each gate stands, when some are from files.

    Raises:
        ConfigError: With everything that is wrong.
    """
    formats = [name for name in config.report.formats if name != RECORD_FORMAT]
    part = check_part(config, registry, analyzers=config.analyzers, formats=formats, foundation=None)
    described = {item.name: item for item in part.analyzers}
    parts = without_followers(parts_of(config, gate_places), list_entry_points())
    problems = [*part.problems, *gate_problems(parts, described)]
    if problems:
        raise ConfigError(f"{where} is not valid", problems=tuple(problems))
    order = in_order(tuple(config.analyzers), {name: item.after for name, item in described.items()})
    planned = tuple(
        PlannedAnalyzer(
            name=name,
            group="",
            required=config.analyzers[name].required,
            time_limit=config.limits.analyzer_seconds,
            description=described[name],
        )
        for name in order
    )
    renderers = {name: group_of(find_entry(name, where="formats")) for name in formats}
    return Plan(analyzers=planned, formats=tuple(renderers), renderers=renderers, trains=False, plugins=part.plugins)
