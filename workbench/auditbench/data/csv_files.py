"""CSV files: columns by name, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from auditbench.data.source_files import OpenFile, TableFile, first_line
from auditbench.errors import DataError

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells of a CSV file that count as missing; in columns read as text only empty ones, in Parquet also nulls."""
_SEPARATORS = (",", ";", "\t")
_HEAD_BYTES = 64 * 2**10
_BLOCK_BYTES = 16 * 2**20
"""No row can be longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        names: Of its columns, from the first line.
        decimal: The sign before the decimals of a number: a comma where the head of the file has such numbers, and none
            with a point, between other separators than commas.
    """

    names: tuple[str, ...]
    separator: str
    decimal: str


def dialect_of(handle: BufferedReader) -> Dialect:
    """The separator that cuts the first line into most names, a comma before others.

    Raises:
        UnicodeDecodeError: The first line is not UTF-8.
        csv.Error: It cannot be cut.
    """
    handle.seek(0)
    header = handle.readline().decode("utf-8-sig").rstrip("\r\n")
    cut = {sign: tuple(next(csv.reader([header], delimiter=sign), ())) for sign in _SEPARATORS}
    separator = max(_SEPARATORS, key=lambda sign: len(cut[sign]))
    head = handle.read(_HEAD_BYTES).decode(errors="replace") if separator != "," else ""
    return Dialect(names=cut[separator], separator=separator, decimal=_decimal(head, re.escape(separator)))


def open_csv(opened: OpenFile) -> TableFile:
    """A CSV file with the names of its columns in the first line.

    Raises:
        DataError: The first line is not UTF-8 or cannot be cut into names.
    """
    from pyarrow import csv as arrow_csv

    handle = opened.handle
    try:
        dialect = dialect_of(handle)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_csv(error, opened) from error

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        handle.seek(0)
        convert = arrow_csv.ConvertOptions(
            include_columns=list(columns),
            # Bytes, so that a cell that is not UTF-8 is reported with its column, as in other text.
            column_types=dict.fromkeys(as_text, pa.binary()),
            null_values=list(MISSING_WORDS),
            true_values=[],
            false_values=[],
            decimal_point=dialect.decimal,
        )
        cells = arrow_csv.ParseOptions(newlines_in_values=True, delimiter=dialect.separator)
        blocks = arrow_csv.ReadOptions(block_size=_BLOCK_BYTES)
        try:
            table = arrow_csv.read_csv(handle, read_options=blocks, parse_options=cells, convert_options=convert)
        except (pa.ArrowException, KeyError) as error:
            raise _not_csv(error, opened) from error
        return _without_missing_words(table)

    return opened.table(dialect.names, read)


def _decimal(head: str, separator: str) -> str:
    def numbers_with(sign: str) -> bool:
        return bool(re.search(rf"(?:^|{separator})-?[0-9]+{sign}[0-9]+(?:{separator}|\r?$)", head, re.MULTILINE))

    return "," if numbers_with(",") and not numbers_with(r"\.") else "."


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
