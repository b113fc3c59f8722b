"""Images: their size, mean and scale from the training rows, and rows that fit them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.inputs import ImageInput
from auditbench.data.stored import StoredArray
from auditbench.errors import DataError

if TYPE_CHECKING:
    from auditbench.config import InputTable

BRIGHTEST = 255.0
"""Full brightness of images that are stored as whole numbers."""
_AT_ONCE = 1024


def fit_images(raw: StoredArray, table: InputTable, *, where: str) -> ImageInput:
    """Size, and mean and standard deviation of each channel, over all pixels; a constant channel has scale 1.

    Args:
        raw: Shape `(rows, channels, height, width)`: uint8, or floating point numbers whose unit stays.

    Raises:
        DataError: There is no image.
    """
    if not len(raw):
        raise DataError("there is no image to learn the mean from", where=where, found="0 rows", fix="name more rows")
    channels, height, width = raw.row_shape
    largest = BRIGHTEST if raw.dtype == np.uint8 else 1.0
    sums, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, len(raw), _AT_ONCE):
        pixels = raw[start : start + _AT_ONCE].astype(np.float64) / largest
        sums += pixels.sum(axis=(0, 2, 3))
        squares += np.square(pixels).sum(axis=(0, 2, 3))
    count = len(raw) * height * width
    mean = sums / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return ImageInput(
        channels=channels,
        height=height,
        width=width,
        largest=largest,
        mean=tuple(mean.tolist()),
        scale=tuple(np.where(deviation > 1e-6, deviation, 1.0).tolist()),
    )


def code_images(raw: StoredArray, item: ImageInput, *, shown: str) -> StoredArray:
    """The images as they are, when the model takes such images.

    Raises:
        DataError: They have another size, or another unit of brightness.
    """
    largest = BRIGHTEST if raw.dtype == np.uint8 else 1.0
    if raw.row_shape != item.shape or largest != item.largest:
        raise DataError(
            f"{shown} has other images than the model takes",
            where="data.inputs",
            found=f"{_size(raw.row_shape)}, brightness up to {largest:g}",
            allowed=f"{_size(item.shape)}, brightness up to {item.largest:g}",
            fix="set `size` of the input, or store the images as those that the model was trained on",
        )
    return raw


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{channels} channel{'' if channels == 1 else 's'} of {height} x {width} pixels"
