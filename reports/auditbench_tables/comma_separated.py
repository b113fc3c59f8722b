"""Tables as CSV files that no spreadsheet takes for anything but numbers and text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from auditbench_tables.sheet import FORMULA, Sheet, Value

# Where a cell begins, in programs that part them at a semicolon, a bar or a tab too, and what begins a formula there.
_BEGINNING = re.compile(rf"""(^|[,;|\t"])(\s*)(?=[{re.escape(FORMULA)}])""")


def file_names(sheets: Iterable[Sheet]) -> tuple[str, ...]:
    """A file name a sheet."""
    return tuple(f"table-{sheet.name}.csv" for sheet in sheets)


def write_csv(sheet: Sheet) -> bytes:
    """A table in UTF-8 with a mark of byte order, which Excel needs to read it as that; text in quotes, CR LF."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([inert(name) for name in sheet.columns])
    writer.writerows([inert(value) for value in row] for row in sheet.rows)
    return text.getvalue().encode("utf-8-sig")


def inert(value: Value) -> Value:
    """A number as it is; text with an apostrophe before everything that would begin a formula."""
    return _BEGINNING.sub(r"\1\2'", value) if isinstance(value, str) else value
