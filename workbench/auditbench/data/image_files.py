"""Image files: what their headers tell, and their pixels when they are asked for."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.images import resized
from auditbench.data.source_files import first_line, open_regular
from auditbench.data.stored import StoredArray
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image, Transpose

    from auditbench.config import InputTable

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MOST_PIXELS = 2**26
"""Of one image; a file of few bytes can claim to be larger than memory."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_NAMED_FILES = 3
_GREY = ("1", "L", "LA", "La")
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What turns an image upright, by the orientation that its camera wrote (EXIF 2.3, tag 274)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """One image file, by its header.

    Attributes:
        shown: The path as messages name it.
        size: Height and width, upright.
        grey: Whether it has no colours.
        turn: Name of the Pillow transposition that turns it upright; empty where it is.
        stamp: Bytes and time of the last change, by which a file that was exchanged since is found.
    """

    path: Path
    shown: str
    sha256: str
    size: tuple[int, int]
    grey: bool
    turn: str
    stamp: tuple[int, int]


def inspect_image(path: Path, *, key: str, shown: str) -> ImageFile:
    """Read the header of an image file, and its digest.

    Raises:
        DataError: It is no regular file, no PNG, JPEG, BMP, GIF or WebP, or has more than 67 million pixels.
    """
    with _open(path, key, shown) as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        with _image(handle, key, shown) as image:
            turn = _turn(image)
            height, width = image.height, image.width
            return ImageFile(
                path=path,
                shown=shown,
                sha256=sha256,
                size=(width, height) if _swaps(turn) else (height, width),
                grey=image.mode in _GREY or image.mode.startswith("I"),
                turn=turn,
                stamp=_stamp(handle),
            )


def inspect_images(items: Mapping[str, Path], *, key: str) -> tuple[dict[str, ImageFile], DataError | None]:
    """Read the header of each image file, by the name that messages give it; and the error of those that have none.

    Pixels are decoded when they are asked for, so a file that was cut is found then.
    """
    found: dict[str, ImageFile] = {}
    wrong: dict[str, DataError] = {}
    for shown, path in items.items():
        try:
            found[shown] = inspect_image(path, key=key, shown=shown)
        except DataError as error:
            wrong[shown] = error
    if len(wrong) < 2:
        return found, next(iter(wrong.values()), None)
    named = "; ".join(f"{shown}: {error.problems[0].found}" for shown, error in list(wrong.items())[:_NAMED_FILES])
    return found, DataError(
        f"{len(wrong):,} of {len(items):,} image files cannot be read, by their headers",
        where=key,
        found=named + (f"; and {len(wrong) - _NAMED_FILES:,} more" if len(wrong) > _NAMED_FILES else ""),
        allowed=", ".join(_FORMATS),
        fix="copy or write these files again, or leave them out",
    )


def stored_images(files: Sequence[ImageFile], table: InputTable, *, where: str, key: str | None = None) -> StoredArray:
    """The images as uint8 of shape `(rows, channels, height, width)`: grey if all of them are, otherwise red, green, blue.

    An image is decoded when it is first asked for, and kept where all images need little memory.

    Args:
        where: Key path of the input; `key` that of the files, where another one names them.

    Raises:
        DataError: They have several sizes, and the config does not say which one to bring them to; or, when rows are
            read, a file was changed or cannot be decoded.
    """
    sizes = Counter(file.size for file in files)
    if table.size is None and len(sizes) > 1:
        (first, often), (second, seldom) = sizes.most_common(2)
        other = next(file.shown for file in files if file.size == second)
        raise DataError(
            "the images have several sizes, and a model takes one",
            where=f"{where}.size",
            found=f"{often:,} of {first[0]} x {first[1]} and {seldom:,} of {second[0]} x {second[1]} pixels, such as "
            f"{other}; {len(sizes):,} sizes in all",
            allowed="one size, or a size that all images are brought to",
            fix=f"set {where}.size = [{first[0]}, {first[1]}]",
        )
    height, width = table.size or next(iter(sizes), (1, 1))
    channels = 1 if all(file.grey for file in files) else 3
    shape = (channels, height, width)
    read = partial(_read, files=tuple(files), shape=shape, where=key or where)
    positions = np.arange(len(files))
    return StoredArray(read=read, positions=positions, row_shape=shape, dtype=np.dtype(np.uint8)).kept()


def _open(path: Path, key: str, shown: str) -> BufferedReader:
    allowed = f"an image file: {', '.join(SUFFIXES)}"
    return open_regular(path, key=key, shown=shown, allowed=allowed, fix="correct the path, or copy the image there")


def _read(
    rows: npt.NDArray[np.intp], *, files: tuple[ImageFile, ...], shape: tuple[int, int, int], where: str
) -> npt.NDArray[np.uint8]:
    images = np.empty((len(rows), *shape), dtype=np.uint8)
    for image, row in zip(images, rows.tolist(), strict=True):
        image[...] = _pixels(files[row], shape, where)
    return images


def _pixels(file: ImageFile, shape: tuple[int, int, int], where: str) -> npt.NDArray[np.uint8]:
    with _open(file.path, where, file.shown) as handle:
        if _stamp(handle) != file.stamp:
            raise DataError(
                f"{file.shown} was changed while it was in use",
                where=where,
                found="another size or time of change than at the start",
                allowed="files that stay as they are",
                fix="start again, when nothing writes to the images any more",
            )
        with _image(handle, where, file.shown) as image:
            pixels = _decoded(image, file, grey=shape[0] == 1)
    channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    height, width = shape[1:]
    return channels if file.size == (height, width) else resized(channels[None], height=height, width=width)[0]


def _decoded(image: Image, file: ImageFile, *, grey: bool) -> npt.NDArray[np.uint8]:
    """Pixels of shape `(height, width)` or `(height, width, 3)`, upright; what is transparent is left out of account."""
    if image.mode.startswith("I"):
        image = _of_bytes(image)
    if image.mode == "P":
        image = image.convert("RGBA")
    image = image.convert("L" if grey else "RGB")
    if file.turn:
        image = image.transpose(_transposition(file.turn))
    return np.asarray(image, dtype=np.uint8)


def _of_bytes(image: Image) -> Image:
    """A grey image of 16 bits a pixel in 8 bits."""
    from PIL import Image as Images

    values = np.asarray(image).astype(np.int64).clip(0, 65_535)
    return Images.fromarray(((values + 128) // 257).astype(np.uint8))


@contextmanager
def _image(handle: BufferedReader, where: str, shown: str) -> Iterator[Image]:
    """The image in an open file; whatever a decoder raises inside becomes one kind of error."""
    from PIL import Image as Images

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Images.open(handle, formats=_FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise _too_large(shown, where, f"{image.height:,} x {image.width:,} pixels")
                yield image
    except DataError:
        raise
    except Images.DecompressionBombError as error:
        raise _too_large(shown, where, first_line(error)) from error
    except Exception as error:  # decoders raise errors of many kinds on what is damaged
        raise DataError(
            f"{shown} is no image that can be decoded",
            where=where,
            found=_undecoded(handle, error),
            allowed=", ".join(_FORMATS),
            fix="copy or write the file again, or leave it out",
        ) from error


def _undecoded(handle: BufferedReader, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    size = os.fstat(handle.fileno()).st_size
    if not size:
        return "0 bytes"
    if isinstance(error, UnidentifiedImageError):  # its text is the representation of the open file
        return f"{size:,} bytes that begin like no image"
    return f"{size:,} bytes: {first_line(error)}"


def _too_large(shown: str, where: str, found: str) -> DataError:
    return DataError(
        f"{shown} has too many pixels",
        where=where,
        found=found,
        allowed=f"at most {MOST_PIXELS:,} pixels",
        fix="save a smaller image, or leave it out",
    )


def _turn(image: Image) -> str:
    """Name of what turns an image upright; empty where its header says nothing of it before the pixels, or nonsense."""
    from PIL.Image import Exif

    exif = Exif()
    content: Any = image.info.get("exif")
    if not isinstance(content, bytes):
        return ""
    try:
        exif.load(content)
        return _TURNS.get(exif.get(_ORIENTATION, 1), "")
    except Exception:  # noqa: BLE001 - a damaged note of the camera says nothing of the pixels
        return ""


def _transposition(turn: str) -> Transpose:
    from PIL.Image import Transpose

    return Transpose[turn]


def _swaps(turn: str) -> bool:
    return turn in ("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")


def _stamp(handle: BufferedReader) -> tuple[int, int]:
    state = os.fstat(handle.fileno())
    return state.st_size, state.st_mtime_ns
