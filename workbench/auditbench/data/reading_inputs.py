"""From the `[data.inputs]` tables to images, texts and series, still stored in the file that holds them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.data.image_files import stored_images
from auditbench.data.image_folders import images_digest, images_in_column
from auditbench.data.images import image_shape, images_of
from auditbench.data.npz_files import refuse_lengths
from auditbench.data.series import series_of, series_shape
from auditbench.data.source_files import FileArray, TableFile
from auditbench.data.stored import StoredArray
from auditbench.data.texts import texts_in
from auditbench.data.tokenizer_files import read_token_file
from auditbench.errors import AuditbenchError, DataError, Problem

if TYPE_CHECKING:
    from auditbench.config import DataTable, InputTable


def other_inputs(table: DataTable) -> dict[str, InputTable]:
    """The inputs that are no table, by name."""
    return {name: item for name, item in table.inputs.items() if item.modality != "tabular"}


def input_columns(table: DataTable, file: TableFile) -> tuple[str, ...]:
    """Columns of the file that hold texts, or the paths of images."""
    named = dict.fromkeys(item.column or name for name, item in other_inputs(table).items())
    return tuple(column for column in named if file.only is None and column in file.names)


def input_problems(table: DataTable, file: TableFile) -> list[Problem]:
    """What is wrong with the inputs that the config names, as far as names, sizes and types tell."""
    problems: list[Problem] = []
    for name, item in other_inputs(table).items():
        try:
            _check(name, item, file)
        except AuditbenchError as error:
            problems.extend(error.problems)
    return problems


def read_inputs(
    table: DataTable, file: TableFile, cells: Mapping[str, Any], rows: int | None
) -> tuple[dict[str, StoredArray], dict[str, str]]:
    """The inputs by name, and the digest of the images that a column names, by file and column.

    Args:
        cells: Columns of the file as read, by name.
        rows: Of its columns; None when no column was read.

    Raises:
        DataError: An input cannot be read, or has another number of rows than the columns.
    """
    found: dict[str, StoredArray] = {}
    digests: dict[str, str] = {}
    for name, item in other_inputs(table).items():
        column, where = item.column or name, f"data.inputs.{name}"
        array = file.only or file.arrays.get(column)
        if array is not None:
            found[name] = _of_array(array, item, where, file.shown if file.only else _array_name(column, file))
        elif item.modality == "text":
            refuse = table.missing_categories == "refuse"
            texts = texts_in(cells[column], name=column, shown=file.shown, where=where, refuse_missing=refuse)
            _refuse_numbers(texts, item, column=column, shown=file.shown, where=where)
            found[name] = texts
        else:
            paths = texts_in(cells[column], name=column, shown=file.shown, where=where, refuse_missing=False)[:]
            files = images_in_column(paths.tolist(), file.folder, column=column, shown=file.shown, where=where)
            found[name] = stored_images(files, item, where=where)
            digests[f"{file.shown}: {column}"] = images_digest(paths.tolist(), files)
    inputs = other_inputs(table)
    lengths = {inputs[name].column or name: len(array) for name, array in found.items()}
    lengths |= {name: rows for name in cells if rows is not None and name not in lengths}
    if len(set(lengths.values())) > 1:
        refuse_lengths(file.shown, lengths, "data.inputs")
    return found, digests


def read_tokens(table: DataTable, base: Path) -> dict[str, str]:
    """What the files say that inputs of texts name as their `tokenizer`, by name of the input.

    Args:
        base: Folder that the paths of `table` are relative to.

    Raises:
        DataError: One cannot be read, or is no tokenizer.
    """
    return {
        name: read_token_file(base / item.tokenizer, where=f"data.inputs.{name}.tokenizer", shown=item.tokenizer)
        for name, item in table.inputs.items()
        if item.tokenizer
    }


def nearest(name: str, names: Iterable[str]) -> str:
    """A question that names what is written most like it; empty when nothing is."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def some_names(names: Iterable[str], limit: int = 12) -> str:
    """The first names in quotes, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(repr(name[:60]) for name in listed[:limit]) + more


def _check(name: str, item: InputTable, file: TableFile) -> None:
    column, where = item.column or name, f"data.inputs.{name}"
    array = file.only or file.arrays.get(column)
    if array is None:
        _check_column(name, column, item, file)
    elif array.modality not in ("", item.modality) or item.modality == "text":
        raise DataError(
            f"{file.shown if file.only else _array_name(column, file)} cannot be an input of modality {item.modality!r}",
            where=f"{where}.modality",
            found=repr(item.modality),
            allowed=repr(array.modality) if array.modality else "'image' or 'series'; texts stand in a column",
            fix="correct `modality`, or name another file",
        )
    elif array.row_shape is not None:
        shape = image_shape if item.modality == "image" else series_shape
        shape(array.row_shape, array.dtype, where=where, shown=_array_name(column, file))


def _check_column(name: str, column: str, item: InputTable, file: TableFile) -> None:
    where = f"data.inputs.{name}.column"
    if column not in file.names:
        names = (*file.names, *file.arrays)
        raise DataError(
            f"there is no column or array {column!r} in {file.shown}",
            where=where,
            found=repr(column),
            allowed=some_names(names),
            fix=nearest(column, names) or f"set {where} to the column or array that holds the input",
        )
    if item.modality == "series":
        raise DataError(
            f"column {column!r} of {file.shown} has one cell a row, and a series has many numbers",
            where=where,
            found="a column",
            allowed="a .ts file, or an array of shape (rows, channels, steps) or (rows, steps) in an .npz file",
            fix="save the series in such a file",
        )


def _refuse_numbers(texts: StoredArray, item: InputTable, *, column: str, shown: str, where: str) -> None:
    """Refuse a column of nothing but numbers, which a vocabulary of words makes into tokens without a size."""
    first = ""
    for text in (text for block in texts.blocks() for text in block if text.strip()):
        if item.unit != "words" or not _is_number(text):
            return
        first = first or text
    if first:
        raise DataError(
            f"column {column!r} of {shown} holds numbers, and no text",
            where=where,
            found=f"{first[:40]!r} and other numbers in every row",
            allowed="texts; their characters may be digits",
            fix=f'leave out [{where}] to take the column as a number, or set {where}.unit = "characters"',
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _of_array(array: FileArray, item: InputTable, where: str, shown: str) -> StoredArray:
    raw = array.read(item, where)
    if array.modality == "image":
        return raw
    if item.modality == "image":
        return images_of(raw, item, where=where, shown=shown)
    return series_of(raw, where=where, shown=shown)


def _array_name(column: str, file: TableFile) -> str:
    return f"array {column!r} of {file.shown}"
