"""Gates against what analyzers declare: that they take part, and the names, tasks and ranges of their metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditbench.config import GateTable
from auditbench.config_checks import Parts
from auditbench.config_problems import nearest, shown
from auditbench.descriptions import AnalyzerDescription
from auditbench.errors import Problem

_LIMITS = ("min", "max", "max_drop", "min_gain")


def gate_problems(parts: Parts, analyzers: Mapping[str, AnalyzerDescription]) -> Iterator[Problem]:
    """Gates that can never be decided, or never be met or missed, whatever the model.

    Args:
        analyzers: By name; one that is absent could not be asked, and what it gives is not checked.
    """
    task = getattr(parts.model, "task", None)
    for place, gate in parts.gates.items():
        name = gate.metric.partition(".")[0]
        if name not in parts.analyzers:
            yield Problem(
                message="the config lists no analyzer of this name",
                where=f"{place}.metric",
                found=gate.metric,
                allowed=", ".join(parts.analyzers) or "no analyzers",
                fix=nearest(name, parts.analyzers) or f"add [analyzers.{name}]",
            )
            continue
        if analyzer := analyzers.get(name):
            yield from undeclared(gate, analyzer, task, place)


def undeclared(gate: GateTable, analyzer: AnalyzerDescription, task: str | None, place: str) -> Iterator[Problem]:
    """What is wrong with a gate by the metrics that its analyzer declares; nothing where it declares none.

    Args:
        place: Where the gate stands, as an error calls it.
    """
    if not analyzer.metrics:
        return
    metric = gate.metric.partition(".")[2]
    known = metrics_for(analyzer, task)
    if metric not in known:
        yield _not_given(analyzer, metric, known, task, where=f"{place}.metric")
    elif metric in analyzer.shares:
        yield from _outside_a_share(gate, place)


def metrics_for(analyzer: AnalyzerDescription, task: str | None) -> tuple[str, ...]:
    """The metrics that an analyzer gives for a task; all of them where the task is not known."""
    return tuple(name for name in analyzer.metrics if task is None or task in analyzer.metric_tasks.get(name, (task,)))


def _not_given(
    analyzer: AnalyzerDescription, metric: str, known: tuple[str, ...], task: str | None, *, where: str
) -> Problem:
    if metric in analyzer.metrics:
        message = f"{analyzer.name} gives this metric for {', '.join(analyzer.metric_tasks[metric])}, not for {task}"
        fix = "choose another metric, or remove the gate"
    else:
        message = f"{analyzer.name} gives no metric of this name" + (
            f" for {task}" if len(known) < len(analyzer.metrics) else ""
        )
        fix = nearest(metric, known)
    return Problem(message=message, where=where, found=metric, allowed=", ".join(known) or "no metrics", fix=fix)


def _outside_a_share(gate: GateTable, place: str) -> Iterator[Problem]:
    for key in _LIMITS:
        limit = getattr(gate, key)
        if limit is not None and not 0 <= limit <= 1:
            yield Problem(
                message="this metric lies between 0 and 1",
                where=f"{place}.{key}",
                found=shown(limit),
                allowed="a number from 0 to 1",
                fix=f"did you mean {limit / 100:.6g}?" if 1 < limit <= 100 else "",
            )
