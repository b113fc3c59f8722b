"""The column that rows are split by in time, as numbers: numbers as they are, ISO dates and times as microseconds."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.table import NumberColumn
from auditbench.errors import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.table import CategoryColumn, Column

_MONTH = re.compile(r"\d{4}-\d{2}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def times_of(column: Column, name: str) -> npt.NDArray[np.float64]:
    """Of each row, in the unit of the column, or as microseconds for dates and times; a date is its first moment.

    Args:
        column: Without missing cells.
        name: Of the column, for messages.

    Raises:
        TrainingError: A text is no ISO date or time, or some have a time zone and others none.
    """
    if isinstance(column, NumberColumn):
        return column.values
    read = {text: _moment(text) for text in _occurring(column)}
    unread = [text for text, moment in read.items() if moment is None]
    moments = {text: moment for text, moment in read.items() if moment is not None}
    zoned = [text for text, moment in moments.items() if moment.tzinfo is not None]
    local = [text for text, moment in moments.items() if moment.tzinfo is None]
    if unread or (zoned and local):
        raise TrainingError(
            f"the column {name!r} does not say which row was first",
            where="train.split_column",
            found=f"{unread[0]!r}" if unread else f"{zoned[0]!r} with a time zone and {local[0]!r} without",
            allowed="numbers, or ISO dates and times, such as 2026-01-31 or 2026-01-31T13:45:00+01:00, with a time zone in all "
            "or in none",
            fix='write them so, or name another column; train.split_by = "group" keeps rows of equal values together',
        )
    numbers = np.full(len(column.names), np.nan)
    for code, text in enumerate(column.names):
        if text in moments:
            numbers[code] = _microseconds(moments[text])
    times: npt.NDArray[np.float64] = numbers[column.codes]
    return times


def _occurring(column: CategoryColumn) -> list[str]:
    return [column.names[code] for code in np.unique(column.codes)]


def _moment(text: str) -> datetime.datetime | None:
    """What a text says; digits alone are no date, though ISO allows that, since they may be a number of anything."""
    stripped = text.strip()
    if stripped.isdigit():
        return None
    try:
        return datetime.datetime.fromisoformat(f"{stripped}-01" if _MONTH.fullmatch(stripped) else stripped)
    except ValueError:
        return None


def _microseconds(moment: datetime.datetime) -> float:
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
    return float((known - _EPOCH) // _MICROSECOND)
