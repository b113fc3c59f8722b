"""Rows of a table coded by a model's features and classes: inputs, labels, groups."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from auditbench.bands import MISSING_GROUP
from auditbench.data.features import FeatureSpec
from auditbench.data.fitting import refuse_infinite
from auditbench.data.table import CategoryColumn, Column, NumberColumn, TablePart, named_rows, text_of
from auditbench.errors import DataError, ModelError, Problem

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import DataTable


def code_columns(part: TablePart, features: tuple[FeatureSpec, ...], table: DataTable) -> npt.NDArray[np.float64]:
    """Raw rows as `FeatureSpec` says, shape `(rows, features)`: numbers with NaN, indices of categories.

    Raises:
        ModelError: The data lack a feature of the model, or have it as another kind.
        DataError: A cell is infinite, or missing while the rule for missing cells is `refuse`.
    """
    _check_features(part, features)
    inputs = np.empty((len(part), len(features)), dtype=np.float64)
    for index, feature in enumerate(features):
        column = part.columns[feature.name]
        rule = table.missing_numbers if feature.kind == "number" else table.missing_categories
        if rule == "refuse":
            _refuse_missing(feature, column, part)
        if isinstance(column, NumberColumn):
            refuse_infinite(feature.name, column, part)
            inputs[:, index] = column.values
        else:
            inputs[:, index] = code_categories(column, feature.categories)
    return inputs


def code_categories(column: CategoryColumn, categories: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Indices into `categories`; `len(categories)` for a cell that is missing or of another category."""
    position = {name: index for index, name in enumerate(categories)}
    table = [position.get(name, len(categories)) for name in column.names]
    return np.asarray([*table, len(categories)], dtype=np.int64)[column.codes]


def count_unseen(column: Column, categories: tuple[str, ...]) -> int:
    """Cells with a category that the model does not know; missing cells are not counted."""
    if isinstance(column, NumberColumn):
        return 0
    known = set(categories)
    unseen = np.asarray([*(name not in known for name in column.names), False])
    return int(unseen[column.codes].sum())


def code_labels(
    part: TablePart, target: str, classes: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64] | npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Labels and where they are missing, shape `(rows,)` each; without classes, the values of a regression target.

    A missing label is -1 or NaN.

    Raises:
        DataError: A label is none of the classes, or a regression target is text or infinite.
    """
    column = part.columns[target]
    if not classes:
        if isinstance(column, CategoryColumn):
            raise DataError(
                f"the target {target!r} is text, and regression needs numbers",
                where="data.target",
                found=", ".join(repr(name) for name in column.names[:5]),
                allowed="a column of numbers",
                fix="correct data.target, set model.task to a classification, or declare "
                f'data.types.{target} = "number"',
            )
        refuse_infinite(target, column, part)
        return column.values, column.missing
    labels = text_of(column)
    codes = np.where(labels.missing, -1, code_categories(labels, classes))
    foreign = codes == len(classes)
    if foreign.any():
        named = sorted({labels.names[int(code)] for code in labels.codes[foreign]})
        raise DataError(
            f"the target {target!r} has labels that are none of the classes",
            where="data.target",
            found=f"{', '.join(repr(name) for name in named[:5])} in {named_rows(foreign, part.row_numbers)}",
            allowed=", ".join(repr(name) for name in classes),
            fix="correct the labels, or name every class in data.classes and train the model on them",
        )
    return codes, labels.missing


def code_groups(
    part: TablePart, table: DataTable, kind: Literal["sensitive", "control"]
) -> dict[str, npt.NDArray[np.str_]]:
    """Group of each row by sensitive or control column, shape `(rows,)` of text; a missing cell is a group of its own.

    Raises:
        DataError: Such a column holds numbers and has no bins.
    """
    groups: dict[str, npt.NDArray[np.str_]] = {}
    for name in table.sensitive if kind == "sensitive" else table.control:
        column = part.columns.get(name)
        if column is None:
            continue
        if isinstance(column, NumberColumn):
            if name not in table.bins:
                raise _without_bins(kind, name, column)
            groups[name] = _binned(column, tuple(table.bins[name]))
        else:
            groups[name] = np.asarray([*column.names, MISSING_GROUP], dtype=np.str_)[column.codes]
    return groups


def bin_labels(bounds: tuple[float, ...], *, whole: bool) -> tuple[str, ...]:
    """Names of the groups between upper bounds: `under 25`, `25 to 44`, `65 and over`.

    Numbers that are not whole give `25 to under 45`.
    """
    whole = whole and all(float(bound).is_integer() for bound in bounds)
    inner = [
        f"{low:g} to {high - 1:g}"
        if whole and high - low > 1
        else f"{low:g}"
        if whole
        else f"{low:g} to under {high:g}"
        for low, high in pairwise(bounds)
    ]
    return (f"under {bounds[0]:g}", *inner, f"{bounds[-1]:g} and over")


def _binned(column: NumberColumn, bounds: tuple[float, ...]) -> npt.NDArray[np.str_]:
    names = np.asarray([*bin_labels(bounds, whole=column.whole), MISSING_GROUP], dtype=np.str_)
    index = np.searchsorted(np.asarray(bounds), column.values, side="right")
    return names[np.where(column.missing, len(names) - 1, index)]


def _without_bins(kind: str, name: str, column: NumberColumn) -> DataError:
    present = column.values[~column.missing]
    quartiles = (
        sorted({round(float(value)) for value in np.quantile(present, [0.25, 0.5, 0.75])}) if len(present) else [0]
    )
    return DataError(
        f"the {kind} column {name!r} holds numbers, and groups need bounds",
        where=f"data.bins.{name}",
        found="no bins",
        allowed="upper bounds that make groups, or a declared category",
        fix=f'set data.bins.{name} = {quartiles}, or data.types.{name} = "category"',
    )


def _check_features(part: TablePart, features: tuple[FeatureSpec, ...]) -> None:
    names = tuple(feature.name for feature in features)
    absent = [name for name in names if name not in part.columns]
    if absent:
        raise ModelError(
            f"{part.file} does not have the features that the model was made for",
            where=f"feature {absent[0]!r}",
            found=", ".join(repr(name) for name in part.columns),
            allowed=", ".join(repr(name) for name in names),
            fix=f"first difference: {absent[0]!r}; name it in data.features, or train the model on these columns",
        )
    problems = []
    for feature in features:
        kind = "number" if isinstance(part.columns[feature.name], NumberColumn) else "category"
        if kind != feature.kind:
            problems.append(
                Problem(
                    message=f"feature {feature.name!r} is of another kind than the model was made for",
                    where=f"data.types.{feature.name}",
                    found=kind,
                    allowed=feature.kind,
                    fix=f'declare data.types.{feature.name} = "{feature.kind}", or train the model again',
                )
            )
    if problems:
        raise ModelError(f"{part.file} has features of another kind than the model", problems=tuple(problems))


def _refuse_missing(feature: FeatureSpec, column: Column, part: TablePart) -> None:
    missing = column.missing
    if not missing.any():
        return
    key, rule = ("numbers", "median") if feature.kind == "number" else ("categories", "own-category")
    raise DataError(
        f"column {feature.name!r} of {part.file} has missing cells",
        where=f"data.missing_{key}",
        found=f"{int(missing.sum()):,} missing, {named_rows(missing, part.row_numbers)}",
        allowed="no missing cell, by the rule `refuse`",
        fix=f'fill them, or set data.missing_{key} = "{rule}"',
    )
