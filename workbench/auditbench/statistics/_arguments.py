"""Checks of the arguments that several statistics share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def check_level(level: float) -> float:
    """Return the nominal coverage `level`, which must lie strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"expected `level` strictly between 0 and 1, got {level!r}")
    return level


def check_replicates(replicates: int, level: float) -> int:
    """Return `replicates`, which must put at least one replicate in each tail outside `level`."""
    needed = tail_replicates(level)
    if replicates < needed:
        raise ValueError(f"expected `replicates` of at least {needed} for level {level}, got {replicates}")
    return replicates


def tail_replicates(level: float) -> int:
    """Smallest number of replicates that puts one in each tail outside `level`: 40 for 0.95."""
    return math.ceil(round(2.0 / (1.0 - check_level(level)), 6))


def check_counts(successes: float, trials: float) -> None:
    """Refuse counts that are not whole numbers with 0 <= `successes` <= `trials`."""
    if not 0 <= successes <= trials or not math.isfinite(trials) or successes % 1 or trials % 1:
        raise ValueError(f"expected whole counts with 0 <= successes <= trials, got {successes} of {trials}")


def finite_array(name: str, values: npt.ArrayLike, ndim: int) -> npt.NDArray[np.float64]:
    """Return `values` as float64 with `ndim` axes; NaN and infinities are refused."""
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"expected `{name}` with {ndim} axes, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite `{name}`, got {np.count_nonzero(~np.isfinite(array))} NaN or infinite")
    return array


def binary_labels(name: str, labels: npt.ArrayLike, length: int) -> npt.NDArray[np.bool_]:
    """Return `labels` as booleans; they must be 0 or 1, one for each of `length` rows."""
    import numpy as np

    array = np.asarray(labels)
    if array.shape != (length,):
        raise ValueError(f"expected `{name}` of shape {(length,)}, got {array.shape}")
    positive = array == 1
    if not np.all(positive | (array == 0)):
        raise ValueError(f"expected `{name}` of 0 and 1, got {np.unique(array)[:5].tolist()}")
    return np.asarray(positive, dtype=np.bool_)
