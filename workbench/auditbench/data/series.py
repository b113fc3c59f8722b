"""Time series: their layout in arrays, mean and scale from the training rows, and series of one length."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.fitting import LARGEST_NUMBER
from auditbench.data.inputs import SeriesInput
from auditbench.data.moments import channel_moments, declared_moments
from auditbench.data.stored import StoredArray
from auditbench.data.table import named_rows
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable


def series_shape(row_shape: tuple[int, ...], dtype: np.dtype[Any], *, where: str, shown: str) -> tuple[int, int]:
    """Channels and steps of a series that an array holds as `(steps,)` or `(channels, steps)`.

    Raises:
        DataError: The array has another number of dimensions, no step, or no numbers.
    """
    if len(row_shape) not in (1, 2) or 0 in row_shape:
        raise DataError(
            f"{shown} is no array of series",
            where=where,
            found=f"shape ({', '.join(['rows', *map(str, row_shape)])})",
            allowed="(rows, channels, steps) or (rows, steps)",
            fix="name an array of series in `column`, or correct `modality`",
        )
    if dtype.kind not in "iuf":
        raise DataError(
            f"{shown} holds no numbers",
            where=where,
            found=f"dtype {dtype}",
            allowed="integers or floating point numbers",
            fix="save the series as numbers",
        )
    return (1, row_shape[0]) if len(row_shape) == 1 else (row_shape[0], row_shape[1])


def series_of(raw: StoredArray, *, where: str, shown: str) -> StoredArray:
    """Series of an array as float64 of shape `(rows, channels, steps)`, NaN where a number is missing.

    Raises:
        DataError: As `series_shape`; and when rows are read that hold a number that is infinite or beyond float32.
    """
    shape = series_shape(raw.row_shape, raw.dtype, where=where, shown=shown)
    read = partial(_laid_out, raw=raw, shape=shape, where=where, shown=shown)
    return replace(raw, read=read, row_shape=shape, dtype=np.dtype(np.float64))


def fit_series(raw: StoredArray, table: InputTable, *, where: str) -> SeriesInput:
    """Steps, and mean and standard deviation of each channel over what is not missing; a constant channel has scale 1.

    A mean and a scale that the config declares stand in their place.

    Args:
        raw: Shape `(rows, channels, steps)`, NaN where missing or behind the end.

    Raises:
        DataError: A channel has no number, or the config declares a mean for other channels.
    """
    channels, steps = raw.row_shape
    length = table.length or steps
    counts, means, deviation = channel_moments((block[:, :, :length] for block in raw.blocks()), channels)
    if not counts.all():
        raise DataError(
            "a channel of the series has no number",
            where=where,
            found=f"channel {int(np.argmin(counts))} of {channels}, in {len(raw):,} series",
            allowed="a number in each channel",
            fix="leave the channel out, or name rows that have it",
        )
    declared = declared_moments(table, channels, where=where)
    constant = deviation <= 1e-12 * np.maximum(1.0, np.abs(means))
    mean, scale = declared or (tuple(means.tolist()), tuple(np.where(constant, 1.0, deviation).tolist()))
    names = tuple(f"channel {index}" for index in range(channels))
    return SeriesInput(channels=names, steps=length, mean=mean, scale=scale)


def code_series(raw: StoredArray, item: SeriesInput, *, shown: str) -> StoredArray:
    """The series with as many steps as the model sees: cut, or with NaN behind the end.

    Raises:
        DataError: They have another number of channels.
    """
    channels, steps = raw.row_shape
    if channels != len(item.channels):
        raise DataError(
            f"{shown} has other series than the model takes",
            where="data.inputs",
            found=f"{channels} channels",
            allowed=f"{len(item.channels)} channels",
            fix="name series with the channels that the model was trained on",
        )
    return raw if steps == item.steps else raw.map(partial(_of_length, steps=item.steps), item.shape, raw.dtype)


def _laid_out(
    rows: npt.NDArray[np.intp], *, raw: StoredArray, shape: tuple[int, int], where: str, shown: str
) -> npt.NDArray[np.float64]:
    series = raw.read(rows).astype(np.float64).reshape(len(rows), *shape)
    wrong = np.asarray((np.abs(series) > LARGEST_NUMBER).any(axis=(1, 2)))
    if wrong.any():
        raise DataError(
            f"{shown} has series with numbers that are infinite or too large",
            where=where,
            found=named_rows(wrong, rows + 1),
            allowed=f"numbers up to {LARGEST_NUMBER:.3g}, or NaN where one is missing",
            fix="correct these series, or leave them out",
        )
    return series


def _of_length(series: npt.NDArray[Any], *, steps: int) -> npt.NDArray[Any]:
    cut = series[:, :, :steps]
    behind = np.full((*cut.shape[:2], steps - cut.shape[2]), np.nan, dtype=series.dtype)
    return np.concatenate([cut, behind], axis=2)
