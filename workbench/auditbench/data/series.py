"""Time series: channels, mean and scale from the training rows, and series of one length."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.inputs import SeriesInput
from auditbench.data.stored import StoredArray
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

_AT_ONCE = 1024


def fit_series(raw: StoredArray, table: InputTable, *, where: str) -> SeriesInput:
    """Steps, and mean and standard deviation of each channel over what is not missing; a constant channel has scale 1.

    Args:
        raw: Shape `(rows, channels, steps)`, NaN where missing or behind the end.

    Raises:
        DataError: There is no number.
    """
    channels, steps = raw.row_shape
    length = table.length or steps
    sums, squares, counts = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for start in range(0, len(raw), _AT_ONCE):
        values = raw[start : start + _AT_ONCE][:, :, :length].astype(np.float64)
        counts += np.count_nonzero(~np.isnan(values), axis=(0, 2))
        sums += np.nansum(values, axis=(0, 2))
        squares += np.nansum(np.square(values), axis=(0, 2))
    if not counts.all():
        raise DataError(
            "a channel of the series has no number",
            where=where,
            found=f"channel {int(np.argmin(counts))} of {channels}, in {len(raw):,} series",
            allowed="a number in each channel",
            fix="leave the channel out, or name rows that have it",
        )
    mean = sums / counts
    deviation = np.sqrt(np.maximum(squares / counts - mean**2, 0.0))
    constant = deviation <= 1e-9 * np.maximum(1.0, np.abs(mean))
    return SeriesInput(
        channels=tuple(f"channel {index}" for index in range(channels)),
        steps=length,
        mean=tuple(mean.tolist()),
        scale=tuple(np.where(constant, 1.0, deviation).tolist()),
    )


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


def _of_length(series: npt.NDArray[Any], *, steps: int) -> npt.NDArray[Any]:
    cut = series[:, :, :steps]
    behind = np.full((*cut.shape[:2], steps - cut.shape[2]), np.nan, dtype=series.dtype)
    return np.concatenate([cut, behind], axis=2)
