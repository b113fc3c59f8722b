"""Why no first configuration can be written for some data."""

from __future__ import annotations

from collections.abc import Sequence

from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.guesses import id_reason, is_split, text_reason
from auditbench.cli.input_profile import DataProfile
from auditbench.errors import DataError

SHOWN_NAMES = 20


def no_target(data: DataProfile) -> DataError:
    """No column is left that could be predicted."""
    inputs = [f"{item.column or item.name!r}, {item.what}" for item in data.inputs]
    taken = {item.column for item in data.inputs}
    columns = [f"{one.name!r}, {_why_not(one)}" for one in data.columns[:SHOWN_NAMES] if one.name not in taken]
    return DataError(
        "no column could be the target",
        where="--data",
        found="; ".join([*columns, *inputs, *data.left_out]),
        allowed="a column of several labels or numbers, one a row: in an .npz file an array of one dimension, in a .ts "
        "file what @classLabel or @targetLabel announces",
        fix="name one with --target COLUMN"
        if data.columns
        else "add the labels as such a column: array.argmax(axis=1) makes it of one-hot rows, array.astype(str) of objects",
    )


def nothing_left(chosen: ColumnProfile, left_out: Sequence[tuple[ColumnProfile, str]], data: DataProfile) -> DataError:
    """No column and no input is left beside the target."""
    columns = [f"column {column.name!r}: {reason}" for column, reason in left_out[:SHOWN_NAMES]]
    return DataError(
        "nothing is left for the model to see",
        where="--data",
        found="; ".join([f"target {chosen.name!r}", *columns, *data.left_out]),
        allowed="at least one column beside the target, or an input of images, texts or series",
        fix="add a column, or save what was left out in a form that can be read; --target names another target",
    )


def _why_not(column: ColumnProfile) -> str:
    if column.distinct < 2:
        return text_reason(column) or "one value in all rows"
    return id_reason(column) or ("it says which rows are for testing" if is_split(column) else "an input")
