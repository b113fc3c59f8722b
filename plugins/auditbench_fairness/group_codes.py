"""The group of every row as one small whole number, written block by block without a sort over the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.errors import DataError, EmptyDataError
from auditbench_fairness.feature_columns import feature_columns
from auditbench_fairness.groups import DENSE_CELLS, Cells, Codes, Level, lay_out
from auditbench_fairness.level_codes import level_codes

Numbers: TypeAlias = npt.NDArray[Any]

DIRECT_VALUES = 1 << 8
"""Span of whole numbers up to which they are used as codes as they are."""
BLOCK_ROWS = 1 << 15
"""Rows that are coded and counted at a time: their codes and the index that counting makes of them stay in cache."""
BLOCK_BYTES = 1 << 20
"""Bytes of wide texts that are looked up at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What a digit of the code is made of.

    Attributes:
        numbers: Shape `(rows,)`; the digit is this less `lowest`.
        size: Digits are below it.
    """

    numbers: Numbers
    lowest: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupCodes:
    """All rows coded.

    Attributes:
        levels: Values of each feature, in any order, also such as do not occur.
        parts: The digits of a row's code, the first one the most significant.
        digits: Index of each feature's value for each code, shape `(codes, features)`.
        rows: At least 1.
    """

    features: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]
    parts: tuple[Part, ...]
    digits: Codes
    rows: int

    def write(self, rows: slice, code: Numbers, scratch: Numbers) -> None:
        """Put the codes of some rows into `code`, an unsigned array that can hold them; `scratch` is like it."""
        code[:] = 0
        for part in self.parts:
            np.copyto(scratch, part.numbers[rows], casting="unsafe")  # wraps around, and so does the next line
            if part.lowest:
                scratch -= code.dtype.type(part.lowest % (1 << 8 * code.itemsize))
            if part is not self.parts[0]:
                code *= code.dtype.type(part.size)
            code += scratch

    def row_cells(self) -> tuple[Cells, Codes]:
        """The cells, and the cell of each row, shape `(rows,)`."""
        codes = np.empty(self.rows, dtype=np.uint32)
        self.write(slice(None), codes, np.empty_like(codes))
        found = np.flatnonzero(np.bincount(codes, minlength=len(self.digits)))
        cells, places = lay_out(self.features, self.levels, self.digits[found])
        lookup = np.zeros(len(self.digits), dtype=np.int64)
        lookup[found] = places
        return cells, lookup[codes]


def code_groups(groups: object) -> GroupCodes:
    """Code the groups of all rows.

    Args:
        groups: See `auditbench_fairness.feature_columns`.

    Raises:
        DataError: Groups that are not columns of one length, or values that cannot be told apart.
        EmptyDataError: No rows.
    """
    columns = feature_columns(groups)
    rows = len(columns[0].values)
    if not rows:
        raise EmptyDataError("expected at least one row, got none", where="groups")
    coded = [_part(column.feature, column.values) for column in columns]
    parts, levels = tuple(part for part, _ in coded), tuple(values for _, values in coded)
    shape = tuple(part.size for part in parts)
    if math.prod(shape) <= DENSE_CELLS:
        digits = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), axis=1).astype(np.int64)
    else:
        parts, digits = _combined(parts, rows)
    return GroupCodes(
        features=tuple(column.feature for column in columns), levels=levels, parts=parts, digits=digits, rows=rows
    )


def row_blocks(rows: int, size: int) -> Iterator[slice]:
    """Slices of `size` rows, the last one shorter."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _part(feature: str, values: Any) -> tuple[Part, tuple[Level, ...]]:
    """The digit of one feature, and the value that each digit stands for.

    Whole numbers that lie close together are their own codes, so nothing is looked up.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "biu":
        numbers = values.view(np.uint8) if values.dtype.kind == "b" else values
        low, high = int(numbers.min()), int(numbers.max())
        if high - low < DIRECT_VALUES:
            direct = range(low, high + 1)
            levels: tuple[Level, ...] = tuple(map(bool, direct)) if values.dtype.kind == "b" else tuple(direct)
            return Part(numbers=numbers, lowest=low, size=len(levels)), levels
    elif hasattr(values, "categories"):
        levels = (None, *values.categories.tolist())
        return Part(numbers=values.codes, lowest=-1, size=len(levels)), levels
    try:
        width = values.dtype.itemsize if isinstance(values, np.ndarray) else 1
        block = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, width)))
        codes, levels = level_codes(lambda rows: values[rows], len(values), block)
    except TypeError as error:
        raise DataError(
            f"expected groups whose values can be told apart, got {error}",
            where=f"groups, feature {feature!r}",
            fix="give each group as text or as a number",
        ) from error
    return Part(numbers=codes, lowest=0, size=len(levels)), levels


def _combined(parts: tuple[Part, ...], rows: int) -> tuple[tuple[Part, ...], Codes]:
    """One digit that numbers the combinations that occur, and the index of each part in each of them."""
    whole, digits = parts[0], np.arange(parts[0].size)[:, np.newaxis]
    for part in parts[1:]:

        def pair(block: slice, left: Part = whole, right: Part = part) -> Numbers:
            return _digit(left, block) * right.size + _digit(right, block)

        codes, found = level_codes(pair, rows, BLOCK_ROWS)
        left, right = np.divmod(np.array(found, dtype=np.int64), part.size)
        digits = np.column_stack([digits[left], right])
        whole = Part(numbers=codes, lowest=0, size=len(found))
    return (whole,), digits


def _digit(part: Part, block: slice) -> npt.NDArray[np.int64]:
    """The digits of a block as 64-bit numbers, from numbers of any type; the subtraction wraps around."""
    return (part.numbers[block].astype(np.uint64) - np.uint64(part.lowest % (1 << 64))).astype(np.int64)
