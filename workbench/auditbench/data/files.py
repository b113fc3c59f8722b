"""Opening data files: regular files only, Parquet or CSV decided by content and suffix, read by column."""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from auditbench.errors import DataError, EmptyDataError

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells of a CSV file that count as missing; in columns read as text only empty ones, in Parquet also nulls."""

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """An open data file: its columns are known, its rows are not read yet.

    Attributes:
        shown: The file as the config names it.
        sha256: Of its bytes.
        read: Reads these columns; of a CSV file, those in the second argument as the text that stands there.
    """

    shown: str
    names: tuple[str, ...]
    sha256: str
    read: Callable[[Sequence[str], Collection[str]], Any]


@contextmanager
def open_table(path: Path, *, key: str, shown: str) -> Iterator[TableFile]:
    """Open a data file; hashing and reading use one descriptor.

    Args:
        key: Key path in audit.toml, for messages.
        shown: The file as the config names it.

    Raises:
        DataError: It is missing, not a regular file, neither Parquet nor CSV, or damaged.
        EmptyDataError: It has no bytes.
    """
    with _open_regular(path, key, shown) as handle:
        size = os.fstat(handle.fileno()).st_size
        if size == 0:
            raise EmptyDataError(f"{shown} is empty", where=key, found="0 bytes", fix="name a file with rows")
        head = handle.read(len(_PARQUET_MAGIC))
        handle.seek(0)
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        suffix = path.suffix.lower()
        if head == _PARQUET_MAGIC or suffix == ".parquet":
            names, read = _open_parquet(handle, key, shown, size)
        elif suffix == ".csv":
            names, read = _open_csv(handle, key, shown)
        else:
            raise DataError(
                f"{shown} is no data file that can be read",
                where=key,
                found=f"the suffix {suffix!r}",
                allowed=".parquet, .csv",
                fix="convert it to one of these",
            )
        _refuse_duplicates(names, key, shown)
        yield TableFile(shown=shown, names=names, sha256=sha256, read=read)


def _open_regular(path: Path, key: str, shown: str) -> BufferedReader:
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(
            f"{shown} cannot be opened",
            where=key,
            found=error.strerror or str(error),
            allowed="a readable .parquet or .csv file; paths are relative to the configuration file",
            fix=_nearby(path),
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(
            f"{shown} is not a regular file",
            where=key,
            found="a folder" if path.is_dir() else "a pipe or a device",
            allowed=".parquet, .csv",
            fix="name one file",
        )
    return os.fdopen(descriptor, "rb")


def _nearby(path: Path) -> str:
    files = sorted(item.name for item in path.parent.glob("*") if item.suffix.lower() in (".parquet", ".csv"))
    return f"data files in that folder: {', '.join(files[:5])}" if files else f"check the path: {path}"


def _open_parquet(handle: BufferedReader, key: str, shown: str, size: int) -> tuple[tuple[str, ...], Any]:
    import pyarrow.parquet as pq

    def damaged(error: Exception) -> DataError:
        return DataError(
            f"{shown} is not a complete Parquet file",
            where=key,
            found=f"{size:,} bytes: {_first_line(error)}",
            allowed="a .parquet or .csv file",
            fix="copy or write the file again",
        )

    try:
        handle.seek(0)
        file = pq.ParquetFile(handle)
        names = tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise damaged(error) from error

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        try:
            return file.read(columns=list(columns))
        except (pa.ArrowException, OSError) as error:
            raise damaged(error) from error

    return names, read


def _open_csv(handle: BufferedReader, key: str, shown: str) -> tuple[tuple[str, ...], Any]:
    from pyarrow import csv as arrow_csv

    handle.seek(0)
    try:
        header = handle.readline().decode("utf-8-sig").rstrip("\r\n")
        names = tuple(next(csv.reader([header]), ()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_csv(error, key, shown) from error

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
        try:
            table = arrow_csv.read_csv(handle, convert_options=convert)
        except (pa.ArrowException, KeyError) as error:
            raise _not_csv(error, key, shown) from error
        return _without_missing_words(table)

    return names, read


def _without_missing_words(table: Any) -> Any:
    """Text whose type was not declared, with nulls in the place of missing words."""
    words = pa.array(MISSING_WORDS)
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            cells = table.column(index)
            known = pc.if_else(pc.is_in(cells, value_set=words), pa.scalar(None, field.type), cells)
            table = table.set_column(index, field.name, known)
    return table


def _not_csv(error: Exception, key: str, shown: str) -> DataError:
    return DataError(
        f"{shown} is not a table with a header and equal rows",
        where=key,
        found=_first_line(error),
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
