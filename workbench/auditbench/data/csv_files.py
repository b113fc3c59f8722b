"""CSV files: columns by name, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BufferedReader, StringIO
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from auditbench.data.csv_numbers import with_numbers
from auditbench.data.source_files import OpenFile, TableFile, first_line
from auditbench.errors import DataError

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells of a CSV file that count as missing; in columns read as text only empty ones, in Parquet also nulls."""
_SEPARATORS = (",", ";", "\t")
_HEAD_BYTES = 64 * 2**10
_COMPARED_ROWS = 50
_BLOCK_BYTES = 16 * 2**20
"""No row can be longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        names: Of its columns, from the first line.
    """

    names: tuple[str, ...]
    separator: str


def dialect_of(handle: BufferedReader) -> Dialect:
    """The separator that cuts most of the next lines into as many cells as the first one.

    Of several that cut as many, the one with most names is taken, a comma before others.

    Raises:
        UnicodeDecodeError: The first line is not UTF-8.
        csv.Error: No separator cuts these lines, or all are empty.
    """
    handle.seek(0)
    first = handle.readline().decode("utf-8-sig")
    head = handle.read(_HEAD_BYTES)
    if len(head) == _HEAD_BYTES:
        head = head[: head.rfind(b"\n") + 1]
    text = first + head.decode(errors="replace")
    cut = {sign: rows for sign in _SEPARATORS if (rows := _rows(text, sign))}
    if not cut:
        raise csv.Error("there is no line with names")
    separator = max(cut, key=lambda sign: _fit(cut[sign]))
    return Dialect(names=tuple(cut[separator][0]), separator=separator)


def open_csv(opened: OpenFile) -> TableFile:
    """A CSV file with the names of its columns in the first line.

    Raises:
        DataError: The first line is not UTF-8 or cannot be cut into names.
    """
    handle = opened.handle
    try:
        dialect = dialect_of(handle)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_csv(error, opened) from error

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        try:
            return read_cells(handle, dialect.separator, columns, as_text, where=opened.key, shown=opened.shown)
        except (pa.ArrowException, KeyError) as error:
            raise _not_csv(error, opened) from error

    return opened.table(dialect.names, read)


def read_cells(
    handle: IO[bytes], separator: str, columns: Sequence[str], as_text: Collection[str], *, where: str, shown: str
) -> Any:
    """Columns of a CSV file as an Arrow table, those `as_text` as bytes.

    Args:
        where: Key path in audit.toml, and `shown` the file, for messages.

    Raises:
        DataError: Numbers of a column could be read in two ways.
        ArrowException, KeyError: Rows are of several lengths, or a column is not there.
    """
    from pyarrow import csv as arrow_csv

    def parsed(names: Sequence[str], types: dict[str, Any]) -> Any:
        handle.seek(0)
        convert = arrow_csv.ConvertOptions(
            include_columns=list(names),
            column_types=types,
            null_values=list(MISSING_WORDS),
            true_values=[],
            false_values=[],
        )
        cells = arrow_csv.ParseOptions(newlines_in_values=True, delimiter=separator)
        blocks = arrow_csv.ReadOptions(block_size=_BLOCK_BYTES)
        table = arrow_csv.read_csv(handle, read_options=blocks, parse_options=cells, convert_options=convert)
        return _without_missing_words(table)

    def points(name: str) -> Any:
        return parsed([name], {name: pa.string()}).column(name)

    # Bytes, so that a cell that is not UTF-8 is reported with its column, as in other text.
    table = parsed(columns, dict.fromkeys(as_text, pa.binary()))
    return with_numbers(table, declared=as_text, points=None if separator == "," else points, where=where, shown=shown)


def _rows(text: str, separator: str) -> list[list[str]]:
    """The first rows of a text that are not empty, the header first; none where this separator cannot cut them."""
    try:
        rows = (row for row in csv.reader(StringIO(text, newline=""), delimiter=separator) if row)
        return list(islice(rows, 1 + _COMPARED_ROWS))
    except csv.Error:
        return []


def _fit(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many rows are as long as a header of several names, and how many names there are."""
    names = len(rows[0])
    return (sum(len(row) == names for row in rows[1:]) if names > 1 else 0), names


def _without_missing_words(table: Any) -> Any:
    """Text whose type was not declared, with nulls in the place of missing words."""
    words = pa.array(MISSING_WORDS)
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            cells = table.column(index)
            known = pc.if_else(pc.is_in(cells, value_set=words), pa.scalar(None, field.type), cells)
            table = table.set_column(index, field.name, known)
    return table


def _not_csv(error: Exception, opened: OpenFile) -> DataError:
    return DataError(
        f"{opened.shown} is not a table with a header and equal rows",
        where=opened.key,
        found=first_line(error),
        allowed="CSV in UTF-8, separated by commas, semicolons or tabs, names in the first line",
        fix="correct that line, or save the table as Parquet",
    )
