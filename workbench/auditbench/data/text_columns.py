"""Columns of text of a file beside the data, such as the pairs that a probe brings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from auditbench.config import DataTable
from auditbench.data.files import open_table
from auditbench.data.source_files import TableFile, first_line, open_regular
from auditbench.data.texts import texts_in
from auditbench.errors import DataError

ALLOWED = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumns:
    """Some columns of a file.

    Attributes:
        cells: Text of each row, by column; empty where a cell of an optional column is missing.
        sha256: Of the bytes of the file.
    """

    cells: Mapping[str, tuple[str, ...]]
    sha256: str


def text_columns(path: Path, *, needed: Sequence[str], optional: Sequence[str], key: str) -> TextColumns:
    """Read columns of text from a CSV, Parquet or JSON Lines file.

    Args:
        needed: Columns that must be there and have no empty cell; `optional` ones are left out where they are missing.
        key: Key path of the parameter that names the file, for messages.

    Raises:
        DataError: It is no such file, is damaged, lacks a column, a column is no text, or a needed cell is missing.
    """
    if path.suffix.lower() not in ALLOWED:
        raise DataError(
            f"{path.name} is no table of texts",
            where=key,
            found=f"the suffix {path.suffix!r}",
            allowed=", ".join(ALLOWED),
        )
    with _opened(path, key, needed[0]) as file:
        absent = [name for name in needed if name not in file.names]
        if absent:
            raise DataError(
                f"{path.name} lacks a column",
                where=key,
                found=", ".join(file.names)[:200],
                allowed=", ".join(needed),
                fix=f"add the column {absent[0]!r}, or say in the parameters how it is called",
            )
        names = [*needed, *(name for name in optional if name in file.names)]
        return TextColumns(cells=_cells(file, names, set(needed), key), sha256=file.sha256)


@contextmanager
def _opened(path: Path, key: str, target: str) -> Iterator[TableFile]:
    """The file, by the reader of data of an audit; of JSON Lines, which those do not know, as one Arrow table."""
    if path.suffix.lower() != ".jsonl":
        with open_table(path, key=key, shown=path.name, table=DataTable(test=path.name, target=target)) as file:
            yield file
        return
    from pyarrow import json

    with open_regular(path, key=key, shown=path.name, allowed=", ".join(ALLOWED)) as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        try:
            table = json.read_json(handle)
        except pa.ArrowException as error:
            raise DataError(
                f"{path.name} is no complete file of JSON Lines",
                where=key,
                found=first_line(error),
                allowed="one object a line",
            ) from error
        names = tuple(table.column_names)
        yield TableFile(
            shown=path.name,
            folder=path.parent,
            names=names,
            sha256=sha256,
            read=lambda columns, _: table.select(columns),
        )


def _cells(file: TableFile, names: list[str], needed: set[str], key: str) -> dict[str, tuple[str, ...]]:
    table: Any = file.read(names, names)
    found = {}
    for name in names:
        cells = table.column(name)
        if name not in needed and (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
            cells = cells.cast(pa.string())
        texts = texts_in(cells, name=name, shown=file.shown, where=key, refuse_missing=False)
        found[name] = tuple(str(text) for block in texts.blocks() for text in block)
        blank = next((row for row, text in enumerate(found[name], start=1) if not text.strip()), None)
        if blank is not None and name in needed:
            raise DataError(
                f"the column {name!r} of {file.shown} has no text in some row",
                where=key,
                found=f"nothing in row {blank}",
                allowed="a text in each row",
            )
    return found
