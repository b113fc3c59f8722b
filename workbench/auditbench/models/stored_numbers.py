"""Outputs as numbers from columns, refused with the numbers of their rows where they are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.table import CategoryColumn, Column, NumberColumn, named_rows
from auditbench.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.run import OutputScale

ROUNDING = 1e-3
"""How far probabilities that were computed in half precision, or rounded, may lie outside 0 to 1, and their sum from 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredNumbers:
    """Outputs as they stand in a file.

    Attributes:
        columns: Their names.
        values: Shape `(rows, columns)`, NaN where a cell is empty.
        row_numbers: Of the rows in the file, from 1, shape `(rows,)`.
        shown: The file as the config names it.
        where: Key that names the columns, for errors, or argument that holds the outputs; `scale` that of what they are.
    """

    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]
    row_numbers: npt.NDArray[np.intp]
    shown: str
    where: str = "model.columns"
    scale: str = "model.output"


def numbers_of_columns(
    columns: Mapping[str, Column], names: Sequence[str], *, row_numbers: npt.NDArray[np.intp], shown: str
) -> StoredNumbers:
    """The numbers of these columns, one beside the other.

    Raises:
        ModelError: A cell is no number.
    """
    values = np.empty((len(row_numbers), len(names)), dtype=np.float64)
    for place, name in enumerate(names):
        column = columns[name]
        if isinstance(column, CategoryColumn):
            raise _no_numbers(name, column, row_numbers, shown)
        values[:, place] = column.values
    return StoredNumbers(columns=tuple(names), values=values, row_numbers=row_numbers, shown=shown)


def text_as_numbers(column: CategoryColumn) -> Column:
    """The numbers that texts say, where all of them do, as when a word stands in another row of the file."""
    if not all(map(_is_number, column.names)):
        return column
    values = np.array([*map(float, column.names), np.nan])
    return NumberColumn(values=values[column.codes], whole=False)


def checked_numbers(stored: StoredNumbers, *, output: OutputScale) -> npt.NDArray[np.float64]:
    """The outputs, shape `(rows, outputs)`, when all of them are there, finite, and probabilities where these are declared.

    Raises:
        ModelError: Naming the first rows that are not.
    """
    values = stored.values
    fault = next((fault for fault in _faults(stored, output) if fault.cells.any()), None)
    if fault is None:
        return values
    rows = np.asarray(fault.cells.any(axis=1))
    listed = ", ".join(map(repr, stored.columns[:6]))
    raise ModelError(
        f"{fault.message} in {stored.shown}",
        where=stored.where,
        found=f"{int(rows.sum()):,} of {len(values):,} rows, {named_rows(rows, stored.row_numbers)}; "
        f"{listed} of the first: {values[rows][0].tolist()}"[:300],
        allowed=fault.allowed,
        fix=fault.fix,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fault:
    """What is wrong where a mask of shape `(rows, columns)` or `(rows, 1)` is true."""

    cells: npt.NDArray[np.bool_]
    message: str
    allowed: str
    fix: str


def _faults(stored: StoredNumbers, output: OutputScale) -> Iterator[_Fault]:
    """What may be wrong; each is looked for when those before it were not found."""
    values = stored.values
    write = "write the outputs of these rows, or leave the rows out of the data"
    declare = f'declare what the outputs are in {stored.scale}, which may be "logit"; or correct the rows'
    yield _Fault(
        cells=np.isnan(values), message="outputs are missing", allowed="an output in every evaluated row", fix=write
    )
    yield _Fault(cells=np.isinf(values), message="outputs are infinite", allowed="finite numbers", fix=write)
    if output != "probability":
        return
    yield _Fault(
        cells=(values < -ROUNDING) | (values > 1 + ROUNDING),
        message="outputs are declared as probabilities and are none",
        allowed="numbers from 0 to 1",
        fix=declare,
    )
    if values.shape[1] > 1:
        yield _Fault(
            cells=np.abs(values.sum(axis=1, keepdims=True) - 1) > values.shape[1] * ROUNDING,
            message="the probabilities of the classes do not add up to 1",
            allowed="the sum 1 in every row",
            fix=declare,
        )


def _no_numbers(name: str, column: CategoryColumn, row_numbers: npt.NDArray[np.intp], shown: str) -> ModelError:
    is_text = np.asarray([*(not _is_number(text) for text in column.names), False])
    wrong = is_text[column.codes]
    if not wrong.any():
        return ModelError(
            f"column {name!r} of {shown} holds outputs, and is read as text",
            where=f"data.types.{name}",
            found="numbers that are declared or stored as text",
            allowed="numbers",
            fix=f'declare data.types.{name} = "number"',
        )
    texts = sorted({column.names[int(code)] for code in column.codes[wrong]})
    return ModelError(
        f"column {name!r} of {shown} should hold outputs, and has cells that are no numbers",
        where="model.columns",
        found=f"{', '.join(repr(text[:40]) for text in texts[:3])} in {named_rows(wrong, row_numbers)}",
        allowed="the number that the model gave: a logit, a probability or a value",
        fix="name the column with the scores of the model, and not the one with its decisions",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
