"""What a record keeps of each evaluated row, by which another run finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.comparison import cluster_keys, row_keys
from auditbench.run import ROW_CLUSTERS, ROW_KEYS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.data import EvaluationData


def row_arrays(data: EvaluationData, *, file: str = "") -> dict[str, npt.NDArray[np.uint64]]:
    """Arrays of shape `(rows,)` by their name in a record: keys, and clusters where rows depend on each other.

    Args:
        file: Of the evaluated rows, as the digests of the data name it.
    """
    found = {ROW_KEYS: row_keys(data.row_ids, data.facts, file=file)}
    if data.clusters is not None:
        found[ROW_CLUSTERS] = cluster_keys(data.clusters, data.facts, file=file)
    return found
