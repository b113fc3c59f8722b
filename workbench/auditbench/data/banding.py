"""Columns of single rows as they may be shown: numbers in bands, rare categories without their name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from auditbench.bands import MISSING_GROUP
from auditbench.data.evaluation import EvaluationData, Rows
from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import TableInput

if TYPE_CHECKING:
    import numpy.typing as npt

RARE_ROWS = 10
"""A category of fewer evaluated rows could point at a person; it shows as `rare value`."""

RARE_VALUE = "rare value"
_QUINTILES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_BACKGROUND_ROWS = 2000
_BATCH_ROWS = 16_384


def shown_inputs(data: EvaluationData, rows: Rows, *, raw: bool) -> list[tuple[tuple[str, str], ...]]:
    """Feature and value as text, for each row; none where no input is a table.

    Args:
        raw: Show values as they are. Otherwise a number shows as a band between quantiles of the background, a
            category of fewer than 10 evaluated rows as `rare value`, and a sensitive feature as its group.
    """
    shown: list[tuple[tuple[str, str], ...]] = [() for _ in range(len(rows))]
    for name, item in data.inputs.items():
        if isinstance(item, TableInput) and item.features:
            columns = _raw_columns(item, rows.inputs[name]) if raw else _banded(data, rows, name, item)
            names = [feature.name for feature in item.features]
            cells = [tuple(zip(names, texts, strict=True)) for texts in zip(*columns, strict=True)]
            shown = [before + row for before, row in zip(shown, cells, strict=True)]
    return shown


def shown_groups(everyone: npt.NDArray[np.str_], shown: npt.NDArray[np.str_]) -> list[str]:
    """Groups of single rows as they may be shown: one of fewer than 10 evaluated rows as `rare value`.

    Args:
        everyone: Group of each evaluated row; `shown` those of the single rows.
    """
    names, counts = np.unique(everyone, return_counts=True)
    rare = {str(name) for name, count in zip(names, counts, strict=True) if count < RARE_ROWS}
    return [RARE_VALUE if str(group) in rare else str(group) for group in shown]


def band(value: float, reference: npt.NDArray[np.float64]) -> str:
    """The band of a number between quintiles of reference values: `under 26`, `37 to 48`, `110,000 to under 160,000`.

    Quintiles are rounded to two significant digits of their spread, so that no row's own value shows; the band holds
    the number still, as it is looked up between the rounded ones. A value that makes up about a fifth of the reference
    or more, in 10 rows or more, stands alone. Whole numbers give bands that do not overlap; the outer bands are open,
    so that no extreme value shows. NaN is `missing`.
    """
    if np.isnan(value):
        return MISSING_GROUP
    present = reference[~np.isnan(reference)]
    if not len(present):
        return RARE_VALUE
    frequent = _frequent(present)
    if value in frequent:
        return _text(value)
    bounds, digits = _bounds(present, frequent)
    place = int(np.searchsorted(bounds, value, side="right"))
    if place == 0:
        return f"under {_text(bounds[0])}"
    low = float(bounds[place - 1])
    if place == len(bounds):
        return f"over {_text(low)}" if low in frequent else f"{_text(low)} and over"
    high = float(bounds[place])
    if digits < 0 or not np.all(present == np.floor(present)) or not value.is_integer():
        return f"{_text(low)} to under {_text(high)}"
    low, high = low + (low in frequent), high - 1
    return f"{_text(low)} to {_text(high)}" if low < high else _text(low)


def _frequent(present: npt.NDArray[np.float64]) -> set[float]:
    """Values that make up about a fifth of the rows or more, and too many rows to point at one."""
    quantiles, repeats = np.unique(np.quantile(present, _QUINTILES, method="nearest"), return_counts=True)
    return {value for value in quantiles[repeats > 1].tolist() if np.count_nonzero(present == value) >= RARE_ROWS}


def _bounds(present: npt.NDArray[np.float64], frequent: set[float]) -> tuple[npt.NDArray[np.float64], int]:
    """Rising bounds between bands, and the decimals they are rounded to; negative for tens and more."""
    exact = np.unique(np.quantile(present, _QUINTILES[1:-1], method="nearest")).tolist()
    spread = (exact[-1] - exact[0]) or abs(exact[0]) or 1.0
    digits = 1 - math.floor(math.log10(spread))
    # Adding zero turns -0.0 into 0.0.
    rounded = {bound if bound in frequent else round(bound, digits) + 0.0 for bound in exact}
    return np.asarray(sorted(rounded)), digits


def _text(value: float) -> str:
    return f"{value:,.10g}"


def _raw_columns(item: TableInput, matrix: npt.NDArray[np.float64]) -> list[list[str]]:
    return [_raw(feature, matrix[:, index]) for index, feature in enumerate(item.features)]


def _banded(data: EvaluationData, rows: Rows, name: str, item: TableInput) -> list[list[str]]:
    background = data.background(_BACKGROUND_ROWS, np.random.default_rng(0)).inputs[name]
    counts = _category_counts(data, name, item)
    columns = []
    for index, feature in enumerate(item.features):
        cells = rows.inputs[name][:, index]
        if feature.name in rows.sensitive_features:
            columns.append(shown_groups(data.sensitive_features[feature.name], rows.sensitive_features[feature.name]))
        elif feature.kind == "number":
            columns.append([band(float(cell), background[:, index]) for cell in cells])
        else:
            rare = [count < RARE_ROWS for count in counts[index]]
            texts = _raw(feature, cells)
            columns.append([RARE_VALUE if rare[int(cell)] else text for cell, text in zip(cells, texts, strict=True)])
    return columns


def _category_counts(data: EvaluationData, name: str, item: TableInput) -> list[npt.NDArray[np.int64]]:
    """Evaluated rows by category, for each feature; nothing for a number."""
    counts = [np.zeros(len(feature.categories) + 1, dtype=np.int64) for feature in item.features]
    for batch in data.batches(_BATCH_ROWS):
        matrix = batch.inputs[name]
        for index, feature in enumerate(item.features):
            if feature.kind == "category":
                counts[index] += np.bincount(matrix[:, index].astype(np.int64), minlength=len(counts[index]))
    return counts


def _raw(feature: FeatureSpec, cells: npt.NDArray[np.float64]) -> list[str]:
    if feature.kind == "number":
        return [MISSING_GROUP if np.isnan(cell) else f"{cell:.10g}" for cell in cells]
    names = (*feature.categories, MISSING_GROUP)
    return [names[int(cell)] for cell in cells]
