"""Images: their layout in arrays, their size, mean and scale from the training rows, and rows that fit them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.inputs import ImageInput
from auditbench.data.moments import channel_moments, declared_moments
from auditbench.data.stored import StoredArray
from auditbench.data.table import named_rows
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

BRIGHTEST = 255.0
"""Full brightness of images that are stored as whole numbers."""
_COLOURS = (1, 3, 4)


def image_shape(row_shape: tuple[int, ...], dtype: np.dtype[Any], *, where: str, shown: str) -> tuple[int, int, int]:
    """Channels, height and width of an image that an array holds as `(h, w)`, `(c, h, w)` or `(h, w, c)`.

    The last size counts channels where it is 1, 3 or 4 and the first of the three is not; otherwise the first does, as
    PyTorch has it.

    Raises:
        DataError: The array has another number of dimensions, no pixel, or numbers that are no brightness.
    """
    if len(row_shape) not in (2, 3) or 0 in row_shape:
        raise DataError(
            f"{shown} is no array of images",
            where=where,
            found=f"shape {_shape(row_shape)}",
            allowed="(rows, height, width), (rows, channels, height, width), or (rows, height, width, 1, 3 or 4)",
            fix="name an array of images in `column`, or correct `modality`",
        )
    if dtype != np.uint8 and dtype.kind != "f":
        raise DataError(
            f"{shown} holds numbers whose full brightness is not known",
            where=where,
            found=f"dtype {dtype}",
            allowed="uint8 (0 to 255), or floating point numbers",
            fix="save the images as uint8: images.astype(numpy.uint8)",
        )
    if len(row_shape) == 2:
        return 1, row_shape[0], row_shape[1]
    one, two, three = row_shape
    return (three, one, two) if _channels_last(row_shape) else (one, two, three)


def images_of(raw: StoredArray, table: InputTable, *, where: str, shown: str) -> StoredArray:
    """Images of an array with channels first and of the size that the config asks for: uint8, or float32.

    A size is reached by linear interpolation over the pixels that a new one covers.

    Raises:
        DataError: As `image_shape`; and when rows are read that hold NaN or an infinite number.
    """
    shape = image_shape(raw.row_shape, raw.dtype, where=where, shown=shown)
    read = partial(_laid_out, raw=raw, shape=shape, where=where, shown=shown)
    dtype = raw.dtype if raw.dtype == np.uint8 else np.dtype(np.float32)
    images = replace(raw, read=read, row_shape=shape, dtype=dtype)
    if table.size is None or table.size == shape[1:]:
        return images
    height, width = table.size
    return images.map(partial(resized, height=height, width=width), (shape[0], height, width), dtype)


def resized(images: npt.NDArray[Any], *, height: int, width: int) -> npt.NDArray[Any]:
    """Images of shape `(rows, channels, h, w)`, uint8 or float32, brought to another height and width."""
    from PIL import Image

    out = np.empty((*images.shape[:2], height, width), dtype=images.dtype)
    for index in np.ndindex(images.shape[:2]):
        channel = Image.fromarray(np.ascontiguousarray(images[index]))
        out[index] = np.asarray(channel.resize((width, height), Image.Resampling.BILINEAR))
    return out


def fit_images(raw: StoredArray, table: InputTable, *, where: str) -> ImageInput:
    """Size, and mean and standard deviation of each channel, over all pixels; a constant channel has scale 1.

    A mean and a scale that the config declares stand in their place.

    Args:
        raw: Shape `(rows, channels, height, width)`: uint8, or floating point numbers whose unit stays.

    Raises:
        DataError: There is no image, or the config declares a mean for other channels.
    """
    if not len(raw):
        raise DataError("there is no image to learn the mean from", where=where, found="0 rows", fix="name more rows")
    channels, height, width = raw.row_shape
    largest = _largest(raw)
    declared = declared_moments(table, channels, where=where)
    if declared is None:
        _, means, deviation = channel_moments((block / largest for block in raw.blocks()), channels)
        constant = deviation <= 1e-6 * np.maximum(1.0, np.abs(means))
        declared = tuple(means.tolist()), tuple(np.where(constant, 1.0, deviation).tolist())
    mean, scale = declared
    return ImageInput(channels=channels, height=height, width=width, largest=largest, mean=mean, scale=scale)


def code_images(raw: StoredArray, item: ImageInput, *, shown: str) -> StoredArray:
    """The images as they are, when the model takes such images; grey ones as colour, where it takes colour.

    Raises:
        DataError: They have another size, or another unit of brightness.
    """
    largest = _largest(raw)
    if raw.row_shape == (1, *item.shape[1:]) and item.channels == 3:
        raw = raw.map(partial(np.repeat, repeats=3, axis=1), item.shape, raw.dtype)
    if raw.row_shape != item.shape or largest != item.largest:
        raise DataError(
            f"{shown} has other images than the model takes",
            where="data.inputs",
            found=f"{_size(raw.row_shape)}, brightness up to {largest:g}",
            allowed=f"{_size(item.shape)}, brightness up to {item.largest:g}",
            fix="set `size` of the input, or store the images as those that the model was trained on",
        )
    return raw


def _channels_last(row_shape: tuple[int, ...]) -> bool:
    return row_shape[2] in _COLOURS and row_shape[0] not in _COLOURS


def _laid_out(
    rows: npt.NDArray[np.intp], *, raw: StoredArray, shape: tuple[int, int, int], where: str, shown: str
) -> npt.NDArray[Any]:
    images = raw.read(rows)
    if raw.dtype != np.uint8:
        with np.errstate(over="ignore"):
            images = images.astype(np.float32)
        wrong = ~np.isfinite(images).reshape(len(rows), math.prod(shape)).all(axis=1)
        if wrong.any():
            raise DataError(
                f"{shown} has images with missing or infinite numbers",
                where=where,
                found=named_rows(wrong, rows + 1),
                allowed="finite numbers",
                fix="correct these images, or leave them out",
            )
    if len(raw.row_shape) == 3 and _channels_last(raw.row_shape):
        return np.ascontiguousarray(np.moveaxis(images, -1, 1))
    return images.reshape(len(rows), *shape)


def _largest(raw: StoredArray) -> float:
    return BRIGHTEST if raw.dtype == np.uint8 else 1.0


def _shape(row_shape: tuple[int, ...]) -> str:
    return f"({', '.join(['rows', *map(str, row_shape)])})"


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{channels} channel{'' if channels == 1 else 's'} of {height} x {width} pixels"
