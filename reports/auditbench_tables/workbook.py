"""Tables as a workbook: text is written as text, so that nothing in it is a formula or a link."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from auditbench_tables.sheet import FORMULA, Sheet, Value

MOST_ROWS, MOST_COLUMNS = 1_048_575, 16_384
"""Rows of a sheet below its heading, and columns."""
WIDEST, NARROWEST = 60, 8
_MADE = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)  # the same in every file: equal runs, equal bytes
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def write_workbook(sheets: Sequence[Sheet]) -> bytes:
    """An .xlsx file of a sheet a table; the same tables give the same bytes.

    Raises:
        ValueError: A table has more rows or columns than a sheet may have.
    """
    content = io.BytesIO()
    with Workbook(content, _OPTIONS) as book:
        book.set_properties({"created": _MADE})
        heading, quoted = book.add_format({"bold": True, "bottom": 1}), book.add_format({"quote_prefix": True})
        for sheet in sheets:
            _fill(book.add_worksheet(sheet.name), sheet, heading, quoted)
    return content.getvalue()


def _fill(page: Worksheet, sheet: Sheet, heading: Format, quoted: Format) -> None:
    for most, found, name in ((MOST_ROWS, sheet.rows, "rows"), (MOST_COLUMNS, sheet.columns, "columns")):
        if len(found) > most:
            raise ValueError(f"expected at most {most} {name} in {sheet.name}, got {len(found)}; use `csv`")
    for column, name in enumerate(sheet.columns):
        page.write_string(0, column, name, heading)
        page.set_column(column, column, _width(sheet, column))
    for index, row in enumerate(sheet.rows, 1):
        for column, value in enumerate(row):
            _write(page, index, column, value, quoted)
    page.freeze_panes(1, 0)


def _write(page: Worksheet, row: int, column: int, value: Value, quoted: Format) -> None:
    """A cell; one whose text looks like a formula stays text when somebody edits it."""
    if isinstance(value, str):
        page.write_string(row, column, value, quoted if value.lstrip().startswith(tuple(FORMULA)) else None)
    elif value is not None:
        page.write_number(row, column, value)


def _width(sheet: Sheet, column: int) -> int:
    """Characters of the longest of the first cells."""
    cells = [sheet.columns[column], *(str(row[column]) for row in sheet.rows[:100] if row[column] is not None)]
    return min(WIDEST, max(NARROWEST, *(len(cell) + 1 for cell in cells)))
