"""Two halves of the rows: what is chosen on the first is measured on the second, which chose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.statistics.clusters import Clusters


def first_half(rows: int, rng: np.random.Generator, clusters: Clusters | None = None) -> npt.NDArray[np.bool_]:
    """Which rows are of the first half, drawn at random, shape `(rows,)`; all others are of the second.

    Of an odd number of rows the second half has one more. Where rows depend on each other, half of the clusters are drawn
    whole, so that the halves are independent, and may differ in size.

    Args:
        clusters: Of the rows; None where they are independent.

    Source: Cox (1975), Biometrika 62:441 (data splitting).
    """
    import numpy as np

    units = rows if clusters is None else clusters.count
    drawn = np.zeros(units, dtype=np.bool_)
    drawn[rng.permutation(units)[: units // 2]] = True
    return drawn if clusters is None else drawn[clusters.of_row]
