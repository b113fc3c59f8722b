"""The lime library: local linear fits of a table, one row after the other."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lime.lime_tabular import LimeTabularExplainer

    from benchmarks.workloads import Table

    Rows = npt.NDArray[np.float32]

LIME = "lime tabular, 5,000 samples"
SAMPLES = 5000


def lime_tabular(rows: int) -> Method[Table]:
    """Its tabular explainer with every feature kept, as a regression of the output."""
    return Method(name=LIME, library="lime", explain=_explain, rows=rows)


@cache
def _explainer(workload: Table) -> LimeTabularExplainer:
    """Made once a table, in the first turn, which is not timed: a user makes it once for many rows."""
    from lime.lime_tabular import LimeTabularExplainer

    return LimeTabularExplainer(workload.training, mode="regression", feature_selection="none", random_state=0)


def _explain(workload: Table, rows: Rows, seed: int) -> Answer:
    import numpy as np

    explainer = _explainer(workload)
    explainer.random_state = explainer.discretizer.random_state = np.random.RandomState(seed)
    values = np.zeros((len(rows), workload.features))
    for index, row in enumerate(rows):
        found = explainer.explain_instance(row, workload.predict, num_features=workload.features, num_samples=SAMPLES)
        for feature, weight in found.local_exp[1]:
            values[index, feature] = weight
    return Answer(values=values)
