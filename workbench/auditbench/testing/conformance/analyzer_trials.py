"""`Trial`: one call of an analyzer as an audit makes it, and everything that can be seen of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditbench.arrays import StoredArray
from auditbench.context import AnalysisCancelled
from auditbench.contracts import Analyzer
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.registry import Provided, Registry
from auditbench.results import AnalysisResult
from auditbench.run import AuditFacts, AuditRun, Provenance
from auditbench.run_file import encode_run
from auditbench.testing.conformance.analyzer_scenes import Scene, copied
from auditbench.testing.conformance.row_counter import RowCounter
from auditbench.testing.contexts import QuietHost, toy_context
from auditbench.testing.toy_training import ToyTrainer
from auditbench.worker.analysis import Outcome, rerun, run_analyzer, unmet_need
from auditbench.worker.array_store import describe_array
from auditbench.worker.checking import parameters_of
from auditbench.worker.leftovers import Leftovers
from auditbench.worker.subject_state import model_watch, subject_state

if TYPE_CHECKING:
    from auditbench.context import AuditContext

_CASES = (3, 1)
"""Positions of the chosen cases; a scene of three rows has no row 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is called, and how.

    Attributes:
        params: As its `Params` holds them; `plain` the same as a record shows them.
        registry: Its hooks run the analyzer.
        global_seed: Of the global generators of random, numpy and torch while it runs.
        cancel_after: Words of progress after which it is to stop; None for never.
    """

    provided: Provided[Analyzer]
    params: Any
    plain: Mapping[str, Any]
    registry: Registry
    global_seed: int
    cancel_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a call.

    Attributes:
        result: As the host completes it, its arrays described by their digests.
        returned: What the analyzer returned, and `error` what it raised; None where it did not.
        checked: What its `check` raised for the same model and data; None without one, or where it raised nothing.
        steps: Of progress, as (step, done, total).
        rows: Rows that the model evaluated; `check_rows` those for its `check`.
        left: What it left changed, in words, by the key of the promise.
    """

    scene: Scene
    result: AnalysisResult
    returned: Any = None
    error: BaseException | None = None
    checked: BaseException | None = None
    steps: tuple[tuple[str, int, int], ...] = ()
    rows: int = 0
    check_rows: int = 0
    left: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.result.status == "ok"


def try_analyzer(call: Call, scene: Scene) -> Trial:
    """Run an analyzer behind the host's guards; what it raises is part of the trial."""
    host = _Host(cancel_after=call.cancel_after, registry=call.registry)
    context = toy_context(
        scene.subject,
        analyzer=call.provided.record.name,
        params=call.params,
        models=scene.models,
        trainer=_trainer(call.provided.record, scene),
        case_indices=tuple(case for case in _CASES if case < len(scene.subject.data)),
        host=host,
    )
    before = _Before(context)
    checking = RowCounter()
    checked = _checked(call.provided.record, context, checking)
    watched = _Watched(call.provided.record, call.global_seed)
    outcome = run_analyzer(
        dataclasses.replace(call.provided, record=dataclasses.replace(watched.analyzer, analyze=watched.analyze)),
        context,
        call.registry,
        parameters=call.plain,
        store=_described,
        subject_changes=before.subject_changes,
        own_process=False,
    )
    return Trial(
        scene=scene,
        result=outcome.result,
        returned=watched.returned,
        error=watched.error,
        checked=checked,
        steps=tuple((step, done, total) for _, step, done, total in host.steps),
        rows=watched.counter.rows,
        check_rows=checking.rows,
        left=before.left(outcome),
    )


def need_of(analyzer: Analyzer, scene: Scene) -> Message | None:
    """Why the host would not run the analyzer there; None where it would."""
    return unmet_need(
        analyzer.needs, toy_context(scene.subject, models=scene.models, trainer=_trainer(analyzer, scene))
    )


def stable_record(trial: Trial) -> dict[str, Any]:
    """The result as run.json holds it, without what a clock or a meter gave."""
    (result,) = json.loads(encode_run(run_with(trial)))["results"]
    return dict(result)


def run_with(trial: Trial) -> AuditRun:
    """A run with this result alone."""
    facts = trial.scene.subject.model.facts
    return AuditRun(
        status="complete",
        verdict="no_gates",
        exit_code=0,
        audit=AuditFacts(name="conformance"),
        config={},
        model=facts,
        data=trial.scene.subject.data.facts,
        results=(trial.result,),
        provenance=Provenance(product="", python="", packages={}, plugins=(), seed=0, device="cpu", threads=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host(QuietHost):
    """One that can run every installed analyzer again, with its default parameters."""

    registry: Registry

    def rerun(self, analyzer: str, context: AuditContext) -> AnalysisResult:
        """Run the analyzer of that name; raises PluginError when there is none."""
        return rerun(analyzer, context, self.registry, lambda provided: parameters_of(provided, {}))


class _Watched:
    """An analyzer whose rows are counted, and what it returned or raised."""

    def __init__(self, analyzer: Analyzer, global_seed: int) -> None:
        self.analyzer = analyzer
        self.counter = RowCounter()
        self.returned: Any = None
        self.error: BaseException | None = None
        self._seed = global_seed

    def analyze(self, context: AuditContext, params: Any) -> Any:
        """Call it under the given global seeds."""
        random.seed(self._seed)
        np.random.seed(self._seed)  # noqa: NPY002 - the generator that is looked for here
        torch.manual_seed(self._seed)
        with self.counter.counting(context.model, *context.models.values()):
            try:
                self.returned = self.analyzer.analyze(context, params)
            except AnalysisCancelled as error:  # passes the guards here, and what it left is to be looked at
                self.error = error
                raise AnalyzerNotPossible("it stopped as it was told to") from error
            except BaseException as error:
                self.error = error
                raise
        return self.returned


class _Before:
    """Model, data, context and process before a call."""

    def __init__(self, context: AuditContext) -> None:
        self._context = context
        self._state = subject_state(context.model, context.data, context.outputs)
        self._others = {name: model_watch(model, context.data) for name, model in context.models.items()}
        self._known = dict(_known(context))
        self._leftovers = Leftovers()

    def subject_changes(self) -> tuple[str, ...]:
        """Kinds of state of model and data that are other now."""
        context = self._context
        found = list(self._state.changes(context.model, context.data, context.outputs))
        for name, watch in self._others.items():
            found += watch.changes(context.models[name], context.data)
        return tuple(dict.fromkeys(found))

    def left(self, outcome: Outcome) -> dict[str, tuple[str, ...]]:
        """What a call left changed, in words, by the key of the promise."""
        unknown = () if outcome.unknown is None else ("it cannot be evaluated any more",)
        return {
            "leaves-the-model": (*(kind for kind in outcome.subject_changes if kind != "data"), *unknown),
            "leaves-the-data": tuple(kind for kind in outcome.subject_changes if kind == "data"),
            "leaves-the-context": tuple(name for name, value in _known(self._context) if value != self._known[name]),
            "leaves-the-process": (*outcome.changed, *outcome.stuck, *self._leftovers.since()),
        }


def _trainer(analyzer: Analyzer, scene: Scene) -> ToyTrainer | None:
    """What trains the toy model again, for an analyzer that says it needs that; its copies are of a model that nothing
    watches, so that rows which are trained on are none that the analyzer evaluates.
    """
    return ToyTrainer(subject=copied(scene).subject) if analyzer.needs.training else None


def _checked(analyzer: Analyzer, context: AuditContext, counter: RowCounter) -> BaseException | None:
    if analyzer.check is None:
        return None
    try:
        with counter.counting(context.model):
            analyzer.check(context.model, context.data, context.params)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code
        return error
    return None


def _described(name: str, array: Any) -> StoredArray:
    """What a file of the array would be known by, without one."""
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return dataclasses.replace(describe_array(name, array), sha256=digest)


def _known(context: AuditContext) -> Iterator[tuple[str, Any]]:
    """What a context holds beside model and data."""
    params = context.params
    yield "params", params.model_dump() if hasattr(params, "model_dump") else repr(params)
    yield "models", tuple(context.models)
    yield "results", tuple(context.results)
    yield "seed", context.seed
    yield "case_indices", context.case_indices
