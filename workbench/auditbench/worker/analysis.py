"""Running one analyzer: from its record and a context to a result that is complete, checked, or says why it is not."""

from __future__ import annotations

import dataclasses
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.contracts import Analyzer, Needs
from auditbench.errors import AnalyzerNotPossible, ResultError
from auditbench.findings import Message
from auditbench.record import plain, validate
from auditbench.registry import missing_packages
from auditbench.results import AnalysisResult, Status
from auditbench.worker.array_store import checked, describe_array, read_only_array, with_stored
from auditbench.worker.process_state import undisturbed_process

if TYPE_CHECKING:
    from auditbench.arrays import Array
    from auditbench.context import AuditContext
    from auditbench.registry import Provided, Registry

_TEXT = 300
_TRACE = 20_000
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one analyzer.

    Attributes:
        details: Trace of what it raised; empty when it raised nothing.
        changed: Settings of the process that it left changed and that were put back.
    """

    result: AnalysisResult
    details: str = ""
    changed: tuple[str, ...] = ()

    def warnings(self, model_changes: str) -> tuple[Message, ...]:
        """What the run should say about an analyzer that did not leave everything as it found it.

        Args:
            model_changes: What of the model it changed, in words; empty when nothing.
        """
        found = {"core.process_changed": ", ".join(self.changed), "core.model_changed": model_changes}
        return tuple(
            Message(key=key, values={"analyzer": self.result.analyzer, "what": what})
            for key, what in found.items()
            if what
        )


def run_analyzer(
    provided: Provided[Analyzer],
    context: AuditContext,
    registry: Registry,
    *,
    required: bool = True,
    parameters: Mapping[str, Any] | None = None,
    store: Callable[[str, Any], Array] | None = None,
) -> Outcome:
    """Run one analyzer. Whatever it raises becomes a result that says so; only KeyboardInterrupt passes.

    Flags and generators of the process are put back afterwards.

    Args:
        parameters: The analyzer's parameters with defaults written out, as the record shows them.
        store: Replaces the arrays of the result; without it they stay in memory, read-only.
    """
    analyzer = provided.record
    base = AnalysisResult(
        analyzer=analyzer.name,
        topic=analyzer.topic,
        required=required,
        version=provided.origin.version,
        parameters=parameters or {},
    )
    if (reason := unmet_need(analyzer.needs, context)) is not None:
        return Outcome(result=_without_result(base, "not_applicable", reason))
    with undisturbed_process() as changed:
        outcome = _tried(analyzer, context, registry, base, store)
    return dataclasses.replace(outcome, changed=tuple(changed))


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
    return run_analyzer(provided, variant, registry, parameters=parameters).result


def unmet_need(needs: Needs, context: AuditContext) -> Message | None:
    """Why an analyzer with these needs cannot run on this model and data; None when it can."""
    facts = context.model.facts
    absent = [name for name in needs.capabilities if name not in facts.capabilities]
    if absent:
        return Message(key="core.not_applicable_capability", values={"capability": ", ".join(absent)})
    if needs.tasks and facts.task not in needs.tasks:
        return _not_for("task", facts.task, needs.tasks)
    if needs.modalities and context.data.modality not in needs.modalities:
        return _not_for("modality", context.data.modality, needs.modalities)
    if needs.sensitive_features and not context.data.sensitive_features:
        return Message(key="core.not_applicable_sensitive")
    packages = missing_packages(needs)
    if packages:
        return Message(key="core.not_applicable_package", values={"package": ", ".join(packages), "extra": needs.extra})
    return None


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


def presentable(text: str) -> str:
    """Text of an exception as a record may hold it: one line, short, without addresses or folders of this machine."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = _FOLDERS.sub("…/", _ADDRESS.sub("0x…", line))
    return line if len(line) <= _TEXT else f"{line[: _TEXT - 1]}…"


def _tried(
    analyzer: Analyzer,
    context: AuditContext,
    registry: Registry,
    base: AnalysisResult,
    store: Callable[[str, Any], Array] | None,
) -> Outcome:
    try:
        seed_everything(context)
        returned = registry.hook.auditbench_run_analyzer(analyzer=analyzer, context=context)
        return Outcome(result=_completed(returned, base, store))
    except AnalyzerNotPossible as error:
        return Outcome(result=_without_result(base, "not_applicable", _said("core.not_possible", error)))
    except KeyboardInterrupt:
        raise
    except ResultError as error:
        problem = error.problems[0]
        text = "; ".join(part for part in (problem.where, problem.message, problem.found) if part)
        reason = Message(key="core.invalid_result", values={"error": presentable(text)})
        return Outcome(result=_without_result(base, "failed", reason), details=_trace(error))
    except BaseException as error:  # noqa: BLE001 - also SystemExit: a plugin must not end the audit
        return Outcome(
            result=_without_result(base, "failed", _said("core.analyzer_raised", error)), details=_trace(error)
        )


def _completed(returned: Any, base: AnalysisResult, store: Callable[[str, Any], Array] | None) -> AnalysisResult:
    if not isinstance(returned, AnalysisResult):
        raise ResultError("expected an AnalysisResult", found=type(returned).__name__)
    own = {name: getattr(base, name) for name in ("analyzer", "topic", "required", "version", "parameters")}
    result = checked(dataclasses.replace(returned, **own))
    _check_form(with_stored(result, describe_array))
    return with_stored(result, store or read_only_array)


def _check_form(result: AnalysisResult) -> None:
    """Check every block against its declared type, as a reader of the record will.

    Raises:
        ResultError: With the first places that do not fit.
    """
    from auditbench.errors import RecordError

    try:
        validate(AnalysisResult, plain(result), where="result")
    except RecordError as error:
        raise ResultError("a block is not what it should be", problems=error.problems) from error
    except (TypeError, ValueError) as error:
        raise ResultError("a block holds what no record can", found=str(error)) from error


def _without_result(base: AnalysisResult, status: Status, reason: Message) -> AnalysisResult:
    return dataclasses.replace(base, status=status, reason=reason)


def _said(key: str, error: BaseException) -> Message:
    return Message(key=key, values={"type": type(error).__name__, "error": presentable(str(error))})


def _not_for(what: str, found: str, allowed: tuple[str, ...]) -> Message:
    return Message(key=f"core.not_applicable_{what}", values={"found": found, "allowed": ", ".join(allowed)})


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_TRACE:]
