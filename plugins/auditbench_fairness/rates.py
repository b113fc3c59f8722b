"""Rates of groups as functions of one table of counts, for the data or for many bootstrap replicates of it.

Everything here follows from rows counted by group, label and decision, so that its cost does not depend on the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.float64]
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


def rates_of(counts: Counts) -> Numbers:
    """`RATES` of counts of shape `(..., 2, 2)`: shape `(..., rates)`, NaN where the denominator is 0."""
    hits, trials = rate_parts(counts)
    rates: Numbers = np.divide(hits, trials, out=np.full(hits.shape, np.nan), where=trials > 0)
    return rates


def difference(values: Numbers, estimated: Mask) -> Numbers:
    """Largest minus smallest value of the estimated groups, `(..., groups)` to `(...)`; NaN with fewer than two."""
    if estimated.sum() < 2:
        return np.full(values.shape[:-1], np.nan)
    chosen = values[..., estimated]
    return np.asarray(chosen.max(axis=-1) - chosen.min(axis=-1), dtype=np.float64)


def ratio(values: Numbers, estimated: Mask) -> Numbers:
    """Smallest by largest value of the estimated groups; NaN with fewer than two, and where the largest is 0."""
    if estimated.sum() < 2:
        return np.full(values.shape[:-1], np.nan)
    chosen = values[..., estimated]
    largest = chosen.max(axis=-1)
    quotient: Numbers = np.divide(chosen.min(axis=-1), largest, out=np.full(largest.shape, np.nan), where=largest > 0)
    return quotient


def difference_to_overall(values: Numbers, overall: Numbers, estimated: Mask) -> Numbers:
    """Largest distance of an estimated group from all rows, `(..., groups)` and `(...)` to `(...)`; as `difference`."""
    if estimated.sum() < 2:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(np.abs(values[..., estimated] - overall[..., np.newaxis]).max(axis=-1), dtype=np.float64)


def disparities(counts: Counts, estimated: Mask, names: tuple[str, ...]) -> Mapping[str, Numbers]:
    """Differences and ratios between groups, by name, each of shape `(...)`.

    Equalized odds take the worse of the true and the false positive rate.

    Args:
        counts: Shape `(..., groups, 2, 2)`.
        estimated: Shape `(groups, rates)`: which groups take part, by rate.
        names: Those of `RATES` that have a meaning for these counts.

    Source: Hardt, Price and Srebro, arXiv:1610.02413 (equalized odds, equal opportunity).
    """
    rates, overall = rates_of(counts), rates_of(counts.sum(axis=-3))
    column = {name: (rates[..., index], estimated[:, index]) for index, name in enumerate(RATES)}
    found: dict[str, Numbers] = {}
    if "selection_rate" in names:
        found["demographic_parity_difference"] = difference(*column["selection_rate"])
        found["demographic_parity_ratio"] = ratio(*column["selection_rate"])
        true_positive, false_positive = column["true_positive_rate"], column["false_positive_rate"]
        found["equal_opportunity_difference"] = difference(*true_positive)
        found["equalized_odds_difference"] = np.maximum(difference(*true_positive), difference(*false_positive))
        found["equalized_odds_ratio"] = np.minimum(ratio(*true_positive), ratio(*false_positive))
        found["true_positive_rate_difference"] = difference(*true_positive)
        found["false_positive_rate_difference"] = difference(*false_positive)
        found["precision_difference"] = difference(*column["precision"])
        found["precision_ratio"] = ratio(*column["precision"])
    if "accuracy" in names:
        found["accuracy_difference"] = difference(*column["accuracy"])
    for name in names:
        values, known = column[name]
        found[f"{name}_difference_to_overall"] = difference_to_overall(values, overall[..., RATES.index(name)], known)
    return found
