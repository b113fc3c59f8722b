"""Time series as the UEA and UCR archives store them: .ts files, one series a line, its channels separated by colons."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from auditbench.data.source_files import FileArray, OpenFile, TableFile
from auditbench.data.stored import StoredArray, stored
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

MOST_BYTES = 4 * 2**30
"""Of all series, each as long as the longest."""
_MISSING = "?"
_WHOLE = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """What stands before the first series.

    Attributes:
        numeric: Whether the label is a number, as a target of regression.
        classes: Labels that may occur; empty where the header does not say it.
        dimensions: Channels of each series; None where the header does not say it.
        length: Steps of each channel; None where that differs or is not said.
        lines: Of the file before the first series.
    """

    labelled: bool
    numeric: bool
    classes: tuple[str, ...]
    dimensions: int | None
    length: int | None
    lines: int


def open_ts(opened: OpenFile) -> TableFile:
    """A .ts file: its label, or its target value, is the column that the config names as the target.

    Series of other lengths are as long as the longest, with NaN behind the end; `?` and `NaN` are missing numbers. A
    label `?` is missing.

    Raises:
        DataError: The header has no `@data`, or declares time stamps.
    """
    header = _header(opened)

    @functools.cache
    def content() -> tuple[npt.NDArray[np.float64], list[str | None]]:
        return _content(opened, header)

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        labels: Any = content()[1]
        if header.numeric:
            labels = pa.array([None if label is None else float(label) for label in labels], pa.float64())
        else:
            labels = pa.array(labels, pa.string())
        return pa.table(dict.fromkeys(columns, labels))

    def read_series(table: InputTable, where: str) -> StoredArray:
        return stored(content()[0])

    series = FileArray(row_shape=None, dtype=np.dtype(np.float64), modality="series", read=read_series)
    return replace(opened.table([opened.target] if header.labelled else [], read), only=series)


def _lines(opened: OpenFile) -> Iterator[tuple[int, str]]:
    """Lines that are no comment and not empty, and their number in the file, from 1."""
    opened.handle.seek(0)
    for number, line in enumerate(opened.handle, start=1):
        content = line.strip()
        if number == 1:
            content = content.removeprefix(b"\xef\xbb\xbf")
        if content and not content.startswith((b"#", b"%")):
            try:
                yield number, content.decode()
            except UnicodeDecodeError as error:
                raise _wrong(opened, number, "a character that is not UTF-8", "text in UTF-8") from error


def _header(opened: OpenFile) -> _Header:
    said: dict[str, list[str]] = {}
    for number, line in _lines(opened):
        if not line.startswith("@"):
            raise _wrong(opened, number, line, "lines that begin with @, # or %, up to @data")
        name, *values = line[1:].split() or [""]
        if name.lower() == "data":
            return _said(opened, said, number)
        said[name.lower()] = values
    raise DataError(
        f"{opened.shown} has no series",
        where=opened.key,
        found="no line @data",
        allowed="a header, a line @data, and one series a line",
        fix="copy or write the file again",
    )


def _said(opened: OpenFile, said: dict[str, list[str]], lines: int) -> _Header:
    if _is_true(said.get("timestamps")):
        raise DataError(
            f"{opened.shown} holds time stamps, and series are taken as equally spaced",
            where=opened.key,
            found="@timeStamps true",
            allowed="@timeStamps false",
            fix="resample the series at equal distances, and save the numbers alone",
        )
    classified, numeric = _is_true(said.get("classlabel")), _is_true(said.get("targetlabel"))
    return _Header(
        labelled=classified or numeric,
        numeric=numeric,
        classes=tuple(said["classlabel"][1:]) if classified and not numeric else (),
        dimensions=_whole(opened, said, "dimensions") or _whole(opened, said, "dimension"),
        length=_whole(opened, said, "serieslength") if _is_true(said.get("equallength")) else None,
        lines=lines,
    )


def _is_true(values: list[str] | None) -> bool:
    return values is not None and [value.lower() for value in values[:1]] == ["true"]


def _whole(opened: OpenFile, said: dict[str, list[str]], name: str) -> int | None:
    values = said.get(name)
    if values is None:
        return None
    if len(values) != 1 or _WHOLE.fullmatch(values[0]) is None:
        raise DataError(
            f"{opened.shown} has a header that cannot be read",
            where=opened.key,
            found=f"@{name} {' '.join(values)}"[:80],
            allowed="a whole number of at most 9 digits",
            fix="correct that line",
        )
    return int(values[0])


def _content(opened: OpenFile, header: _Header) -> tuple[npt.NDArray[np.float64], list[str | None]]:
    """All series, shape `(rows, channels, steps)`, and the label of each."""
    rows: list[list[npt.NDArray[np.float64]]] = []
    labels: list[str | None] = []
    for number, line in _lines(opened):
        if number <= header.lines:
            continue
        cells = line.split(":")
        labels.append(_label(opened, header, number, cells.pop()) if header.labelled else None)
        channels = [_numbers(opened, number, cell) for cell in cells]
        expected = header.dimensions or (len(rows[0]) if rows else len(channels))
        if len(channels) != expected or not channels:
            raise _wrong(
                opened, number, _counted(len(channels), "channel"), f"{expected or 'at least 1'}, as in the others"
            )
        if header.length is not None and any(len(channel) != header.length for channel in channels):
            found = next(len(channel) for channel in channels if len(channel) != header.length)
            raise _wrong(opened, number, _counted(found, "step"), f"{header.length}, as @seriesLength says")
        rows.append(channels)
    return _padded(opened, rows), labels


def _label(opened: OpenFile, header: _Header, number: int, cell: str) -> str | None:
    label = cell.strip()
    if label in ("", _MISSING):
        return None
    if header.classes and label not in header.classes:
        raise _wrong(opened, number, f"the label {label!r}", ", ".join(repr(name) for name in header.classes[:12]))
    if header.numeric:
        try:
            _number(label)
        except ValueError as error:
            raise _wrong(opened, number, f"the target {label!r}", "a number, as @targetLabel says") from error
    return label


def _numbers(opened: OpenFile, number: int, cell: str) -> npt.NDArray[np.float64]:
    if not cell.strip():
        return np.empty(0)
    try:
        return np.asarray([_number(text) for text in cell.replace(_MISSING, "nan").split(",")])
    except ValueError as error:
        raise _wrong(opened, number, str(error), "numbers separated by commas, ? where one is missing") from error


def _number(text: str) -> float:
    """As `float`, which also takes digits of other scripts and underscores between them."""
    if "_" in text or not text.isascii():
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)


def _padded(opened: OpenFile, rows: list[list[npt.NDArray[np.float64]]]) -> npt.NDArray[np.float64]:
    channels = len(rows[0]) if rows else 1
    steps = max((len(channel) for row in rows for channel in row), default=0)
    needed = len(rows) * channels * steps * 8
    if needed > MOST_BYTES:
        raise DataError(
            f"{opened.shown} is too large to be read at once",
            where=opened.key,
            found=f"{len(rows):,} series of {channels:,} channels and {steps:,} steps, {needed:,} bytes",
            allowed=f"at most {MOST_BYTES:,} bytes",
            fix="cut the longest series, or save them as an array in an .npz file",
        )
    series = np.full((len(rows), channels, steps), np.nan)
    for row, cells in zip(series, rows, strict=True):
        for channel, cell in zip(row, cells, strict=True):
            channel[: len(cell)] = cell
    return series


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _wrong(opened: OpenFile, number: int, found: str, allowed: str) -> DataError:
    return DataError(
        f"{opened.shown} cannot be read as time series",
        where=opened.key,
        found=f"{found[:80]} in line {number}",
        allowed=allowed,
        fix="correct that line, or copy the file again",
    )
