"""How much each row counts, as a column of the data says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.table import CategoryColumn, TablePart, named_rows
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt


def row_weights(part: TablePart, name: str | None) -> npt.NDArray[np.float64] | None:
    """The weight of each row, shape `(rows,)`; None where no column is named, or training rows of another file lack it.

    Raises:
        DataError: The column holds text, a weight is missing, infinite or below 0, or all of them are 0.
    """
    column = None if name is None else part.columns.get(name)
    if name is None or column is None:
        return None
    if isinstance(column, CategoryColumn):
        raise _no_weights(name, part, ", ".join(repr(text) for text in column.names[:5]), "name a column of numbers")
    values = column.values
    unfit = column.missing | ~np.isfinite(values) | (values < 0)
    if unfit.any():
        first = "missing" if np.isnan(values[unfit][0]) else f"{values[unfit][0]:g}"
        found = f"{int(unfit.sum()):,} that are no weights, {named_rows(unfit, part.row_numbers)}; the first is {first}"
        raise _no_weights(name, part, found, "correct them, or leave these rows out of the file")
    if len(values) and not values.any():
        raise _no_weights(name, part, "0 in every row", "name another column, or remove data.weights")
    return values


def _no_weights(name: str, part: TablePart, found: str, fix: str) -> DataError:
    return DataError(
        f"the column {name!r} of {part.file} does not say how much each row counts",
        where="data.weights",
        found=found,
        allowed="a number of at least 0 in every row, and one above 0",
        fix=fix,
    )
