"""From the training rows to `FeatureSpec`: categories, medians, means and scales."""

from __future__ import annotations

import numpy as np

from auditbench.data.features import FeatureSpec
from auditbench.data.table import CategoryColumn, NumberColumn, TablePart, TableSource, named_rows
from auditbench.errors import DataError

MAX_LEVELS = 1000
LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Encoded inputs are float32; a number beyond this has no place there."""


def fit_features(source: TableSource) -> tuple[FeatureSpec, ...]:
    """What the training rows say about each feature; the test rows, when there are no training rows.

    Numbers: median, and mean and standard deviation (divided by n) after filling; a constant has scale 1. Categories:
    the names that occur, sorted, and one further index for missing or unseen. Encoded columns stand in the order of
    the features: one for a number, `len(categories) + 1` for a category.

    Raises:
        DataError: A number is infinite, or a feature has more than 1,000 categories.
    """
    part = source.train if source.train is not None and len(source.train) else source.test
    features: list[FeatureSpec] = []
    start = 0
    for name in source.feature_names:
        column = part.columns[name]
        if isinstance(column, NumberColumn):
            feature = _number(name, column, part, start)
        else:
            feature = _category(name, column, part, start)
        features.append(feature)
        start = feature.stop
    return tuple(features)


def refuse_infinite(name: str, column: NumberColumn, part: TablePart) -> None:
    """Refuse numbers that are infinite or beyond float32.

    Raises:
        DataError: Naming the first rows.
    """
    beyond = np.abs(column.values) > LARGEST_NUMBER
    if beyond.any():
        raise DataError(
            f"column {name!r} of {part.file} has numbers that are infinite or too large",
            where=name,
            found=named_rows(beyond, part.row_numbers),
            allowed=f"numbers up to {LARGEST_NUMBER:.3g}",
            fix="correct these cells, or leave them empty",
        )


def _number(name: str, column: NumberColumn, part: TablePart, start: int) -> FeatureSpec:
    refuse_infinite(name, column, part)
    present = column.values[~column.missing]
    fill = float(np.median(present)) if len(present) else 0.0
    filled = np.where(column.missing, fill, column.values)
    mean = float(filled.mean()) if len(filled) else 0.0
    deviation = float(filled.std()) if len(filled) else 0.0
    constant = deviation <= 1e-12 * max(1.0, abs(mean))
    return FeatureSpec(
        name=name,
        kind="number",
        start=start,
        stop=start + 1,
        fill=fill,
        mean=mean,
        scale=1.0 if constant else deviation,
    )


def _category(name: str, column: CategoryColumn, part: TablePart, start: int) -> FeatureSpec:
    present = np.unique(column.codes[~column.missing])
    if len(present) > MAX_LEVELS:
        raise DataError(
            f"column {name!r} of {part.file} has too many categories for one feature",
            where="data.features",
            found=f"{len(present):,} different values",
            allowed=f"at most {MAX_LEVELS:,}",
            fix=f'add {name!r} to data.exclude, or declare data.types.{name} = "number" if these are numbers',
        )
    categories = tuple(column.names[int(code)] for code in present)
    return FeatureSpec(name=name, kind="category", categories=categories, start=start, stop=start + len(categories) + 1)
