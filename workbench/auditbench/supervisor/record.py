"""From what the workers said to the `AuditRun` that is written, rendered and gated."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

from auditbench import gates
from auditbench.arrays import IntegerArray
from auditbench.comparison.record import Comparison
from auditbench.config import AuditConfig, GateTable
from auditbench.config_file import LoadedConfig
from auditbench.digests import digest_of
from auditbench.errors import ExitCode, PluginError
from auditbench.findings import Message, Waiver, changed_their_subject
from auditbench.messages import Templates, load_messages, shipped_messages
from auditbench.plugin_entries import find_entry
from auditbench.presets import explanation_messages
from auditbench.provenance import DISTRIBUTION, host_facts, provenance
from auditbench.results import AnalysisResult
from auditbench.run import AuditFacts, AuditRun, Case, DataFacts, ModelFacts, Volatile
from auditbench.supervisor.data_warnings import data_warnings
from auditbench.supervisor.planning import Plan
from auditbench.supervisor.result_warnings import result_warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSubject:
    """What the first worker said about model, data and itself.

    Attributes:
        device: `cpu`, or the kind of GPU.
        training: Cost of training, where it is known.
        seconds: Of `train` and `load`.
        code: Digest of the plugins that model and data come from.
        others: Digests of the further models, by name.
        sent: What opening it sent to servers of models; empty where there is none.
    """

    model: ModelFacts
    data: DataFacts
    cases: tuple[Case, ...] = ()
    case_rule: Message | None = None
    device: str = "cpu"
    training: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    threads: int = 1
    flags: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a run happened, where its time went, and what it sent to servers of models; all of it is volatile."""

    started: str
    finished: str
    command: str
    seconds: Mapping[str, float]
    details: Mapping[str, str]
    sent: Mapping[str, int] = field(default_factory=dict)


def moment() -> str:
    """The time now, as a record holds it: ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def build_run(
    loaded: LoadedConfig,
    plan: Plan,
    subject: OpenedSubject,
    results: Sequence[AnalysisResult],
    timing: Timing,
    *,
    status: Literal["complete", "interrupted"] = "complete",
    row_keys: IntegerArray | None = None,
    row_clusters: IntegerArray | None = None,
    comparison: Comparison | None = None,
    uncompared: gates.Judgement = gates.NO_BASELINE,
    stopped: ExitCode | None = None,
    warnings: tuple[Message, ...] = (),
) -> AuditRun:
    """Decide the gates and put the record together.

    Args:
        comparison: With the baseline; a gate on the change since it is decided by this, without one by `uncompared`.
        stopped: Exit code of the signal that ended the run early.
    """
    config = loaded.config
    today = datetime.datetime.now(datetime.UTC).date()
    changed = changed_their_subject(warnings)
    decisions = gates.decide(
        config.gates,
        results,
        config.waivers,
        today=today,
        changed=changed,
        comparison=comparison,
        uncompared=uncompared,
    )
    model, data = without_vocabulary(subject.model, subject.data)
    word, code = gates.verdict(decisions, results, rows=subject.data.rows)
    templates = _messages(plan, config.gates)
    declared = {item.name: item.description.metrics for item in plan.analyzers if item.description}
    return AuditRun(
        status=status,
        verdict=word if stopped is None else gates.at_best_incomplete(word),
        exit_code=int(code if stopped is None else stopped),
        audit=_audit_facts(config),
        config=echo(config, results),
        model=model,
        data=_without_folders(data),
        row_keys=row_keys,
        row_clusters=row_clusters,
        cases=subject.cases,
        case_rule=subject.case_rule,
        results=tuple(results),
        gates=decisions,
        waivers=tuple(Waiver(**waiver.model_dump()) for waiver in config.waivers),
        baseline=comparison,
        messages=templates,
        warnings=(*data_warnings(data), *warnings, *result_warnings(results, declared, templates)),
        provenance=provenance(
            plugins=plan.plugins,
            seed=config.audit.seed,
            device=subject.device,
            threads=subject.threads,
            determinism=subject.flags,
            config_sha256=loaded.digest,
            formats=model_formats(config),
        ),
        volatile=Volatile(
            started=timing.started,
            finished=timing.finished,
            command=timing.command,
            seconds=timing.seconds,
            host=host_facts(),
            training=subject.training,
            details=timing.details,
            sent=timing.sent,
        ),
    )


def without_vocabulary(model: ModelFacts, data: DataFacts) -> tuple[ModelFacts, DataFacts]:
    """The same facts, of a language model without its tokens: a word of one training text may point at a person."""
    if model.task != "next-token":
        return model, data
    names = model.classes
    model = dataclasses.replace(model, classes=(), class_count=len(names), classes_digest=digest_of(names))
    return model, dataclasses.replace(data, outcomes={})


def model_formats(config: AuditConfig) -> set[str]:
    """Formats of the audited model and of those that it is compared with."""
    return {config.model.format, *(table.format for table in config.models.values())}


def with_exit_code(run: AuditRun, code: ExitCode) -> AuditRun:
    """The same run with at least this exit code, by the precedence of codes."""
    return dataclasses.replace(run, exit_code=int(gates.worst_exit_code(ExitCode(run.exit_code), code)))


def with_failed_formats(
    run: AuditRun, failures: Mapping[str, Message], details: Mapping[str, str], *, ours: bool
) -> AuditRun:
    """The same run, saying that reports were not written: their evidence is missing to whoever would read them.

    Args:
        failures: Why, by format.
        details: Traces, by format.
        ours: Whether a renderer of ours is among the failed.
    """
    traces = {**run.volatile.details, **{f"render:{name}": text for name, text in details.items()}}
    run = dataclasses.replace(
        run,
        verdict=gates.at_best_incomplete(run.verdict),
        warnings=run.warnings + tuple(failures.values()),
        volatile=dataclasses.replace(run.volatile, details=traces),
    )
    return with_exit_code(run, ExitCode.INTERNAL_ERROR if ours else ExitCode.INCOMPLETE)


def empty_subject(config: AuditConfig) -> OpenedSubject:
    """What is known of a subject without rows, which was never opened."""
    name = config.data.dataset or PurePath(config.data.test or "").name
    model = ModelFacts(
        name=config.model.name or config.audit.name,
        format=config.model.format,
        architecture="",
        task=config.model.task,
        output="value",
        parameters=0,
        digest="",
    )
    data = DataFacts(name=name, digests={}, rows=0, train_rows=0, target=config.data.target)
    return OpenedSubject(model=model, data=data)


def echo(config: AuditConfig, results: Sequence[AnalysisResult]) -> dict[str, Any]:
    """The config as resolved, with the analyzers' defaults written out and without folders of this machine."""
    document = config.model_dump(mode="json")
    for result in results:
        if result.analyzer in document["analyzers"] and result.parameters:
            document["analyzers"][result.analyzer]["parameters"] = dict(result.parameters)
    for table in (document["model"], *document["models"].values()):
        _cut(table, "path", "factory")
    _cut(document["data"], "test", "train")
    if document["train"] is not None:
        _cut(document["train"], "init_from")
    document["audit"]["gates"] = [_without_folder(name) for name in document["audit"]["gates"]]
    return document


def _cut(table: dict[str, Any], *keys: str) -> None:
    for key in keys:
        if table[key] is not None:
            table[key] = _without_folder(table[key])


def _without_folder(path: str) -> str:
    return PurePath(path).name if PurePath(path).is_absolute() else path


def _without_folders(data: DataFacts) -> DataFacts:
    """The same facts with files outside the config's folder by name; two of one name are numbered."""
    digests: dict[str, str] = {}
    for path, digest in data.digests.items():
        name = _without_folder(path)
        same = sum(known == name or known.startswith(f"{name} (") for known in digests)
        digests[f"{name} ({same + 1})" if same else name] = digest
    return dataclasses.replace(data, digests=digests)


def _audit_facts(config: AuditConfig) -> AuditFacts:
    return AuditFacts(**config.audit.model_dump(exclude={"gates", "plugins"}))


def _messages(plan: Plan, asked: Sequence[GateTable]) -> dict[str, dict[str, Any]]:
    """The host's templates, those of the gates of presets and of the analyzers of the config; the host's words win."""
    merged: dict[str, dict[str, Any]] = {}
    described = [item.description.messages if item.description else _of_left_out(item.name) for item in plan.analyzers]
    for part in (*described, explanation_messages(asked), load_messages(DISTRIBUTION)):
        for language, templates in part.items():
            merged.setdefault(language, {}).update(templates)
    return {language: dict(sorted(merged[language].items())) for language in sorted(merged)}


def _of_left_out(analyzer: str) -> Mapping[str, Templates]:
    """Templates of an analyzer whose plugin was not loaded, so that a gate on it has its title; empty if none is there."""
    try:
        return shipped_messages(find_entry(analyzer).module)
    except (PluginError, ImportError, ValueError):
        return {}
