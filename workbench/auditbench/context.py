"""`AuditContext`: what an analyzer sees and may ask for. Read-only."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from auditbench.errors import AnalyzerNotPossible, ModelError, ResultError
from auditbench.results import AnalysisResult

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.data import EvaluationData, Rows
    from auditbench.engines import Engine, RowFunction
    from auditbench.models import ModelUnderTest


class AnalysisCancelled(BaseException):
    """The analyzer is to stop: the audit was interrupted, or its time is over. Raised so that `finally` blocks run.

    It is no error: like KeyboardInterrupt, it passes `except Exception`.

    Two seconds after the request the process ends with all it started, whatever the analyzer does with this. Nothing that
    it returns then is used; the chunks of `map_rows` that were finished are.
    """


class ContextHost(Protocol):
    """What stands behind a context: the worker, or the Python interface."""

    @property
    def cancelled(self) -> bool:
        """Whether the analyzer is to stop."""

    def progress(self, analyzer: str, step: str, done: int, total: int) -> None:
        """Tell how far an analyzer is; `step` is a short word such as `rows`."""

    def rerun(self, analyzer: str, context: AuditContext) -> AnalysisResult:
        """Run another analyzer in the same process on a variant of this context."""


class Trainer(Protocol):
    """What trains copies of the audited network: the host, by the `[train]` table of the config."""

    def train(
        self,
        *,
        name: str,
        labels: npt.NDArray[Any] | None,
        weights: npt.NDArray[np.float64] | None,
        reweigh: tuple[str, ...],
        progress: Callable[[int, int], None],
        look: Callable[[], None],
    ) -> ModelUnderTest:
        """Train one; the arguments are those of `AuditContext.refit`, checked.

        Args:
            progress: Called after each epoch with epochs done and epochs at most.
            look: Called in each step. What one of the two raises ends the training.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditContext:
    """What an analyzer sees.

    Attributes:
        analyzer: Name of the analyzer that it is for.
        model: The model under audit, which it may evaluate on any rows.
        data: The evaluated rows, and training rows as background.
        params: The analyzer's own validated parameters.
        seed: Of the audit; `rng` draws from it.
        models: The further models that the config names, by that name.
        results: Results of the analyzers it comes `after`, by name; only those that took part.
        outputs: The model's outputs for the evaluated rows, shape `(rows, outputs)`, in the declared scale.
        case_indices: Positions of the chosen cases among the evaluated rows.
        raw_inputs: Whether the config asks for inputs to be shown as they are. Otherwise images, words and series are taken
            out of the blocks of a result that show them; cells of tables and data of custom blocks are the analyzer's own
            care.
        folder: Where paths in parameters start: the folder of the config, in a call of Python the working folder.
        engine: The host's own: what `map_rows` works with.
        host: The host's own: what `progress`, `cancelled` and `rerun` ask.
        trainer: What `refit` asks; None where the audited network cannot be trained again.
    """

    analyzer: str
    model: ModelUnderTest
    data: EvaluationData
    params: Any
    seed: int
    models: Mapping[str, ModelUnderTest] = field(default_factory=dict)
    results: Mapping[str, AnalysisResult] = field(default_factory=dict)
    outputs: npt.NDArray[Any]
    case_indices: tuple[int, ...] = ()
    raw_inputs: bool = False
    folder: Path = field(default_factory=Path)
    trainer: Trainer | None = field(default=None, repr=False)
    engine: Engine
    host: ContextHost

    @property
    def device(self) -> str:
        """Device of the model: `cpu`, `cuda:0`, ..."""
        return self.model.device

    @property
    def cancelled(self) -> bool:
        """Whether the analyzer is to stop, for work that goes on for seconds without `progress` or `map_rows`.

        False for good where `auditbench.audit` runs it in the caller's own process, which KeyboardInterrupt ends.
        """
        return self.host.cancelled

    def rng(self, purpose: str = "", chunk: int = 0) -> np.random.Generator:
        """A generator seeded from audit seed, analyzer, purpose and chunk: the same in every run, on every engine."""
        import numpy as np

        text = f"{self.seed}/{self.analyzer}/{purpose}/{chunk}"
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))

    def finite_outputs(self) -> npt.NDArray[Any]:
        """The outputs, for analyzers that cannot work with NaN.

        Raises:
            ModelError: Outputs that are NaN or infinite, from which no decision follows.
        """
        import numpy as np

        wrong = int(np.count_nonzero(~np.isfinite(self.outputs)))
        if wrong:
            raise ModelError(
                "the model gives outputs that are not numbers",
                found=f"{wrong} of {self.outputs.size} outputs NaN or infinite",
                allowed="finite outputs",
                fix="look for diverged training or unscaled inputs",
            )
        return self.outputs

    def progress(self, done: int, total: int, *, step: str = "rows") -> None:
        """Tell how far this analyzer is.

        Raises:
            AnalysisCancelled: It is to stop.
            ResultError: `done` or `total` is no number, or `step` no text.
        """
        self._stop_if_cancelled()
        try:
            counts = int(done), int(total)
        except (TypeError, ValueError, OverflowError):
            raise ResultError(
                "expected numbers as progress", where=self.analyzer, found=f"{done!r} of {total!r}"[:80]
            ) from None
        if not isinstance(step, str):
            raise ResultError("expected text as the step", where=self.analyzer, found=repr(step)[:80])
        self.host.progress(self.analyzer, str(step), *counts)

    def explained_rows(self, count: int) -> Rows:
        """The rows that every explainer of this audit explains: the chosen cases, then a sample up to `count`.

        The sample depends on the audit's seed alone, so that methods can be compared row by row.
        """
        from auditbench.data.sampling import explained_indices

        return self.data.take(explained_indices(len(self.data), self.case_indices, count, self.seed))

    def map_rows(
        self, function: RowFunction, rows: Rows, *, step: str = "rows", chunk_rows: int = 64
    ) -> dict[str, npt.NDArray[Any]]:
        """Apply a function to chunks of rows and join what it returns.

        The engine decides where a chunk runs; each has its own generator, so results depend neither on the number of
        workers nor on their order. A finished chunk is stored and not computed again when the audit is resumed.

        Args:
            function: From a chunk and its generator to named arrays whose first size is the number of rows.
            step: Names the work; unique within an analyzer.
            chunk_rows: Rows a chunk; part of what the results depend on.

        Raises:
            AnalysisCancelled: The analyzer is to stop; looked at before the first chunk and after each.
            ResultError: The step is used twice, or the function returns something else than one array a name with one
                entry a row, of the same names and trailing shapes in every chunk.
        """
        from auditbench.engines import Job

        self._stop_if_cancelled()
        job = Job(
            analyzer=self.analyzer,
            step=step,
            chunk_rows=chunk_rows,
            rng=lambda chunk: self.rng(step, chunk),
            progress=lambda done: self.progress(done, len(rows), step=step),
        )
        return self.engine.map_rows(function, rows, job)

    def rerun(
        self, analyzer: str, *, model: ModelUnderTest | None = None, data: EvaluationData | None = None
    ) -> AnalysisResult:
        """Run another analyzer of this audit on another model or on other rows.

        Raises:
            AnalysisCancelled: This analyzer is to stop, and with it the other.
            PluginError: The other analyzer does not take part in this audit.
        """
        self._stop_if_cancelled()
        variant = dataclasses.replace(self, model=model or self.model, data=data or self.data)
        if model is not None or data is not None:
            import numpy as np

            variant = dataclasses.replace(variant, trainer=None)  # it knows the audited network and its rows alone
            parts = [variant.model.predict(rows.inputs) for rows in variant.data.batches(variant.model.batch_rows)]
            variant = dataclasses.replace(variant, outputs=np.concatenate(parts), case_indices=())
        return self.host.rerun(analyzer, variant)

    def refit(
        self,
        *,
        labels: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        reweigh: tuple[str, ...] = (),
        name: str = "refit",
    ) -> ModelUnderTest:
        """Train a copy of the audited network on other labels, or with other weights of the rows.

        It is trained as the audited one was: by the `[train]` table and the seed of the audit, on the background rows in
        their order, with the same rows held out for validation. Without labels, weights and names it is the audited
        network again: to the bit, where that was trained on this machine with as many threads. An analyzer that calls this
        has `Needs(training=True)`; nothing is written, and the audited model stays as it is.

        Args:
            labels: Of all background rows, shape `(background_rows,)`: class indices, or values for regression. None for
                their own.
            weights: What each of these rows counts in the loss, instead of all that `[train]` says of weights: 0, or from
                1e-12 to 1e12, same shape. None for what `[train]` says.
            reweigh: Sensitive features, as `train.reweigh` names them, instead of those that it names; without `weights`.
            name: Of the new model, and of the step of its progress, which counts epochs: one that no other refit has.

        Raises:
            AnalysisCancelled: The analyzer is to stop; looked at in each step of the training.
            AnalyzerNotPossible: The network cannot be trained again.
            ResultError: Labels, weights or names do not fit the rows.
            TrainingError: A loss became infinite or undefined, or the rows are others than the model was trained on.
        """
        self._stop_if_cancelled()
        if self.trainer is None:
            raise AnalyzerNotPossible(
                "the audited network cannot be trained again",
                where="train",
                found="no [train] table, or no training rows",
                fix="declare Needs(training=True), so that the host says so before the analyzer runs",
            )
        from auditbench.data.replaced import checked_labels, checked_weights

        if weights is not None and reweigh:
            raise ResultError("expected `weights` or `reweigh`, not both", where=self.analyzer)
        return self.trainer.train(
            name=name,
            labels=None if labels is None else checked_labels(labels, self.data),
            weights=None if weights is None else checked_weights(weights, self.data.background_rows),
            reweigh=tuple(reweigh),
            progress=lambda done, total: self.progress(done, total, step=name),
            look=self._stop_if_cancelled,
        )

    def _stop_if_cancelled(self) -> None:
        if self.cancelled:
            raise AnalysisCancelled(self.analyzer)
