"""Gates decided again from a finished run: nothing of the run is computed again, and nothing is written."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from auditbench import gates
from auditbench.config import GateTable, WaiverTable
from auditbench.config_checks import Parts, id_problems
from auditbench.config_problems import nearest
from auditbench.errors import ConfigError, ExitCode, Problem, RecordError
from auditbench.findings import GateDecision, Verdict, changed_their_subject
from auditbench.gate_file import GateFile, GateSource, GivenGates, read_gates, with_gates
from auditbench.run import AuditRun

_LISTED = 12
_KEPT = (ExitCode.INTERNAL_ERROR, ExitCode.NOTHING_EVALUATED, ExitCode.INCOMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedRun:
    """What gates say of a run.

    Attributes:
        decisions: In the order of the gates.
        waivers: As given beside the gates.
    """

    decisions: tuple[GateDecision, ...]
    waivers: tuple[WaiverTable, ...]
    verdict: Verdict
    exit_code: ExitCode


def decide_again(run: AuditRun, files: Sequence[str], *, base: Path, today: datetime.date) -> GatedRun:
    """Decide the gates of files, or without any those of the run itself, on the results of a run.

    A run that was interrupted, whose reports were not all written or in which nothing was evaluated stays so: its exit
    code of 3, 4 or 5 is not improved by other gates.

    Args:
        files: Paths of gate files, or `preset:NAME`; they stand in for the run's own gates and waivers.
        base: Folder that relative paths start from.
        today: The day that waivers are held against.

    Raises:
        ConfigError: With everything wrong with the files, their ids, and metrics that the run does not have.
        RecordError: The run's own gates cannot be read.
    """
    given = _given(run, files, base) if files else _own(run)
    asked, waivers = tuple(given.gates.values()), tuple(given.waivers.values())
    changed = changed_their_subject(run.warnings)
    decisions = gates.decide(
        asked,
        run.results,
        waivers,
        today=today,
        changed=changed,
        comparison=run.baseline,
        uncompared=_uncompared(run),
    )
    word, code = gates.verdict(decisions, run.results, rows=run.data.rows)
    kept = _kept_code(run)
    if kept is not ExitCode.PASSED:
        word = gates.at_best_incomplete(word)
    return GatedRun(decisions=decisions, waivers=waivers, verdict=word, exit_code=gates.worst_exit_code(code, kept))


def metric_problems(run: AuditRun, asked: Mapping[str, GateTable]) -> Iterator[Problem]:
    """Gates on analyzers that took no part in a run, and on metrics that the run does not know.

    A metric is known when an analyzer gave it, when the run has a sentence for its name, or when a gate of the run's
    own is on it. An analyzer without a result is no problem here; its gate is decided as the audit would.

    Args:
        asked: By place.
    """
    own = {decision.metric for decision in run.gates}
    named = run.messages.get("en", {})
    analyzers = list(dict.fromkeys([*run.config.get("analyzers", ()), *(result.analyzer for result in run.results)]))
    for place, gate in asked.items():
        analyzer, _, metric = gate.metric.partition(".")
        if gate.metric in own:
            continue
        if analyzer not in analyzers:
            yield Problem(
                message="the run has no analyzer of this name",
                where=f"{place}.metric",
                found=gate.metric,
                allowed=", ".join(analyzers) or "no analyzers",
                fix=nearest(analyzer, analyzers) or f"audit again with [analyzers.{analyzer}], or leave the gate out",
            )
            continue
        result = run.result(analyzer)
        given = list(dict.fromkeys(one.name for one in result.metrics)) if result else []
        if result and result.status == "ok" and metric not in given and gate.metric not in named:
            yield Problem(
                message=f"{analyzer} gave no metric of this name in the run",
                where=f"{place}.metric",
                found=metric,
                allowed=", ".join(given[:_LISTED]) + (", …" if len(given) > _LISTED else "") or "no metrics",
                fix=nearest(metric, given),
            )


def _given(run: AuditRun, files: Sequence[str], base: Path) -> GivenGates:
    """The gates of files, without a fault that could be found."""
    sources = [GateSource(text=file, base=base) for file in files]
    given = read_gates(sources, task=run.model.task, sensitive=run.data.sensitive)
    problems = [*given.problems, *id_problems(with_gates(Parts(), given)), *metric_problems(run, given.gates)]
    if not problems and not given.gates:
        problems.append(
            Problem(
                message="there is no gate to decide",
                where=", ".join(files),
                found="waivers alone",
                fix="write `[[gates]]`, or name a preset",
            )
        )
    if problems:
        raise ConfigError(f"{', '.join(files)} cannot be decided on this run", problems=tuple(problems))
    return given


def _own(run: AuditRun) -> GivenGates:
    """The gates and waivers that the audit had."""
    try:
        own = GateFile.model_validate({key: run.config.get(key, ()) for key in ("gates", "waivers")})
    except ValidationError as error:
        raise RecordError(
            "the gates in the record cannot be read",
            where="run.json: config.gates",
            found=f"{error.error_count()} fault(s)",
            fix="name the gates with --gates, or use the version that wrote the record",
        ) from error
    return GivenGates(
        gates={f"gates[{index}]": gate for index, gate in enumerate(own.gates)},
        waivers={f"waivers[{index}]": waiver for index, waiver in enumerate(own.waivers)},
    )


def _uncompared(run: AuditRun) -> gates.Judgement:
    """What a limit on the change comes to where the run has no comparison."""
    lost = next((warning for warning in run.warnings if warning.key == "core.baseline_lost"), None)
    return gates.NO_BASELINE if lost is None else ("error", lost)


def _kept_code(run: AuditRun) -> ExitCode:
    """What the run's own end says, whatever its gates: 3, 4, 5, or nothing."""
    if run.status != "complete":
        return ExitCode.INCOMPLETE
    return next((code for code in _KEPT if run.exit_code == code), ExitCode.PASSED)
