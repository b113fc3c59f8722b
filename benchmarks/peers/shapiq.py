"""The shapiq library: interventional Shapley values of a table, by its game-theoretic approximators."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.workloads import Table

    Rows = npt.NDArray[np.float32]

KERNEL = "shapiq KernelSHAP"
PERMUTATION = "shapiq permutation"


def shapiq_methods(rows: int) -> list[Method[Table]]:
    """The two usual approximators with as many coalitions as shap's Kernel evaluates, explaining so many rows a call."""
    explain = {KERNEL: partial(_explain, "KernelSHAP"), PERMUTATION: partial(_explain, "PermutationSamplingSV")}
    return [Method(name=name, library="shapiq", explain=run, rows=rows) for name, run in explain.items()]


def _explain(approximator: str, workload: Table, rows: Rows, seed: int) -> Answer:
    import numpy as np
    import shapiq

    features = workload.features
    imputer = shapiq.MarginalImputer(
        model=workload.predict, data=workload.background, sample_size=len(workload.background), random_state=seed
    )
    method = getattr(shapiq, approximator)(n=features, random_state=seed)
    values = [
        method.approximate(min(2 * features + 2048, 2**features), imputer.fit(row[np.newaxis])).get_n_order_values(1)
        for row in rows
    ]
    return Answer(values=np.stack(values))
