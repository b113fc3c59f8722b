"""Outputs in a file of their own, which is joined to the evaluated rows by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.config_problems import nearest
from auditbench.data.columns import category_column, kind_of, typed_column
from auditbench.data.files import open_table
from auditbench.data.image_folders import PATH_COLUMN
from auditbench.data.table import CategoryColumn, TablePart, named_rows
from auditbench.errors import ModelError, Problem
from auditbench.models.stored_numbers import StoredNumbers, numbers_of_columns, text_as_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.source_files import TableFile
    from auditbench.data.table import Column
    from auditbench.models.formats import ModelRequest

_SHOWN_IDS = 3


def outputs_by_id(request: ModelRequest, part: TablePart) -> StoredNumbers:
    """The outputs of these rows, in their order, from the file that `model.path` names.

    Rows of the file that nobody asks for are left out, whatever stands in them.

    Raises:
        DataError: The file cannot be read.
        ModelError: The data have no ids, the file lacks a column, or an evaluated row has no id or stands in the file not
            once: never, or several times; or two evaluated rows have one id.
    """
    table, shown = request.table, request.table.path
    if part.ids is None:
        raise ModelError(
            "outputs in a file of their own are found by the ids of the rows, and the data have none",
            where="data.id",
            found="nothing",
            allowed=f"a column of ids in {part.file} that {shown} has as well",
            fix="set data.id, or write the outputs into a column of the data and remove model.path",
        )
    key = request.source.table.id or PATH_COLUMN
    with open_table(request.path, key="model.path", shown=shown, table=request.source.table) as file:
        _refuse_missing_columns(file, key, table.columns)
        wanted = tuple(dict.fromkeys((key, *table.columns)))
        content = file.read(wanted, [key])
    column = category_column(content.column(key), key, shown)
    ids = np.asarray([*column.names, ""], dtype=object)[column.codes]
    _refuse_missing_ids(part.ids, ids, key, part)
    places = _places(part.ids, ids, part=part, shown=shown)
    found: dict[str, Column] = {}
    for name in table.columns:
        cells = content.column(name).take(places)
        outputs = typed_column(cells, kind_of(cells.type) or "number", name=name, shown=shown)
        found[name] = text_as_numbers(outputs) if isinstance(outputs, CategoryColumn) else outputs
    return numbers_of_columns(found, table.columns, row_numbers=places + 1, shown=shown)


def _refuse_missing_columns(file: TableFile, key: str, columns: tuple[str, ...]) -> None:
    named = [("data.id", key), *((f"model.columns[{index}]", name) for index, name in enumerate(columns))]
    problems = [
        Problem(
            message=f"there is no column {name!r} in {file.shown}",
            where=where,
            found=repr(name),
            allowed=", ".join(map(repr, file.names[:12])),
            fix=nearest(name, file.names) or "correct the name, or name another file in model.path",
        )
        for where, name in named
        if name not in file.names
    ]
    if problems:
        raise ModelError(f"{file.shown} does not have what the configuration names", problems=tuple(problems))


def _refuse_missing_ids(
    wanted: npt.NDArray[np.object_], ids: npt.NDArray[np.object_], key: str, part: TablePart
) -> None:
    """Refuse rows of the data that are called by their number since they have no id, unless the file calls them so, too."""
    numbered, known = zip(wanted.tolist(), part.row_numbers.tolist(), strict=True), set(ids.tolist())
    missing = np.asarray([name == f"row {number}" and name not in known for name, number in numbered])
    if missing.any():
        raise ModelError(
            f"evaluated rows of {part.file} have no id, by which their outputs could be found",
            where="data.id",
            found=f"no value in column {key!r} in {named_rows(missing, part.row_numbers)}",
            allowed="an id in every evaluated row",
            fix="write the ids of these rows, or leave the rows out of the data",
        )


def _places(
    wanted: npt.NDArray[np.object_], ids: npt.NDArray[np.object_], *, part: TablePart, shown: str
) -> npt.NDArray[np.intp]:
    """Position in the file of each evaluated row."""
    rows: dict[str, list[int]] = {}
    for place, name in enumerate(ids.tolist()):
        rows.setdefault(name, []).append(place)
    names = wanted.tolist()
    known, doubled = set(), []
    for name in names:
        if name in known:
            doubled.append(name)
        known.add(name)
    missing = [name for name in names if name not in rows]
    several = [name for name in known if len(rows.get(name, ())) > 1]
    for wrong, message in (
        (doubled, f"several evaluated rows of {part.file} have one id, so that one output would stand for all of them"),
        (missing, f"evaluated rows of {part.file} have no output in {shown}"),
        (sorted(several), f"evaluated rows of {part.file} have several outputs in {shown}"),
    ):
        if wrong:
            first = ", ".join(repr(name) for name in dict.fromkeys(wrong[:_SHOWN_IDS]))
            more = f" and {len(wrong) - _SHOWN_IDS:,} more" if len(wrong) > _SHOWN_IDS else ""
            if wrong is missing and (unnamed := ids == "").any():
                more += f"; in {shown} the id is missing in {named_rows(unnamed, np.arange(1, len(ids) + 1))}"
            raise ModelError(
                message,
                where="model.path",
                found=f"the ids {first}{more}",
                allowed="each evaluated row exactly once",
                fix="write one row of outputs for each id",
            )
    return np.asarray([rows[name][0] for name in names], dtype=np.intp)
