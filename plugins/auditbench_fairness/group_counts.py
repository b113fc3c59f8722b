"""Rows counted by group, label and prediction: everything that group metrics need of the rows, and additive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from auditbench.errors import DataError
from auditbench_fairness.feature_columns import native, plain
from auditbench_fairness.group_codes import BLOCK_ROWS, GroupCodes, code_groups, row_blocks
from auditbench_fairness.groups import Cells, Level, lay_out
from auditbench_fairness.rates import Counts

MOST_COUNTS = 1 << 26
"""Entries of the largest table of counts: 512 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupCounts:
    """A table of counts; tables of different rows add up to that of all of them.

    `count_groups(...) + count_groups(...)` and `sum(count_groups(...) for ... in blocks)` hold what one call on all
    rows does, however the rows were split.

    Attributes:
        cells: Combinations of groups: all of those values that occur, up to 4,096 combinations, and beyond that those
            that have rows.
        table: Rows by cell, label and prediction, shape `(cells, classes, classes)`.
    """

    cells: Cells
    table: Counts

    @property
    def groups(self) -> tuple[tuple[Level, ...], ...]:
        """The value of each feature in each cell."""
        levels = self.cells.levels
        return tuple(
            tuple(values[index] for values, index in zip(levels, row, strict=True))
            for row in self.cells.digits.tolist()
        )

    def __add__(self, other: GroupCounts) -> GroupCounts:
        """Counts of both sets of rows.

        Raises:
            DataError: Other features, or another number of classes.
        """
        mine, theirs = (self.cells.features, self.table.shape[-1]), (other.cells.features, other.table.shape[-1])
        if mine != theirs:
            raise DataError(f"expected counts of equal features and classes, got {mine} and {theirs}")
        if self.cells.levels == other.cells.levels and np.array_equal(self.cells.digits, other.cells.digits):
            return GroupCounts(cells=self.cells, table=self.table + other.table)
        levels, moved = [], []
        for left, right, digits in zip(self.cells.levels, other.cells.levels, other.cells.digits.T, strict=True):
            places = {level: place for place, level in enumerate(dict.fromkeys((*left, *right)))}
            levels.append(tuple(places))
            moved.append(np.array([places[level] for level in right], dtype=np.int64)[digits])
        both = np.concatenate([self.cells.digits, np.stack(moved, axis=1)])
        tables = np.concatenate([self.table, other.table])
        found = np.flatnonzero(tables.any(axis=(1, 2)))
        return _laid_out(self.cells.features, levels, both[found], tables[found])

    def __radd__(self, start: int) -> GroupCounts:
        """The start of `sum`, 0, adds nothing."""
        if start != 0:
            return NotImplemented
        return self


def count_groups(*, y_true: Any, y_pred: Any, groups: object, classes: int = 2) -> GroupCounts:
    """Count rows by group, label and prediction in one pass.

    The rows are read in blocks; nothing is sorted, and at most a small number for each text value is kept.

    Args:
        y_true: Labels, shape `(rows,)`: whole numbers from 0 and below `classes`, or booleans; arrays, tensors, lists
            and columns of pandas.
        y_pred: Predicted labels alike.
        groups: Shape `(rows, features)`, or see `auditbench_fairness.feature_columns`. Values may be text, numbers,
            booleans, dates and categories. Missing values (`None`, NaN, NaT) are a group of their own, `None`.
            Values that are equal, as 1 and 1.0, are one group.

    Raises:
        DataError: Unequal lengths, other shapes, labels out of range, groups that cannot be compared, too many counts.
        EmptyDataError: No rows.
    """
    codes = code_groups(groups)
    labels = {name: label_values(name, values) for name, values in (("y_true", y_true), ("y_pred", y_pred))}
    for name, values in labels.items():
        if len(values) != codes.rows:
            raise DataError(f"expected as many as the {codes.rows} rows of `groups`, got {len(values)}", where=name)
    table = _counted(codes, labels, classes)
    found = np.flatnonzero(table.any(axis=(1, 2)))
    return _laid_out(codes.features, codes.levels, codes.digits[found], table[found])


def label_values(name: str, values: Any) -> npt.NDArray[Any]:
    """Labels as an array of numbers of shape `(rows,)`; their range is looked at when they are counted."""
    import pandas as pd

    array = np.asarray(plain(values))
    if array.dtype.kind == "O" and pd.api.types.infer_dtype(array, skipna=False) in ("integer", "boolean", "floating"):
        array = array.astype(np.float64)
    if array.ndim != 1:
        raise DataError(f"expected shape (rows,), got {array.shape}", where=name)
    if array.size and array.dtype.kind not in "biuf":
        raise DataError(
            "expected labels as whole numbers from 0",
            where=name,
            found=f"{array.dtype}, {array[0]!r} in the first row",
            fix="number the classes, as `y == 'yes'` does for two",
        )
    return array.view(np.uint8) if array.dtype.kind == "b" else native(array)


def _counted(codes: GroupCodes, labels: dict[str, npt.NDArray[Any]], classes: int) -> Counts:
    """Rows by code, label and prediction, shape `(codes, classes, classes)`."""
    size = len(codes.digits) * classes * classes
    if size > MOST_COUNTS:
        raise DataError(
            f"expected at most {MOST_COUNTS:,} counts, got {len(codes.digits):,} groups of {classes:,} x {classes:,}",
            where="groups",
            fix="band numbers into ranges first; number the classes from 0",
        )
    block = min(codes.rows, max(BLOCK_ROWS, size))
    code, scratch = np.empty((2, block), dtype=np.min_scalar_type(size))
    total = np.zeros(size, dtype=np.int64)
    for rows in row_blocks(codes.rows, block):
        own, spare = code[: rows.stop - rows.start], scratch[: rows.stop - rows.start]
        codes.write(rows, own, spare)
        for name, values in labels.items():
            part = values[rows]
            _check_labels(name, part, rows.start, classes)
            np.copyto(spare, part, casting="unsafe")
            own *= code.dtype.type(classes)
            own += spare
        total += np.bincount(own, minlength=size)
    return total.reshape(-1, classes, classes)


def _check_labels(name: str, part: npt.NDArray[Any], first: int, classes: int) -> None:
    """Refuse labels other than the whole numbers below `classes`; NaN is in no range."""
    if part.min() >= 0 and part.max() < classes and (part.dtype.kind != "f" or np.array_equal(part, np.floor(part))):
        return
    wrong = int(np.flatnonzero(~((part >= 0) & (part < classes)) | (part != np.floor(part)))[0])
    raise DataError(
        f"expected labels {'0 or 1' if classes == 2 else f'from 0 to {classes - 1}'}, got {part[wrong]} in row "
        f"{first + wrong}",
        where=name,
    )


def _laid_out(features: tuple[str, ...], levels: Any, digits: npt.NDArray[np.int64], table: Counts) -> GroupCounts:
    cells, places = lay_out(features, levels, digits)
    ordered = np.zeros((len(cells.digits), *table.shape[1:]), dtype=np.int64)
    np.add.at(ordered, places, table)
    return GroupCounts(cells=cells, table=ordered)
