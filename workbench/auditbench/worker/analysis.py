"""Running one analyzer: from its record and a context to a result that is complete, checked, or says why it is not."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench import analyzer_needs
from auditbench.context import AnalysisCancelled
from auditbench.contracts import Analyzer, Needs
from auditbench.deprecation import heard_uses
from auditbench.errors import AnalyzerNotPossible, ConfigError, ResultError
from auditbench.findings import Finding, Message
from auditbench.machine_memory import GIB
from auditbench.missing_needs import missing_packages, missing_programs, way_to_install
from auditbench.models.out_of_memory import bytes_needed, is_out_of_memory
from auditbench.record import plain, validate
from auditbench.registry import holds
from auditbench.results import AnalysisResult, CustomBlock, MethodFacts, Status
from auditbench.worker.array_store import checked, describe_array, read_only_array, with_stored
from auditbench.worker.determinism import named_operations
from auditbench.worker.guard import guarded
from auditbench.worker.hidden_inputs import without_inputs
from auditbench.worker.memory_limit import limited_memory
from auditbench.worker.raised import NO_TEXT, free_frames, place_of, trace_of
from auditbench.worker.reasons import not_possible, presentable, said, settings_refused
from auditbench.worker.subject_state import OUTPUTS

if TYPE_CHECKING:
    from auditbench.arrays import Array
    from auditbench.context import AuditContext
    from auditbench.registry import Provided, Registry

_Bounds: TypeAlias = Callable[[], AbstractContextManager[int | None]]
"""Opens a block that runs within a limit on memory, and gives that limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one analyzer.

    Attributes:
        details: Trace of what it raised; empty when it raised nothing.
        changed: Settings, functions and classes that it left changed and that were put back.
        stuck: What it left changed or running and what cannot be put back, or could not be looked at.
        subject_changes: Kinds of state of model and data that it changed: the subject has to be opened again.
        unknown: What looking at model and data raised, whoever is to blame; None where that went well.
        guard_seconds: What looking for all this cost.
        not_repeatable: Operations that it used and that give other bits from run to run.
        deprecations: What the run says of names that it used and that go away.
    """

    result: AnalysisResult
    details: str = ""
    changed: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    subject_changes: tuple[str, ...] = ()
    unknown: Message | None = None
    guard_seconds: float = 0.0
    not_repeatable: tuple[str, ...] = ()
    deprecations: tuple[Message, ...] = ()

    @property
    def restart(self) -> bool:
        """Whether the next analyzer needs another process."""
        return bool(self.stuck) or self.unknown is not None or OUTPUTS in self.subject_changes

    def warnings(self, *, own_process: bool = True) -> tuple[Message, ...]:
        """What the run should say about an analyzer that did not leave everything as it found it.

        Args:
            own_process: Whether the process is a worker, which is started again where something cannot be put back.
        """
        name = self.result.analyzer
        stuck = "core.process_not_restored" if own_process else "core.process_left_changed"
        found = {
            "core.process_changed": self.changed,
            stuck: self.stuck,
            "core.model_changed": self.subject_changes,
            "core.not_repeatable": self.not_repeatable,
        }
        warnings = [
            Message(key=key, values={"analyzer": name, "what": ", ".join(what)}) for key, what in found.items() if what
        ]
        return (*warnings, *self.deprecations, *(() if self.unknown is None else (self.unknown,)))


def run_analyzer(
    provided: Provided[Analyzer],
    context: AuditContext,
    registry: Registry,
    *,
    required: bool = True,
    parameters: Mapping[str, Any] | None = None,
    store: Callable[[str, Any], Array] | None = None,
    subject_changes: Callable[[], tuple[str, ...]] | None = None,
    own_process: bool = True,
    memory: int | None = None,
) -> Outcome:
    """Run one analyzer. Whatever it raises becomes a result that says so; in a process of somebody else
    KeyboardInterrupt passes, which may be the user's, and in another analyzer that is to stop AnalysisCancelled does.

    Code, settings and generators of the process are put back before the result is looked at.

    Args:
        parameters: The analyzer's parameters with defaults written out, as the record shows them.
        store: Replaces the arrays of the result; without it they stay in memory, read-only.
        subject_changes: Says what of model and data is other than before; asked once the process is as before.
        own_process: Whether the process works for the audit alone; otherwise its threads and files may be others'.
        memory: Bytes that the process may have while the analyzer runs and its result is taken; what looks behind the
            analyzer is not limited by them.
    """
    analyzer = provided.record
    base = AnalysisResult(
        analyzer=analyzer.name,
        topic=analyzer.topic,
        required=required,
        version=provided.origin.version,
        parameters=parameters or {},
    )
    install = way_to_install(analyzer.needs, provided.origin)
    if (reason := unmet_need(analyzer.needs, context, install=install)) is not None:
        return Outcome(result=_without_result(base, "not_applicable", reason))
    _import_packages(analyzer.needs)
    bounds = functools.partial(limited_memory, memory, context.model.device)
    with (
        heard_uses() as uses,
        named_operations() as operations,
        guarded((context.model.module, context.model.encoder), own_process=own_process) as traces,
    ):
        call = _called(provided, context, registry, bounds, interruptible=not own_process)
        if own_process and call.error is not None and is_out_of_memory(call.error):
            free_frames(call.error)  # the guard needs memory to look
    store_all = functools.partial(_completed, provided=provided, base=base, store=store, raw_inputs=context.raw_inputs)
    result, details = _settled(call, base, store_all, bounds, interruptible=not own_process)
    del call
    if details:  # what the failed call held is freed before the model is looked at, which takes memory
        gc.collect()
    started = perf_counter()
    changes, unknown = _subject_changes(subject_changes, analyzer.name)
    spent = traces.seconds + perf_counter() - started
    return Outcome(
        result=result,
        details=details,
        changed=tuple(traces.changed),
        stuck=tuple(traces.stuck),
        subject_changes=changes,
        unknown=unknown,
        guard_seconds=spent,
        not_repeatable=tuple(sorted(operations)),
        deprecations=registry.deprecations(uses),
    )


def rerun(
    name: str,
    context: AuditContext,
    registry: Registry,
    parameters_of: Callable[[Provided[Analyzer]], tuple[Any, dict[str, Any]]],
) -> AnalysisResult:
    """Run another analyzer of the audit on a variant of a context; its arrays stay in memory, its chunks are not kept.

    Args:
        parameters_of: Validated parameters of an analyzer that takes part; raises PluginError for others.
    """
    from auditbench.engines.local import LocalEngine

    provided = registry.analyzer(name)
    params, parameters = parameters_of(provided)
    variant = dataclasses.replace(context, analyzer=name, params=params, engine=LocalEngine())
    return run_analyzer(provided, variant, registry, parameters=parameters, own_process=False).result


def unmet_need(needs: Needs, context: AuditContext, *, install: str = "") -> Message | None:
    """Why an analyzer with these needs cannot run on this model and data; None when it can.

    Args:
        install: What to do about packages and programs that are not there.
    """
    facts = context.model.facts
    return analyzer_needs.unmet_need(
        needs,
        modality=context.data.modality,
        task=facts.task,
        sensitive=bool(context.data.sensitive_features),
        others=bool(context.models),
        training=context.trainer is not None,
        missing=missing_packages(needs) + missing_programs(needs),
        install=install,
        capabilities=facts.capabilities,
    )


def seed_everything(context: AuditContext) -> None:
    """Seed every global generator from audit seed and analyzer, so that results do not depend on what ran before."""
    import random

    import numpy as np
    import torch

    seed = int(context.rng("global").integers(2**32))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that analyzers call still draw from it
    torch.manual_seed(seed)


def observer_raised(plugin: str, error: Exception) -> Message:
    """The warning about an observer that raised."""
    values = {"plugin": plugin, "type": type(error).__name__, "error": presentable(str(error))}
    return Message(key="core.observer_raised", values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What an analyzer returned, or raised at which place of its plugin, and the bytes of memory that it could have."""

    returned: Any = None
    error: BaseException | None = None
    place: str = ""
    limit: int | None = None


def _import_packages(needs: Needs) -> None:
    """Import what an analyzer says it needs: libraries set up the process when they come in, and that is no fault of
    it. What cannot be imported it will find out itself.
    """
    for package in needs.packages:
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(package)


def _called(
    provided: Provided[Analyzer], context: AuditContext, registry: Registry, bounds: _Bounds, *, interruptible: bool
) -> _Call:
    limit = None
    try:
        with bounds() as limit:
            seed_everything(context)
            returned = registry.hook.auditbench_run_analyzer(analyzer=provided.record, context=context)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt) or (isinstance(error, AnalysisCancelled) and context.cancelled)
        if interruptible and stopped:
            raise
        place = place_of(error, functools.partial(holds, provided.origin))
        return _Call(error=error, place=place, limit=limit)
    return _Call(returned=returned, limit=limit)


def _settled(
    call: _Call,
    base: AnalysisResult,
    complete: Callable[[Any], AnalysisResult],
    bounds: _Bounds,
    *,
    interruptible: bool,
) -> tuple[AnalysisResult, str]:
    """The result of a call, complete and checked or saying why it is not, and the trace of what was raised."""
    if call.error is not None:
        return _failed(call.error, base, call.limit, call.place)
    try:
        with bounds():
            return complete(call.returned), ""
    except BaseException as error:
        if interruptible and isinstance(error, KeyboardInterrupt):
            raise
        return _failed(error, base, call.limit)


def _failed(
    error: BaseException, base: AnalysisResult, limit: int | None, place: str = ""
) -> tuple[AnalysisResult, str]:
    """The result that says what was raised, within what limit on memory, and its trace."""
    if isinstance(error, AnalyzerNotPossible):
        return _without_result(base, "not_applicable", not_possible(error)), ""
    if isinstance(error, ConfigError):
        return _without_result(base, "failed", settings_refused(error)), trace_of(error)
    if isinstance(error, ResultError):
        problem = error.problems[0]
        text = "; ".join(part for part in (problem.where, problem.message, problem.found) if part)
        reason = Message(key="core.invalid_result", values={"error": presentable(text)})
    else:
        reason = _memory_ran_out(error, limit) if is_out_of_memory(error) else said("core.analyzer_raised", error)
    if place:
        reason = dataclasses.replace(reason, values={**reason.values, "place": presentable(place)})
    return _without_result(base, "failed", reason), trace_of(error)


def _subject_changes(
    look: Callable[[], tuple[str, ...]] | None, analyzer: str
) -> tuple[tuple[str, ...], Message | None]:
    """What of model and data is other now, or that a look failed: the analyzer may have changed them, a server be gone."""
    try:
        return () if look is None else look(), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a model that was changed may raise anything; results are kept
        told = said("core.model_not_looked_at", error)
        return (), Message(key=told.key, values={"analyzer": analyzer, **told.values})


def _completed(
    returned: Any,
    *,
    provided: Provided[Analyzer],
    base: AnalysisResult,
    store: Callable[[str, Any], Array] | None,
    raw_inputs: bool,
) -> AnalysisResult:
    if not isinstance(returned, AnalysisResult):
        raise ResultError("expected an AnalysisResult", found=type(returned).__name__)
    own = {name: getattr(base, name) for name in ("analyzer", "topic", "required", "version", "parameters")}
    result = checked(dataclasses.replace(returned, **own))
    _check_form(with_stored(result, describe_array))
    _refuse_equal_findings(result.findings)
    _refuse_foreign_kinds(result.custom_blocks, provided.origin.name)
    result = dataclasses.replace(result, methods=_used(result, provided.record.methods))
    return with_stored(result if raw_inputs else without_inputs(result), store or read_only_array)


def _used(result: AnalysisResult, declared: tuple[MethodFacts, ...]) -> tuple[MethodFacts, ...]:
    """The methods that a result names, by itself or by its attributions, in the order of the analyzer.

    Raises:
        ResultError: It names one itself that the analyzer does not declare.
    """
    if unknown := set(result.methods).difference(declared):
        names = ", ".join(sorted(method.name for method in unknown))
        raise ResultError("expected methods that the analyzer declares", found=names)
    named = {method.name for method in result.methods} | {block.method for block in result.attributions}
    return tuple(method for method in declared if method.name in named)


def _refuse_equal_findings(findings: Iterable[Finding]) -> None:
    """Refuse two findings that a later run could not tell apart.

    Raises:
        ResultError: Two findings of one rule have the same `where`.
    """
    seen = set()
    for finding in findings:
        key = finding.rule, frozenset(finding.where.items())
        if key in seen:
            raise ResultError("expected different `where` for findings of one rule", found=str(key[0]))
        seen.add(key)


def _refuse_foreign_kinds(blocks: Iterable[CustomBlock], plugin: str) -> None:
    """Refuse a kind that is not the plugin's own, which another plugin may define otherwise.

    Raises:
        ResultError: A kind is not the plugin's name, a dot and more.
    """
    for block in blocks:
        if not re.fullmatch(rf"{re.escape(plugin)}(\.[a-z0-9_-]+)+", block.kind):
            message = f"expected a kind that is `{plugin}.` and words of small letters, parted by dots"
            raise ResultError(message, where=block.name, found=block.kind[:80])


def _check_form(result: AnalysisResult) -> None:
    """Check every block against its declared type, as a reader of the record will.

    Raises:
        ResultError: With the first places that do not fit.
    """
    from auditbench.errors import RecordError

    document = plain(result)
    try:
        validate(AnalysisResult, document, where="result")
        json.dumps(document, allow_nan=False)
    except RecordError as error:
        raise ResultError("a block is not what it should be", problems=error.problems) from error
    except (TypeError, ValueError) as error:
        raise ResultError("a block holds what no record can", found=str(error)) from error


def _without_result(base: AnalysisResult, status: Status, reason: Message) -> AnalysisResult:
    return dataclasses.replace(base, status=status, reason=reason)


def _memory_ran_out(error: BaseException, limit: int | None) -> Message:
    told = said("core.out_of_memory", error)
    values = {**told.values, "needed": bytes_needed(error)}
    if limit is None:
        return Message(key=told.key, values=values)
    silent = told.values["error"] == NO_TEXT
    key = "core.out_of_memory_limit_silent" if silent else "core.out_of_memory_limit"
    return Message(key=key, values={**values, "gib": limit / GIB})
