"""Methods on one workload, measured in turns beside the bare model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.clock import Timing, Turns, now, take_turns
from benchmarks.equal_error import Point
from benchmarks.errors import Accuracy, Seeds, accuracy
from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

    from benchmarks.gold import Gold
    from benchmarks.workloads import Counter

BATCHES = (16, 64, 256, 512, 1024, 2048, 4096)
"""Sizes among which the bare model's best batch is sought."""
_BARE_ENTRIES = 1 << 20
_LEAST_BARE_ROWS, _MOST_BARE_ROWS = 64, 32_768
BARE = "bare model"
_ONE_SEED = Seeds()


class Workload(Protocol):
    """What every kind of workload has."""

    @property
    def name(self) -> str:
        """In file names and tables."""

    @property
    def model(self) -> nn.Module:
        """On `device`."""

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """To explain; gold values are of the first ones."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""

    @property
    def counter(self) -> Counter:
        """Of the rows that the counted model evaluates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A row of the table of methods.

    Attributes:
        point: Error, seconds and model rows, for each explained row.
        library: That the method belongs to.
        explained: Rows that one call explained.
        overhead: Seconds over those that the bare model takes for the same model rows; None where none are counted or
            the bare model's timing is unsteady.
        standard_error: Mean reported standard error over mean true error, as root mean squares; None where not
            reported.
    """

    point: Point
    library: str
    explained: int
    overhead: float | None
    standard_error: float | None = None


def measured(
    workload: Workload,
    methods: Sequence[Method[Any]],
    *,
    repeats: int,
    gold: Gold | None = None,
    seeds: Seeds = _ONE_SEED,
    gradients: bool = False,
) -> dict[str, Measurement]:
    """Every method by name: its clock in turns with all others, then its error on every row that has gold values.

    Args:
        seeds: From which errors are means.
        gradients: Compare with a bare model that runs forward and backward.
    """
    functions: dict[str, Callable[[int], Answer]] = {
        method.name: partial(_explain, workload, method) for method in methods
    }
    bare = BareModel(workload.model, workload.rows, device=workload.device, gradients=gradients)
    turns = take_turns(functions | {BARE: bare}, repeats=repeats, device=workload.device)
    bare_timing = turns.pop(BARE).timing.per(bare.rows)
    return {
        method.name: _measurement(
            method,
            turns[method.name],
            None if gold is None else accuracy(workload, method, gold, seeds),
            bare_timing,
        )
        for method in methods
    }


class BareModel:
    """Evaluates the model alone, at the batch that suits it best.

    Attributes:
        rows: How many rows one call evaluates.
        batch: The best of those sizes that are no more than the rows.
    """

    def __init__(
        self,
        model: nn.Module,
        rows: npt.NDArray[Any],
        *,
        device: str = "cpu",
        gradients: bool = False,
        count: int | None = None,
        batches: Sequence[int] = BATCHES,
    ) -> None:
        """Look for the best batch.

        Args:
            rows: Some that the model takes; they are repeated as often as needed.
            count: How many rows one call evaluates; from their size when absent.
            batches: Sizes to try.
        """
        import numpy as np
        import torch

        self._model, self._gradients, self._device = model, gradients, device
        self.rows = count or min(_MOST_BARE_ROWS, max(_LEAST_BARE_ROWS, _BARE_ENTRIES // rows[0].size))
        size = min(self.rows, max(batches))
        self._given = torch.from_numpy(rows[np.arange(size) % len(rows)]).to(device)
        self.batch = min((batch for batch in batches if batch <= size), key=self._seconds)

    def __call__(self, turn: int = 0) -> Answer:
        """Evaluate `rows` rows."""
        self._run(self.batch, self.rows)
        return Answer(model_rows=self.rows)

    def _seconds(self, batch: int) -> float:
        """Of all rows at once in memory; infinite where a GPU does not hold the batch."""
        import torch

        try:
            self._run(batch, batch)
            started = now(self._device)
            self._run(batch, len(self._given))
            return now(self._device) - started
        except torch.OutOfMemoryError:
            return math.inf

    def _run(self, batch: int, rows: int) -> None:
        import torch

        size = len(self._given)
        for start in range(0, rows, batch):
            begin = start % size
            given = self._given[begin : min(begin + batch, begin + rows - start)]
            if self._gradients:
                given = given.clone().requires_grad_(True)
                torch.autograd.grad(self._model(given).sum(), given)
            else:
                with torch.inference_mode():
                    self._model(given)


def _explain(workload: Workload, method: Method[Any], turn: int) -> Answer:
    """The first rows, from the seed of the turn."""
    workload.counter.take()
    answer = method.explain(workload, workload.rows[: method.rows], turn)
    counted = workload.counter.take()
    return Answer(
        values=answer.values,
        model_rows=counted if answer.model_rows is None else answer.model_rows,
        standard_error=answer.standard_error,
    )


def _measurement(method: Method[Any], turns: Turns[Answer], found: Accuracy | None, bare: Timing) -> Measurement:
    timing: Timing = turns.timing.per(method.rows)
    model_rows = fmean(answer.model_rows or 0 for answer in turns.results) / method.rows
    return Measurement(
        point=Point(
            name=method.name,
            error=None if found is None else found.error,
            error_spread=None if found is None else found.spread,
            timing=timing,
            model_rows=model_rows,
        ),
        library=method.library,
        explained=method.rows,
        overhead=timing.median / (model_rows * bare.median) if model_rows and bare.steady else None,
        standard_error=None if found is None else found.reported,
    )
