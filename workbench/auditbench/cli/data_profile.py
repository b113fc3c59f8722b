"""What a table looks like, from its schema and a bounded sample of its rows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from auditbench.errors import DataError, EmptyDataError
from auditbench.paths import is_file_there

if TYPE_CHECKING:
    import pyarrow

HEAD_ROWS = 5_000
"""Rows at the beginning of a file that a sample holds, all of them."""
_ALLOWED = "a .parquet, .csv, .npz or .ts file, or a folder with a folder of images for each class"
_ROWS_A_BATCH = 300
_BATCHES = 32
_BATCH_ROWS = 32_768
_BATCH_BYTES = 4 * 1024 * 1024
_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column in the sample.

    Attributes:
        kind: `other` holds what no model reads as it is: dates, lists, nested values, columns without any value.
        rows: Rows of the sample, `missing` of them without a value.
        distinct: Number of different values in the sample.
        values: The most frequent values as text, the first the most frequent.
        whole: Whether every number is an integer.
        counts_up: Whether each number is one more than the last, as row numbers are.
        quantiles: Tertiles of a number, rising; empty for everything else.
        words: On average in a cell of text, as blanks part them; 0 for everything else.
    """

    name: str
    kind: Literal["number", "category", "other"]
    rows: int
    missing: int
    distinct: int
    values: tuple[str, ...]
    whole: bool = False
    counts_up: bool = False
    quantiles: tuple[float, ...] = ()
    words: float = 0.0

    @property
    def all_different(self) -> bool:
        """Whether no value occurs twice in a sample that is long enough to say so."""
        return self.rows >= 20 and self.distinct == self.rows - self.missing and self.missing < self.rows


def sample_table(path: Path, *, as_text: Collection[str] = ()) -> pyarrow.Table:
    """Rows of a .parquet or .csv file: the first ones, and some of the others; each time the same.

    Args:
        as_text: Columns of a .csv file that stay as they are written, as bytes.

    Raises:
        DataError: The file is missing, damaged or of another type.
        EmptyDataError: It is empty.
    """
    if not is_file_there(path):
        raise DataError(
            "there is no such file", where=str(path), allowed=_ALLOWED, fix="name a file or a folder after --data"
        )
    of_csv = partial(_csv_sample, as_text=as_text)
    readers: dict[str, Callable[[Path], pyarrow.Table]]
    readers = {".parquet": _parquet_sample, ".pq": _parquet_sample, ".csv": of_csv}
    if path.suffix.lower() not in readers:
        raise DataError(
            "the type of this file is not known",
            where=str(path),
            found=path.suffix or "no suffix",
            allowed=_ALLOWED,
        )
    import pyarrow

    try:
        return readers[path.suffix.lower()](path)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            "the file cannot be read", where=str(path), found=str(error).splitlines()[0], fix="check how it was written"
        ) from error


def profile_columns(table: pyarrow.Table, shown: str = "--data") -> tuple[ColumnProfile, ...]:
    """The columns of a sample.

    Raises:
        DataError: A column is named twice.
        EmptyDataError: There are no rows.
    """
    _refuse_twice(table.column_names, shown)
    if table.num_rows == 0:
        raise EmptyDataError("the file holds no rows", where=shown, fix="name a file with rows")
    return tuple(_profile(name, table.column(name)) for name in table.column_names)


def _refuse_twice(names: Iterable[str], shown: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError("a column name stands twice", where=shown, found=repr(twice[0]), fix="rename one of them")


def _parquet_sample(path: Path) -> pyarrow.Table:
    """Rows from row groups all over the file, so that a sorted file shows more than one value."""
    import pyarrow
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        step = max(1, -(-file.num_row_groups // _BATCHES))
        groups = list(range(0, file.num_row_groups, step))
        batches = file.iter_batches(batch_size=_BATCH_ROWS, row_groups=groups)
        return pyarrow.Table.from_batches(list(_thinned(batches)), schema=file.schema_arrow)


def _csv_sample(path: Path, as_text: Collection[str]) -> pyarrow.Table:
    """Rows from the first megabytes as text, then typed by the rules of the audit itself."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    from auditbench.data.csv_files import dialect_of

    if path.stat().st_size == 0:
        raise EmptyDataError("the file is empty", where=str(path), fix="name a file with a header and rows")
    with path.open("rb") as handle:
        dialect = dialect_of(handle)
    convert = arrow_csv.ConvertOptions(column_types=dict.fromkeys(dialect.names, pyarrow.binary()))
    parse = arrow_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True)
    read = arrow_csv.ReadOptions(block_size=_BATCH_BYTES)
    with arrow_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        sample = pyarrow.Table.from_batches(list(_thinned(reader)), schema=reader.schema)
    return _typed(sample, dialect.separator, as_text, str(path))


def _typed(sample: pyarrow.Table, separator: str, as_text: Collection[str], shown: str) -> pyarrow.Table:
    """Columns of bytes with the types that a CSV file of these rows would have; what is not UTF-8 stays bytes."""
    import io

    import pyarrow
    from pyarrow import csv as arrow_csv

    from auditbench.data.csv_files import read_cells

    _refuse_twice(sample.column_names, shown)
    texts = {}
    for name in sample.column_names:
        with suppress(pyarrow.ArrowInvalid):
            texts[name] = sample.column(name).cast(pyarrow.string())
    rows = io.BytesIO()
    arrow_csv.write_csv(pyarrow.table(texts), rows, arrow_csv.WriteOptions(delimiter=separator))
    written = [name for name in as_text if name in texts]
    typed = read_cells(rows, separator, list(texts), written, where="--data", shown=shown) if texts else sample
    return pyarrow.table({name: (typed if name in texts else sample).column(name) for name in sample.column_names})


def _thinned(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """The first rows in full, then rows at equal distances from a bounded number of batches."""
    import pyarrow

    head = HEAD_ROWS
    for batch in islice(batches, _BATCHES):
        yield batch.slice(0, head)
        rest = batch.slice(min(head, batch.num_rows))
        head = max(0, head - batch.num_rows)
        step = max(1, -(-rest.num_rows // _ROWS_A_BATCH))
        yield rest.take(pyarrow.array(range(0, rest.num_rows, step), pyarrow.int64()))


def _profile(name: str, column: pyarrow.ChunkedArray) -> ColumnProfile:
    import pyarrow

    kind = _kind(column.type)
    if kind == "other":
        return ColumnProfile(name=name, kind=kind, rows=len(column), missing=column.null_count, distinct=0, values=())
    cells = [cell for cell in column.to_pylist() if cell is not None and cell != ""]
    counts = Counter(_text(cell) for cell in cells)
    numeric = kind == "number" and bool(cells)
    numbers = [float(cell) for cell in cells] if numeric else []
    return ColumnProfile(
        name=name,
        kind=kind if cells else "other",
        rows=len(column),
        missing=len(column) - len(cells),
        distinct=len(counts),
        values=tuple(value for value, _ in counts.most_common(_VALUES)),
        whole=numeric and (pyarrow.types.is_integer(column.type) or all(value.is_integer() for value in numbers)),
        counts_up=len(numbers) > 1 and all(b - a == 1 for a, b in pairwise(numbers[:HEAD_ROWS])),
        quantiles=_tertiles(numbers),
        words=sum(len(cell.split()) for cell in cells if isinstance(cell, str)) / max(1, len(cells)),
    )


def _kind(of: pyarrow.DataType) -> Literal["number", "category", "other"]:
    from pyarrow import types

    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
        return "number"
    if types.is_string(of) or types.is_large_string(of) or types.is_dictionary(of) or types.is_boolean(of):
        return "category"
    return "other"


def _text(cell: Any) -> str:
    """A cell as the audit names its class: whole numbers without a decimal point."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _tertiles(numbers: list[float]) -> tuple[float, ...]:
    finite = sorted(value for value in numbers if value == value and abs(value) != float("inf"))
    if not finite:
        return ()
    return tuple(sorted({float(f"{finite[len(finite) * part // 3]:.3g}") for part in (1, 2)}))
