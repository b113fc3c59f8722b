"""From Arrow columns to typed columns: what counts as a number and what as a category."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditbench.data.features import FeatureKind
from auditbench.data.table import CategoryColumn, Column, NumberColumn
from auditbench.errors import DataError


def kind_of(kind: Any) -> FeatureKind | None:
    """Kind of an Arrow type: numbers are `number`; text, dictionaries and truth values `category`.

    None when the type does not say it (a column without any value) or cannot be used.
    """
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_dictionary(kind) or pa.types.is_boolean(kind) or _is_text(kind):
        return "category"
    return None


def is_time(kind: Any) -> bool:
    """Whether cells of this Arrow type are dates, or dates with a time; their text is that of ISO 8601."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def usable(kind: Any) -> bool:
    """Whether a column of this Arrow type can be used without a declared type."""
    return kind_of(kind) is not None or bool(pa.types.is_null(kind))


def typed_column(cells: Any, kind: FeatureKind, *, name: str, shown: str) -> Column:
    """Cells of an Arrow column as numbers or categories.

    Args:
        shown: The file as the config names it.

    Raises:
        DataError: A cell is not of that kind.
    """
    return number_column(cells, name=name, shown=shown) if kind == "number" else category_column(cells, name, shown)


def number_column(cells: Any, *, name: str, shown: str) -> NumberColumn:
    """Numbers of an Arrow column; nulls and empty text become NaN, other text is read as numbers.

    Raises:
        DataError: A cell is not a number.
    """
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, cells.type), cells)
    whole = bool(pa.types.is_integer(cells.type))
    try:
        values = cells.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException as error:
        row, text = _first_without_number(cells)
        raise DataError(
            f"column {name!r} of {shown} has a cell that is no number",
            where=f"data.types.{name}",
            found=f"{text!r} in row {row}",
            allowed="numbers, or nothing where one is missing",
            fix=f'correct the cell, or declare data.types.{name} = "category"',
        ) from error
    return NumberColumn(values=np.asarray(values, dtype=np.float64), whole=whole)


def category_column(cells: Any, name: str, shown: str) -> CategoryColumn:
    """Categories of an Arrow column, as text; nulls, NaN and empty text are missing.

    Raises:
        DataError: The cells have no text form, or are not UTF-8.
    """
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
    try:
        text = cells.cast(pa.string())
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"column {name!r} of {shown} cannot be read as text",
            where=f"data.exclude, or {shown}",
            found=f"type {cells.type}",
            allowed="numbers, or text in UTF-8",
            fix=f"exclude the column: add {name!r} to data.exclude; or save the file in UTF-8",
        ) from error
    encoded = text.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    names = encoded.dictionary.to_pylist()
    codes = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    kept = sorted(label for label in names if label != "")
    position = {label: index for index, label in enumerate(kept)}
    table = np.asarray([*(position.get(label, -1) for label in names), -1], dtype=np.int64)
    return CategoryColumn(codes=table[codes], names=tuple(kept))


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _first_without_number(cells: Any) -> tuple[int, str]:
    for row, cell in enumerate(cells.to_pylist(), start=1):
        try:
            float(cell if cell is not None else "nan")
        except (TypeError, ValueError):
            return row, str(cell)[:60]
    return 0, str(cells.type)
