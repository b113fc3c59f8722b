"""The shap library: interventional Shapley values of a table, one row after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.workloads import Table

    Rows = npt.NDArray[np.float32]

KERNEL = "shap Kernel, l1_reg=0"
KERNEL_IN_BATCHES = "shap Kernel, l1_reg=0, model in batches of 1,024"
KERNEL_DEFAULT = "shap Kernel, default"
PERMUTATION = "shap Permutation, 10 rounds"
SAMPLING = "shap Sampling"


def shap_methods(rows: int) -> list[Method[Table]]:
    """The sampling estimators that work on any model, explaining so many rows a call."""
    explain: dict[str, Callable[[Table, Rows, int], Answer]] = {
        KERNEL: partial(_kernel, l1_reg=0),
        KERNEL_IN_BATCHES: partial(_kernel, l1_reg=0, in_batches=True),
        KERNEL_DEFAULT: _kernel,
        PERMUTATION: _permutation,
        SAMPLING: _sampling,
    }
    return [Method(name=name, library="shap", explain=run, rows=rows) for name, run in explain.items()]


def _kernel(workload: Table, rows: Rows, seed: int, *, in_batches: bool = False, **options: Any) -> Answer:
    import shap

    _seed(seed)
    predict = workload.predict_in_batches if in_batches else workload.predict
    explainer = shap.KernelExplainer(predict, workload.background)
    return Answer(values=explainer.shap_values(rows, silent=True, **options))


def _permutation(workload: Table, rows: Rows, seed: int) -> Answer:
    """One call a row: given several, shap 0.51 also evaluates main effects, unasked, for each row after the first."""
    import numpy as np
    import shap

    _seed(seed)
    masker = shap.maskers.Independent(workload.background, max_samples=len(workload.background))
    explainer = shap.PermutationExplainer(workload.predict, masker, seed=seed)
    evaluations = 10 * (2 * workload.features + 1)
    values = [
        explainer(rows[index : index + 1], max_evals=evaluations, silent=True).values for index in range(len(rows))
    ]
    return Answer(values=np.concatenate(values))


def _sampling(workload: Table, rows: Rows, seed: int) -> Answer:
    import shap

    _seed(seed)
    return Answer(values=shap.SamplingExplainer(workload.predict, workload.background).shap_values(rows, silent=True))


def _seed(seed: int) -> None:
    import numpy as np

    np.random.seed(seed)  # noqa: NPY002 - the generator that shap draws from
