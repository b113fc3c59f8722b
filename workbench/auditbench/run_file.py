"""How run.json is written and read.

Everything a clock, a meter or the host decides stands under `volatile`, so that the rest is equal between equal runs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditbench.comparison.record import Comparison, MetricChange
from auditbench.errors import RecordError
from auditbench.findings import GateDecision
from auditbench.record import adapter, bind_arrays, plain, validate
from auditbench.results import AnalysisResult
from auditbench.run import SCHEMA_VERSION, AuditRun


def encode_run(run: AuditRun) -> bytes:
    """The bytes of run.json: values of clocks and meters moved under `volatile`, no NaN, keys in a fixed order."""
    stable, metered = zip(*(_split_result(result) for result in run.results), strict=True) if run.results else ((), ())
    volatile = dataclasses.replace(
        run.volatile,
        results=tuple(result for result in metered if result is not None),
        gates=tuple(decision for decision in run.gates if not decision.repeatable),
        changes=tuple(change for change in _changes(run) if not change.repeatable),
    )
    gates = tuple(decision for decision in run.gates if decision.repeatable)
    baseline = _with_changes(run.baseline, tuple(change for change in _changes(run) if change.repeatable))
    document = plain(dataclasses.replace(run, results=stable, gates=gates, baseline=baseline, volatile=volatile))
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def decode_run(content: bytes, *, folder: Path | None = None) -> AuditRun:
    """Read the bytes of a run.json of this or an earlier schema version.

    Raises:
        RecordError: It is not JSON, of a later version, or does not follow the schema.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise RecordError("run.json is not valid JSON", found=str(error), fix="run the audit again") from error
    run = validate(AuditRun, migrate(document), where="run.json")
    merged = tuple(_merge_result(result, run.volatile.results) for result in run.results)
    gates = _in_config_order(run.gates + run.volatile.gates, run.config)
    baseline = _with_changes(run.baseline, _changes(run) + run.volatile.changes)
    volatile = dataclasses.replace(run.volatile, results=(), gates=(), changes=())
    run = dataclasses.replace(run, results=merged, gates=gates, baseline=baseline, volatile=volatile)
    return run if folder is None else bind_arrays(run, folder)


def read_run(path: Path) -> AuditRun:
    """Read a run folder, or its run.json; arrays are read when they are used.

    Raises:
        RecordError: There is no readable record.
    """
    file = path / "run.json" if path.is_dir() else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecordError(
            "there is no record of an audit",
            where=str(file),
            found=str(error.strerror),
            fix="name a folder with run.json",
        ) from error
    try:
        return decode_run(content, folder=file.parent)
    except RecordError as error:
        problems = tuple(
            dataclasses.replace(problem, where=f"{file}{problem.where.removeprefix('run.json')}")
            for problem in error.problems
        )
        raise RecordError(error.args[0], problems=problems) from error


def migrate(document: Any, migrations: Mapping[int, Any] | None = None) -> dict[str, Any]:
    """Bring a parsed run.json to the current schema, one version at a time.

    Args:
        migrations: By version: a function from the document of that version to the document of the next.

    Raises:
        RecordError: The version is missing, later than this one, or has no migration.
    """
    steps = _MIGRATIONS if migrations is None else migrations
    latest = SCHEMA_VERSION if migrations is None else max(migrations, default=SCHEMA_VERSION - 1) + 1
    version = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise RecordError("expected an object with an integer `schema`", where="run.json")
    while version != latest:
        if version not in steps:
            raise RecordError(
                "this record is of a schema that this version does not read",
                where="run.json",
                found=f"schema {version}",
                allowed=f"schema {min(steps, default=latest)} to {latest}",
                fix="install the version of auditbench that wrote it, or run the audit again",
            )
        document = {**steps[version](document), "schema": version + 1}
        version += 1
    return dict(document)


def run_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of run.json."""
    return adapter(AuditRun).json_schema()


def is_repeatable(result: AnalysisResult) -> bool:
    """Whether no value of a result came from a clock or a meter."""
    return all(block.repeatable for name in _BLOCKS for block in getattr(result, name))


_MIGRATIONS: dict[int, Any] = {}
_BLOCKS = ("metrics", "tables", "curves", "scatters", "percentiles", "paired_changes", "custom_blocks")


def _split_result(result: AnalysisResult) -> tuple[AnalysisResult, AnalysisResult | None]:
    """The repeatable part of a result, and the part that a clock or a meter produced, if there is one."""
    stable: dict[str, Any] = {}
    metered: dict[str, Any] = {}
    for name in _BLOCKS:
        blocks = getattr(result, name)
        stable[name] = tuple(block for block in blocks if block.repeatable)
        metered[name] = tuple(block for block in blocks if not block.repeatable)
    rest = AnalysisResult(analyzer=result.analyzer, topic=result.topic, **metered) if any(metered.values()) else None
    return dataclasses.replace(result, **stable), rest


def _merge_result(result: AnalysisResult, metered: tuple[AnalysisResult, ...]) -> AnalysisResult:
    rest = next((part for part in metered if part.analyzer == result.analyzer), None)
    if rest is None:
        return result
    return dataclasses.replace(result, **{name: getattr(result, name) + getattr(rest, name) for name in _BLOCKS})


def _changes(run: AuditRun) -> tuple[MetricChange, ...]:
    return run.baseline.metrics if run.baseline else ()


def _with_changes(comparison: Comparison | None, changes: tuple[MetricChange, ...]) -> Comparison | None:
    return dataclasses.replace(comparison, metrics=changes) if comparison else None


def _in_config_order(decisions: tuple[GateDecision, ...], config: Mapping[str, Any]) -> tuple[GateDecision, ...]:
    """Decisions as their gates stand in the config; what the config does not know comes last."""
    tables = [table for table in config.get("gates", ()) if isinstance(table, Mapping)]

    named = {table["id"]: index for index, table in enumerate(tables) if table.get("id")}

    def place(decision: GateDecision) -> int:
        if decision.id in named:
            return named[decision.id]
        asked = (decision.metric, decision.where)
        unnamed = (index for index, table in enumerate(tables) if not table.get("id"))
        fitting = (index for index in unnamed if (tables[index].get("metric"), tables[index].get("where")) == asked)
        return next(fitting, len(tables))

    return tuple(sorted(decisions, key=place))
