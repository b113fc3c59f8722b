"""`toy_context`: an `AuditContext` that runs in this process and stores nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditbench.context import AuditContext, Trainer
from auditbench.engines import Engine
from auditbench.engines.local import LocalEngine
from auditbench.errors import PluginError
from auditbench.models import ModelUnderTest
from auditbench.results import AnalysisResult
from auditbench.testing.subjects import ToySubject, toy_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHost:
    """A host that shows no progress.

    Attributes:
        analyzers: What `AuditContext.rerun` can run, by name.
        steps: Every call of `progress` so far, as (analyzer, step, done, total).
        cancel_after: Number of these calls after which the analyzer is to stop, as at an interruption; None for never.
    """

    analyzers: Mapping[str, Callable[[AuditContext], AnalysisResult]] = field(default_factory=dict)
    steps: list[tuple[str, str, int, int]] = field(default_factory=list)
    cancel_after: int | None = None

    @property
    def cancelled(self) -> bool:
        """Whether there were `cancel_after` calls of `progress`; the next raises AnalysisCancelled."""
        return self.cancel_after is not None and len(self.steps) >= self.cancel_after

    def progress(self, analyzer: str, step: str, done: int, total: int) -> None:
        """Keep the call in `steps`."""
        self.steps.append((analyzer, step, done, total))

    def rerun(self, analyzer: str, context: AuditContext) -> AnalysisResult:
        """Call the function of that name; raises PluginError when there is none."""
        if analyzer not in self.analyzers:
            raise PluginError(
                f"{analyzer!r} does not take part in this audit",
                found=analyzer,
                allowed=", ".join(self.analyzers) or "nothing",
                fix="give it to QuietHost(analyzers=...)",
            )
        return self.analyzers[analyzer](context)


def toy_context(
    subject: ToySubject | None = None,
    *,
    analyzer: str = "toy",
    params: Any = None,
    seed: int = 0,
    models: Mapping[str, ModelUnderTest] | None = None,
    results: Mapping[str, AnalysisResult] | None = None,
    case_indices: tuple[int, ...] = (),
    raw_inputs: bool = False,
    trainer: Trainer | None = None,
    engine: Engine | None = None,
    host: QuietHost | None = None,
) -> AuditContext:
    """A context on a toy subject; `outputs` are what its model predicts for the evaluated rows.

    Args:
        subject: The default subject when absent.
        params: Parameters of the analyzer, as its `Params` would hold them.
        models: Further models, by name.
        results: Of analyzers that it comes after.
        trainer: What `refit` asks, such as `ToyTrainer(subject=subject)`; without one the model cannot be trained again.
        engine: The local engine, storing nothing, when absent.
    """
    import numpy as np

    subject = subject or toy_subject()
    batches = subject.data.batches(subject.model.batch_rows)
    return AuditContext(
        analyzer=analyzer,
        model=subject.model,
        data=subject.data,
        params=params,
        seed=seed,
        models=models or {},
        results=results or {},
        outputs=np.concatenate([subject.model.predict(rows.inputs) for rows in batches]),
        case_indices=case_indices,
        raw_inputs=raw_inputs,
        trainer=trainer,
        engine=engine or LocalEngine(),
        host=host or QuietHost(),
    )
