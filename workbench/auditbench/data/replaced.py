"""Labels and weights that stand in for those of the background rows when the network is trained again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.config_training import LEAST_WEIGHT, MOST_WEIGHT
from auditbench.errors import ResultError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.evaluation import EvaluationData


def checked_labels(labels: npt.ArrayLike, data: EvaluationData) -> npt.NDArray[Any]:
    """Labels of the background rows, shape `(background_rows,)`: class index as int64, or the value as float64.

    Raises:
        ResultError: Another shape, no class index or no finite value; or the target is the next token of a text, whose
            labels are the text itself.
    """
    array = np.asarray(labels)
    _check_shape("labels", array, data.background_rows)
    if data.task == "next-token":
        raise ResultError("expected no `labels`: a language model learns from every token of its texts", where="labels")
    if not data.classes:
        values = array.astype(np.float64)
        if not np.isfinite(values).all():
            raise ResultError("expected finite values", where="labels", found=_first(array, ~np.isfinite(values)))
        return values
    codes = array.astype(np.int64)
    wrong = (codes != array) | (codes < 0) | (codes >= len(data.classes))
    if wrong.any():
        allowed = f"0 to {len(data.classes) - 1}"
        raise ResultError("expected indices of classes", where="labels", found=_first(array, wrong), allowed=allowed)
    return codes


def checked_weights(weights: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    """What each of so many rows counts in the loss, shape `(rows,)`, as `train.sample_weights` would hold it.

    Raises:
        ResultError: Another shape, or a number that is neither 0 nor within the bounds of a weight.
    """
    array = np.asarray(weights, dtype=np.float64)
    _check_shape("weights", array, rows)
    wrong = ~((array == 0) | ((array >= LEAST_WEIGHT) & (array <= MOST_WEIGHT)))
    if wrong.any():
        allowed = f"0, or a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
        raise ResultError("expected weights", where="weights", found=_first(array, wrong), allowed=allowed)
    return array


def _check_shape(name: str, array: npt.NDArray[Any], rows: int) -> None:
    if array.shape != (rows,) or array.dtype.kind not in "biuf":
        found = f"{array.dtype} of shape {array.shape}"
        raise ResultError(f"expected `{name}` of {rows} numbers, one a background row", where=name, found=found)


def _first(array: npt.NDArray[Any], wrong: npt.NDArray[np.bool_]) -> str:
    place = int(np.argmax(wrong))
    return f"{array[place]} for the background row {place + 1}"
