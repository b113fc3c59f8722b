"""Opening data: a file whose format its suffix tells, or a folder of images. Parquet and CSV are read here, by column."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from auditbench.data.image_folders import is_folder, open_image_folder
from auditbench.data.npz_files import open_npz
from auditbench.data.source_files import READABLE, OpenFile, TableFile, first_line, open_regular
from auditbench.data.ts_files import open_ts
from auditbench.errors import DataError, EmptyDataError

if TYPE_CHECKING:
    from auditbench.config import DataTable

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells of a CSV file that count as missing; in columns read as text only empty ones, in Parquet also nulls."""

_NO_IMAGES = 'name one file, or for a folder of images add [data.inputs.image] with modality = "image"'
_PARQUET_MAGIC = b"PAR1"
_CSV_BLOCK_BYTES = 16 * 2**20
"""No row of a CSV file can be longer."""


@contextmanager
def open_table(path: Path, *, key: str, shown: str, table: DataTable) -> Iterator[TableFile]:
    """Open a data file, or a folder of images; hashing and reading use one descriptor.

    Args:
        key: Key path in audit.toml, for messages.
        shown: The file as the config names it.
        table: Names the label where a file does not: of .ts files and of folders.

    Raises:
        DataError: It is missing, not a regular file, of no format that can be read, or damaged.
        EmptyDataError: It has no bytes, or no image.
    """
    folder = is_folder(path)
    if folder and table.inputs:
        yield open_image_folder(path, key=key, shown=shown, target=table.target)
        return
    with open_regular(path, key=key, shown=shown, fix=_NO_IMAGES if folder else "") as handle:
        size = os.fstat(handle.fileno()).st_size
        if size == 0:
            raise EmptyDataError(f"{shown} is empty", where=key, found="0 bytes", fix="name a file with rows")
        open_format = _format(path.suffix.lower(), handle.read(len(_PARQUET_MAGIC)), key, shown)
        handle.seek(0)
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        file = open_format(
            OpenFile(
                handle=handle,
                key=key,
                shown=shown,
                folder=path.parent,
                sha256=sha256,
                size=size,
                target=table.target,
            )
        )
        _refuse_duplicates(file.names, key, shown)
        yield file


def _format(suffix: str, head: bytes, key: str, shown: str) -> Callable[[OpenFile], TableFile]:
    formats = {".parquet": _open_parquet, ".csv": _open_csv, ".npz": open_npz, ".ts": open_ts}
    if head == _PARQUET_MAGIC:
        return _open_parquet
    if suffix not in formats:
        raise DataError(
            f"{shown} is no data file that can be read",
            where=key,
            found=f"the suffix {suffix!r}",
            allowed=READABLE,
            fix="convert it to one of these",
        )
    return formats[suffix]


def _open_parquet(opened: OpenFile) -> TableFile:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(opened.handle)
        names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise opened.damaged("Parquet", error) from error

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        try:
            return file.read(columns=list(columns))
        except (pa.ArrowException, OSError) as error:
            raise opened.damaged("Parquet", error) from error

    return opened.table(names, read)


def _open_csv(opened: OpenFile) -> TableFile:
    from pyarrow import csv as arrow_csv

    handle = opened.handle
    try:
        header = handle.readline().decode("utf-8-sig").rstrip("\r\n")
        names = tuple(next(csv.reader([header]), ()))
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
        )
        cells = arrow_csv.ParseOptions(newlines_in_values=True)
        blocks = arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES)
        try:
            table = arrow_csv.read_csv(handle, read_options=blocks, parse_options=cells, convert_options=convert)
        except (pa.ArrowException, KeyError) as error:
            raise _not_csv(error, opened) from error
        return _without_missing_words(table)

    return opened.table(names, read)


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
        allowed="CSV in UTF-8, separated by commas, names in the first line",
        fix="correct that line, or save the table as Parquet",
    )


def _refuse_duplicates(names: tuple[str, ...], key: str, shown: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{shown} has columns of one name",
            where=key,
            found=", ".join(repr(name) for name in twice[:5]),
            allowed="each name once",
            fix="rename one of them",
        )
