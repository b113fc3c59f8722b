"""Outputs that stand for a model, for a first configuration: in columns of the data, or in a file that an id joins to them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.cli.data_profile import HEAD_ROWS, ColumnProfile, profile_columns, sample_table
from auditbench.cli.derived_columns import derived_reason, named_as_output
from auditbench.cli.guesses import id_reason, is_split
from auditbench.errors import DataError
from auditbench.paths import is_file_there
from auditbench.safe_text import shortened

if TYPE_CHECKING:
    import pyarrow

    from auditbench.cli.derived_columns import Outputs
    from auditbench.cli.input_profile import DataProfile
    from auditbench.run import OutputScale

OWN_IDS = "path"
"""Column by which the images of a folder are found, which has no column of its own."""
_EVALUATED = "test"
_SHOWN = 20
_SHOWN_TRIED = 3
_SHOWN_TEXT = 40
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionsProfile:
    """Outputs that stand for a model.

    Attributes:
        columns: That hold them.
        file: That has these columns, None where the data have them.
        others: Columns of numbers that the file has beside those that were chosen, and which are constant; empty where they
            were named.
        key: Column of ids that joins the file to the data.
        output: What they seem to be, by their range.
        decided: Whether they are 0 and 1 alone, as decisions are and hardly any score.
        derived: Columns of the data that follow from them, and why.
        unmatched: Rows of the sample that are to be evaluated and have no output.
    """

    columns: tuple[str, ...]
    file: Path | None = None
    others: tuple[str, ...] = ()
    key: str = ""
    output: OutputScale = "probability"
    decided: bool = False
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
    files = [Path(name) for name in given if name not in own and is_file_there(Path(name))]
    names = [name for name in given if name in own or Path(name) not in files]
    if len(files) > 1:
        raise _refused("several files of predictions", found=", ".join(map(str, files)), allowed="one")
    if not files:
        _refuse_unknown(names, own, "--data")
        return _profile(tuple(names), data, data.rows)
    outputs = sample_table(files[0])
    shared = [name for name in outputs.column_names if data.rows is not None and name in data.rows.column_names]
    wanted, known = _ids(place, data.rows, shared), _ids(files[0], outputs, shared)
    key = _own_key(outputs, place, files[0]) if data.rows is None else _key(wanted, known, data, outputs, files[0])
    _refuse_unknown(names, outputs.column_names, str(files[0]))
    numbers = [one for one in profile_columns(outputs) if one.kind == "number" and one.name not in {*own, key}]
    columns = tuple(names) or _columns(outputs, numbers, files[0])
    found = _profile(columns, data, outputs, key=key, file=files[0], ids=(wanted.get(key, []), known.get(key, [])))
    others = [] if names else [one for one in numbers if one.name not in columns]
    return replace(found, others=tuple(one.name + " (constant)" * (one.distinct == 1) for one in others))


def _profile(
    columns: tuple[str, ...],
    data: DataProfile,
    outputs: pyarrow.Table | None,
    *,
    key: str = "",
    file: Path | None = None,
    ids: tuple[Sequence[str], Sequence[str]] = ((), ()),
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
    decided = {value for row in found if row is not None for value in row} <= {0, 1}
    derived: dict[str, str] = {}
    unmatched, rows = 0, data.rows
    if rows is not None:
        if file is not None:
            wanted, known = ids
            by_id = dict(zip(known, found, strict=True))
            found = [by_id.get(name) for name in wanted]
        split = next((column.name for column in data.columns if is_split(column)), "")
        parts = rows.column(split).to_pylist() if split else [_EVALUATED] * len(found)
        if outputs.num_rows <= HEAD_ROWS:
            unmatched = list(zip(found, parts, strict=True)).count((None, _EVALUATED))
        threshold = 0.5 if output == "probability" else 0.0
        hidden = (key, *(columns if file is None else ()))
        reasons = {
            name: derived_reason(name, rows.column(name).to_pylist(), found, threshold)
            for name in rows.column_names
            if name not in hidden
        }
        derived = {name: reason for name, reason in reasons.items() if reason}
    return PredictionsProfile(
        columns=columns,
        file=file,
        key=key,
        output=output,
        decided=decided,
        derived=derived,
        unmatched=unmatched,
    )


def _ids(path: Path, rows: pyarrow.Table | None, names: Sequence[str]) -> dict[str, list[str]]:
    """Cells of columns as the ids of an audit are compared: of a CSV file as they are written, so that 007 is not 7."""
    from auditbench.data.columns import category_column

    if rows is None:
        return {}
    table = sample_table(path, as_text=names) if path.suffix.lower() == ".csv" else rows
    found: dict[str, list[str]] = {}
    for name in names:
        with suppress(DataError):  # what has no text form names no row
            column = category_column(table.column(name), name, str(path))
            found[name] = [("", *column.names)[code + 1] for code in column.codes.tolist()]
    return found


def _key(
    wanted: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[str]],
    data: DataProfile,
    outputs: pyarrow.Table,
    file: Path,
) -> str:
    """The column of ids by which most rows find their output."""
    profiles = {column.name: column for column in data.columns}
    found: list[tuple[bool, int, str]] = []
    tried: dict[str, str] = {}
    for name in sorted(wanted.keys() & known.keys(), key=lambda name: (-len(set(wanted[name])), name)):
        ids, there = wanted[name], set(known[name])
        if reason := _no_ids(ids, known[name], file):
            tried[name] = reason
        else:
            found.append((bool(id_reason(profiles[name])), sum(one in there for one in ids), name))
    if not found:
        likely = {name: reason for name, reason in tried.items() if id_reason(profiles[name])} or tried
        raise _no_key(outputs, list(profiles), file, likely)
    return max(found)[2]


def _no_ids(wanted: Sequence[str], known: Sequence[str], file: Path) -> str:
    """Why a column of both joins nothing; empty where it joins them."""
    if "" in wanted:
        return "a row of the data has no value"
    for shown, ids in (("the data", wanted), (str(file), known)):
        if len(set(ids)) < len(ids):
            name, count = Counter(ids).most_common(1)[0]
            return f"{shortened(name, _SHOWN_TEXT)!r} stands {count:,} times in {shown}"
    if set(wanted) & set(known):
        return ""
    one, other = (repr(shortened(ids[0], _SHOWN_TEXT)) if ids else "none" for ids in (wanted, known))
    return f"no value of the data is in {file}, such as {one} in the data and {other} in the file"


def _own_key(outputs: pyarrow.Table, place: Path, file: Path) -> str:
    """The column by which the rows of a folder are found; other data without columns have none."""
    own = [OWN_IDS] if place.is_dir() else []
    if own and OWN_IDS in outputs.column_names:
        return OWN_IDS
    raise _no_key(outputs, own, file)


def _columns(outputs: pyarrow.Table, numbers: Sequence[ColumnProfile], file: Path) -> tuple[str, ...]:
    """Those of the numbers in a file that are outputs, several where they add up to 1."""
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


def _refuse_unknown(names: Sequence[str], known: Sequence[str], shown: str) -> None:
    for name, count in Counter(names).items():
        if name not in known:
            found = f"{name!r}, which is no column of {shown} and no file"
            raise _refused("there is no such column", found=found, allowed=_listed(known))
        if count > 1:
            raise _refused("a column is named twice", found=repr(name), allowed="each column once")


def _no_key(
    outputs: pyarrow.Table, names: Sequence[str], file: Path, tried: Mapping[str, str] | None = None
) -> DataError:
    """The refusal; `tried` are columns of both, and why they join nothing."""
    columns = f"{file}: {_listed(outputs.column_names)}; the data: {_listed(names) or 'no column'}"
    reasons = [f"{name!r}: {reason}" for name, reason in list((tried or {}).items())[:_SHOWN_TRIED]]
    return _refused(
        "no column of ids joins this file to the data",
        found="; ".join([*reasons, columns]),
        allowed="a column of the same name in both, whose values name each row once and are written alike: 007 is not 7",
        fix="write the ids of the rows into both, under one name, or the predictions into a column of the data",
    )


def _refused(message: str, *, found: str, allowed: str, fix: str = "") -> DataError:
    return DataError(message, where="--predictions", found=found, allowed=allowed, fix=fix)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
