"""Rates of groups as functions of one table of counts.

Everything here follows from rows counted by group, label and decision, so that its cost does not depend on the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
"""Those that the analyzer reports."""
CLASS_RATES = RATES[:4]

# Of a table [[TN, FP], [FN, TP]]: the cells counted, and the cells that they are a share of.
_ALL = ((1, 1), (1, 1))
_NEGATIVE, _POSITIVE = ((1, 1), (0, 0)), ((0, 0), (1, 1))
_REJECTED, _SELECTED = ((1, 0), (1, 0)), ((0, 1), (0, 1))
_TN, _FP, _FN, _TP = ((1, 0), (0, 0)), ((0, 1), (0, 0)), ((0, 0), (1, 0)), ((0, 0), (0, 1))
_PARTS = {
    "selection_rate": (_SELECTED, _ALL),
    "true_positive_rate": (_TP, _POSITIVE),
    "false_positive_rate": (_FP, _NEGATIVE),
    "true_negative_rate": (_TN, _NEGATIVE),
    "false_negative_rate": (_FN, _POSITIVE),
    "precision": (_TP, _SELECTED),
    "negative_predictive_value": (_TN, _REJECTED),
    "accuracy": (((1, 0), (0, 1)), _ALL),
    "base_rate": (_POSITIVE, _ALL),
}
KNOWN_RATES = tuple(_PARTS)
"""All rates that follow from counts, by name."""


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


def rate_parts(counts: npt.NDArray[Any], names: Sequence[str] = RATES) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Numerators and denominators of the named rates, each `(..., rates)`, from counts of shape `(..., 2, 2)`.

    Of weights of rows instead of counts they are weights.
    """
    cells = counts.reshape(*counts.shape[:-2], 4)
    hits, trials = _sides(names)
    return cells @ hits.T, cells @ trials.T


def rate_values(counts: Counts, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The named rates, shape `(..., rates)`, from counts of shape `(..., 2, 2)`; NaN where nothing is divided by."""
    cells = counts.reshape(*counts.shape[:-2], 4).astype(np.float64)  # whole numbers below 2 ** 53 stay as they are
    hits, trials = (cells @ side.T for side in _sides(names))
    with np.errstate(invalid="ignore"):
        values: npt.NDArray[np.float64] = hits / trials
    return values


def rate_sides(name: str) -> tuple[Counts, Counts]:
    """Which of the flattened counts [TN, FP, FN, TP] a rate counts, and which it is a share of: 0 and 1, shape `(4,)`."""
    hits, trials = _sides([name])
    return hits[0], trials[0]


def _sides(names: Sequence[str]) -> tuple[Counts, Counts]:
    """Which counts are added to numerators and to denominators, each of shape `(rates, 4)`."""
    parts = np.array([_PARTS[name] for name in names], dtype=np.int64).reshape(len(names), 2, 4)
    return parts[:, 0], parts[:, 1]
