"""The captum library: Shapley values against one baseline, and integrated gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.clock import now
from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.workloads import Table

    Rows = npt.NDArray[np.float32]

KERNEL = "captum KernelShap, 1,024 a call"
SAMPLING = "captum ShapleyValueSampling"
LIME = "captum Lime, 1,024 a call"
GRADIENTS = "captum IntegratedGradients, 50 steps"
LIME_SAMPLES = 5000
BATCHES = (None, 64, 1024, 4096)
"""Model rows a batch of its integrated gradients; by default all at once."""


def captum_methods(rows: int) -> list[Method[Table]]:
    """The estimators of Shapley values against the mean background row, explaining so many rows a call."""
    explain: dict[str, Callable[[Table, Rows, int], Answer]] = {KERNEL: _kernel, SAMPLING: _sampling}
    return [Method(name=name, library="captum", explain=run, rows=rows) for name, run in explain.items()]


def captum_lime(rows: int) -> Method[Table]:
    """Lime with 5,000 samples a row."""
    return Method(name=LIME, library="captum", explain=_lime, rows=rows)


def captum_gradients(rows: int, batch: int | None = None) -> Method[Any]:
    """Integrated gradients of any workload that has a baseline and targets, with so many model rows a batch."""
    name = GRADIENTS if batch is None else f"{GRADIENTS}, batches of {batch:,}"
    return Method(name=name, library="captum", explain=partial(_gradients, batch), rows=rows)


def best_gradients(workload: Any, rows: int) -> Method[Any]:
    """The same with the batch, among `BATCHES`, that takes it the least time on this workload."""
    methods = [captum_gradients(rows, batch) for batch in BATCHES]
    methods[0].explain(workload, workload.rows[:2], 0)  # imports, which is not timed
    return min(methods, key=lambda method: _seconds(workload, method))


def _seconds(workload: Any, method: Method[Any]) -> float:
    started = now(workload.device)
    method.explain(workload, workload.rows[: method.rows], 0)
    return now(workload.device) - started


def _kernel(workload: Table, rows: Rows, seed: int) -> Answer:
    import torch
    from captum.attr import KernelShap

    torch.manual_seed(seed)
    method = KernelShap(workload.counted_model())
    values = method.attribute(
        workload.tensor(rows),
        baselines=workload.tensor(workload.baseline),
        target=0,
        n_samples=2 * workload.features + 2048,
        perturbations_per_eval=1024,
    )
    return Answer(values=values.cpu().numpy())


def _sampling(workload: Table, rows: Rows, seed: int) -> Answer:
    import torch
    from captum.attr import ShapleyValueSampling

    torch.manual_seed(seed)
    method = ShapleyValueSampling(workload.counted_model())
    values = method.attribute(
        workload.tensor(rows),
        baselines=workload.tensor(workload.baseline),
        target=0,
        n_samples=50,
        perturbations_per_eval=16,
    )
    return Answer(values=values.cpu().numpy())


def _lime(workload: Table, rows: Rows, seed: int) -> Answer:
    import torch
    from captum.attr import Lime

    torch.manual_seed(seed)
    method = Lime(workload.counted_model())
    values = method.attribute(
        workload.tensor(rows),
        baselines=workload.tensor(workload.baseline),
        target=0,
        n_samples=LIME_SAMPLES,
        perturbations_per_eval=1024,
    )
    return Answer(values=values.cpu().numpy())


def _gradients(batch: int | None, workload: Any, rows: Rows, seed: int) -> Answer:
    import torch
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(workload.counted_model())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Internal batch size")  # where it is below the number of rows
        values = method.attribute(
            workload.tensor(rows),
            baselines=workload.tensor(workload.baseline),
            target=torch.as_tensor(workload.targets(len(rows))),
            n_steps=50,
            internal_batch_size=batch,
        )
    return Answer(values=values.detach().cpu().numpy().reshape(len(rows), -1))
