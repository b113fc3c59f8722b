"""Rates of groups as functions of one table of counts.

Everything here follows from rows counted by group, label and decision, so that its cost does not depend on the rows.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
CLASS_RATES = RATES[:4]

# Of a table [[TN, FP], [FN, TP]]: the cells counted, and the cells that they are a share of, in the order of RATES.
_HITS = np.array([[[0, 1], [0, 1]], [[0, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0], [0, 1]], [[1, 0], [0, 1]]])
_TRIALS = np.array([[[1, 1], [1, 1]], [[0, 0], [1, 1]], [[1, 1], [0, 0]], [[0, 1], [0, 1]], [[1, 1], [1, 1]]])


def counts_by_cell(
    row_cells: npt.NDArray[np.int64], cells: int, y_true: npt.NDArray[Any], y_pred: npt.NDArray[Any], classes: int
) -> Counts:
    """Rows by cell, label and decision in one pass, shape `(cells, classes, classes)`."""
    code = (row_cells * classes + y_true.astype(np.int64)) * classes + y_pred.astype(np.int64)
    counted = np.bincount(code, minlength=cells * classes * classes)
    return np.asarray(counted.reshape(cells, classes, classes), dtype=np.int64)


def one_against_rest(counts: Counts, index: int) -> Counts:
    """Counts of one class against all others: `(..., classes, classes)` to `(..., 2, 2)` as [[TN, FP], [FN, TP]]."""
    total = counts.sum(axis=(-2, -1))
    hits = counts[..., index, index]
    labelled, predicted = counts[..., index, :].sum(axis=-1), counts[..., :, index].sum(axis=-1)
    others = total - labelled - predicted + hits
    rows = [np.stack([others, predicted - hits], axis=-1), np.stack([labelled - hits, hits], axis=-1)]
    return np.stack(rows, axis=-2)


def right_and_wrong(counts: Counts) -> Counts:
    """Rows with the right class and with another, in a table `(..., 2, 2)` of which only accuracy has a meaning."""
    right = np.trace(counts, axis1=-2, axis2=-1)
    wrong = counts.sum(axis=(-2, -1)) - right
    nothing = np.zeros_like(right)
    return np.stack([np.stack([nothing, wrong], axis=-1), np.stack([nothing, right], axis=-1)], axis=-2)


def rate_parts(counts: Counts) -> tuple[Counts, Counts]:
    """Numerators and denominators of `RATES`, each of shape `(..., rates)`, from counts of shape `(..., 2, 2)`."""
    hits = np.tensordot(counts, _HITS, axes=([-2, -1], [1, 2]))
    trials = np.tensordot(counts, _TRIALS, axes=([-2, -1], [1, 2]))
    return hits.astype(np.int64), trials.astype(np.int64)
