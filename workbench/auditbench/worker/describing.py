"""What a plugin provides, said as plain data once it is loaded. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from auditbench.contracts import Analyzer
from auditbench.descriptions import AnalyzerDescription, PluginDescription, Provision
from auditbench.errors import AuditbenchError, ConfigError, PluginError, Problem
from auditbench.gate_checks import undeclared
from auditbench.missing_needs import missing_dependency, missing_packages, missing_programs
from auditbench.plugin_entries import PluginEntry, list_entry_points
from auditbench.presets import Preset, presets_of
from auditbench.registry import Provided, Registry
from auditbench.run import PluginFacts

_KINDS = {
    "Renderer": "renderer",
    "ModelLoader": "model format",
    "DatasetLoader": "data set",
    "Architecture": "architecture",
}


def describe_plugin(registry: Registry, name: str) -> PluginDescription:
    """Load a plugin and say what it provides, or why it cannot be used."""
    try:
        entry = registry.load(name)
        records = registry.provided_by(entry.name)
        analyzers = tuple(describe_analyzer(item) for item in records if isinstance(item.record, Analyzer))
        return PluginDescription(
            plugin=entry.facts(),
            first_party=entry.first_party,
            api=registry.api_of(entry.name),
            hooks=registry.hooks_of(entry.name),
            analyzers=analyzers,
            provides=(
                *(_provision(item) for item in records if not isinstance(item.record, Analyzer)),
                *_presets(entry, analyzers),
            ),
        )
    except AuditbenchError as error:
        known = next((entry for entry in list_entry_points() if entry.name == name), None)
        facts = known.facts() if known else PluginFacts(name=name, distribution="", version="")
        return PluginDescription(plugin=facts, first_party=bool(known and known.first_party), problems=error.problems)


def describe_analyzer(
    provided: Provided[Analyzer], parameters: Mapping[str, Any] | None = None, *, code: str = ""
) -> AnalyzerDescription:
    """An analyzer without its code.

    Args:
        parameters: As validated, with defaults written out.
        code: Digest of the code that its result comes from.

    Raises:
        PluginError: Its Params give no JSON Schema.
    """
    record = provided.record
    missing = missing_dependency(record.needs, provided.origin, record.name)
    return AnalyzerDescription(
        name=record.name,
        topic=record.topic,
        summary=record.summary,
        plugin=provided.origin.facts(),
        needs=record.needs,
        after=record.after,
        metrics=record.metrics,
        metric_tasks=record.metric_tasks,
        shares=record.shares,
        methods=record.methods,
        cost=record.cost,
        checks=record.check is not None,
        schema=_schema(record),
        parameters=parameters or {},
        messages=record.messages,
        code=code,
        missing_packages=missing_packages(record.needs),
        missing_programs=missing_programs(record.needs),
        missing=missing.problems[0] if missing else None,
    )


def _schema(record: Any) -> Mapping[str, Any]:
    """JSON Schema of a record's parameters; empty when it has none."""
    params = getattr(record, "Params", None)
    try:
        schema: dict[str, Any] = params.model_json_schema() if params else {}
    except Exception as error:  # a plugin's own schema code
        raise PluginError(
            "the parameters have no JSON Schema",
            where=record.name,
            found=str(error)[:200],
            fix="take types that pydantic can describe, and correct `json_schema_extra`",
        ) from error
    return schema


def _provision(provided: Provided[Any]) -> Provision:
    record = provided.record
    missing = missing_dependency(record.needs, provided.origin, record.name)
    return Provision(
        kind=_KINDS[type(record).__name__],
        name=record.name,
        summary=record.summary,
        schema=_schema(record),
        missing=missing.problems[0] if missing else None,
    )


def _presets(entry: PluginEntry, analyzers: Sequence[AnalyzerDescription]) -> Iterator[Provision]:
    """The presets in the package of a plugin; one that cannot be used with the first thing that is wrong with it."""
    for name, found in presets_of(entry.distribution, entry.name).items():
        if isinstance(found, ConfigError):
            yield Provision(kind="preset", name=name, summary=str(found), missing=found.problems[0])
        else:
            wrong = next(_undecidable(found, analyzers), None)
            yield Provision(kind="preset", name=name, summary=found.sentences["en"][f"preset.{name}"], missing=wrong)


def _undecidable(preset: Preset, analyzers: Sequence[AnalyzerDescription]) -> Iterator[Problem]:
    """Gates of a preset that the plugin's own analyzers can never decide."""
    named = {analyzer.name: analyzer for analyzer in analyzers}
    for task in preset.tasks:
        for gate in preset.gates:
            if own := named.get(gate.table.metric.partition(".")[0]):
                yield from undeclared(gate.table, own, task, f"preset:{preset.name}: {gate.table.id}")
