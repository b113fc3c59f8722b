"""Outputs that stand for a model, for a first configuration: in columns of the data, or in a file that an id joins to them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.cli.data_profile import HEAD_ROWS, profile_columns, sample_table
from auditbench.cli.derived_columns import derived_reason, named_as_output
from auditbench.cli.guesses import id_reason
from auditbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow

    from auditbench.cli.derived_columns import Outputs
    from auditbench.cli.input_profile import DataProfile
    from auditbench.run import OutputScale

OWN_IDS = "path"
"""Column by which the images of a folder are found, which has no column of its own."""
_SHOWN = 20
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionsProfile:
    """Outputs that stand for a model.

    Attributes:
        columns: That hold them.
        file: That has these columns, None where the data have them.
        key: Column of ids that joins the file to the data.
        output: What they seem to be, by their range.
        derived: Columns of the data that follow from them, and why.
        unmatched: Rows of the sample that have no output.
    """

    columns: tuple[str, ...]
    file: Path | None = None
    key: str = ""
    output: OutputScale = "probability"
    derived: Mapping[str, str] = field(default_factory=dict)
    unmatched: int = 0


def profile_predictions(given: Sequence[str], data: DataProfile, place: Path) -> PredictionsProfile:
    """What `--predictions` names: columns of the data, or a file, with its columns where it has several.

    Args:
        place: The data.

    Raises:
        DataError: There is no such column, several files are named, no column of ids joins the file to the data, or it is not
            clear which of its columns hold outputs.
    """
    own = [column.name for column in data.columns]
    files = [Path(name) for name in given if name not in own and Path(name).is_file()]
    names = [name for name in given if name in own or Path(name) not in files]
    if len(files) > 1:
        raise _refused("several files of predictions", found=", ".join(map(str, files)), allowed="one")
    if not files:
        _refuse_unknown(names, own, "--data")
        return _profile(tuple(names), data.rows, data.rows)
    outputs = sample_table(files[0])
    key = _key(outputs, data.rows, OWN_IDS if place.is_dir() else "", files[0])
    _refuse_unknown(names, outputs.column_names, str(files[0]))
    columns = tuple(names) or _columns(outputs, {*own, key}, files[0])
    return _profile(columns, data.rows, outputs, key=key, file=files[0])


def _profile(
    columns: tuple[str, ...],
    rows: pyarrow.Table | None,
    outputs: pyarrow.Table | None,
    *,
    key: str = "",
    file: Path | None = None,
) -> PredictionsProfile:
    if outputs is None:
        return PredictionsProfile(columns=columns)
    found = _rows(outputs, columns)
    if not any(found):
        raise _refused(
            "these columns hold no numbers",
            found=_listed(columns),
            allowed="the number that the model gave in each row: a logit, a probability or a value",
            fix="name the columns with the scores of the model, and not those with its decisions",
        )
    output: OutputScale = "probability" if _are_probabilities(found) else "logit"
    derived: dict[str, str] = {}
    unmatched = 0
    if rows is not None:
        if file is not None:
            by_id = dict(zip(_texts(outputs, key), found, strict=True))
            ids = _texts(rows, key)
            found = [by_id.get(name) for name in ids]
        unmatched = found.count(None) if outputs.num_rows <= HEAD_ROWS else 0
        threshold = 0.5 if output == "probability" else 0.0
        hidden = (key, *(columns if file is None else ()))
        reasons = {
            name: derived_reason(name, rows.column(name).to_pylist(), found, threshold)
            for name in rows.column_names
            if name not in hidden
        }
        derived = {name: reason for name, reason in reasons.items() if reason}
    return PredictionsProfile(columns=columns, file=file, key=key, output=output, derived=derived, unmatched=unmatched)


def _key(outputs: pyarrow.Table, rows: pyarrow.Table | None, own: str, file: Path) -> str:
    """The column of ids by which most rows find their output."""
    if rows is None:
        if own in outputs.column_names:
            return own
        raise _no_key(outputs, [own] if own else [], file)
    profiles = {column.name: column for column in profile_columns(rows)}
    found: list[tuple[bool, int, str]] = []
    for name in outputs.column_names:
        if name not in profiles:
            continue
        ids, there = _texts(rows, name), set(_texts(outputs, name))
        matched = sum(one in there for one in ids)
        if matched and "" not in ids and len(set(ids)) == len(ids) and len(there) == outputs.num_rows:
            found.append((bool(id_reason(profiles[name])), matched, name))
    if not found:
        raise _no_key(outputs, rows.column_names, file)
    return max(found)[2]


def _columns(outputs: pyarrow.Table, known: Collection[str], file: Path) -> tuple[str, ...]:
    """The columns of a file that hold outputs: numbers that the data do not have, several where they add up to 1."""
    numbers = [one for one in profile_columns(outputs) if one.kind == "number" and one.name not in known]
    several = [one.name for one in numbers if not (one.whole and one.distinct <= 2)] or [one.name for one in numbers]
    named = [name for name in several if named_as_output(name)] or several
    within = [name for name in several if _are_probabilities(_rows(outputs, [name]))]
    for names in (named, within, several):
        if len(names) == 1 or (names and _are_probabilities(_rows(outputs, names))):
            return tuple(names)
    raise _refused(
        "which columns of this file hold the outputs of the model is not clear",
        found=f"{file}: {_listed(outputs.column_names)}",
        allowed="one column of numbers that the data do not have, or one a class, which add up to 1",
        fix=f"name them: --predictions {file} --predictions COLUMN",
    )


def _are_probabilities(rows: Outputs) -> bool:
    """Whether numbers are shares of 1; of several in a row, whether they add up to it."""
    return all(
        all(-_ROUNDING <= value <= 1 + _ROUNDING for value in row)
        and (len(row) == 1 or abs(sum(row) - 1) <= _ROUNDING * len(row))
        for row in rows
        if row is not None
    )


def _rows(table: pyarrow.Table, names: Sequence[str]) -> list[tuple[float, ...] | None]:
    """The numbers of each row; None where one is missing or none."""
    cells = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    return [tuple(map(float, row)) if all(map(_is_number, row)) else None for row in cells]


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float, Decimal)) and math.isfinite(cell)


def _texts(table: pyarrow.Table, name: str) -> list[str]:
    """Cells as the ids of an audit are compared."""
    return ["" if cell is None else str(cell) for cell in table.column(name).to_pylist()]


def _refuse_unknown(names: Sequence[str], known: Sequence[str], shown: str) -> None:
    for name, count in Counter(names).items():
        if name not in known:
            found = f"{name!r}, which is no column of {shown} and no file"
            raise _refused("there is no such column", found=found, allowed=_listed(known))
        if count > 1:
            raise _refused("a column is named twice", found=repr(name), allowed="each column once")


def _no_key(outputs: pyarrow.Table, names: Sequence[str], file: Path) -> DataError:
    return _refused(
        "no column of ids joins this file to the data",
        found=f"{file}: {_listed(outputs.column_names)}; the data: {_listed(names) or 'no column'}",
        allowed="a column of the same name in both, whose values name each row once",
        fix="write the ids of the rows into both, or the predictions into a column of the data",
    )


def _refused(message: str, *, found: str, allowed: str, fix: str = "") -> DataError:
    return DataError(message, where="--predictions", found=found, allowed=allowed, fix=fix)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
