"""Pictures made from arrays: the colours of attribution on white, and PNG files without anything but pixels.

Nothing of a file that a plugin or the data brought is passed on: what a report shows is encoded here from numbers.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LARGEST_PICTURE = 45_000
"""Bytes of a PNG file: 60 KB as the text of a data URI."""
LONGEST_SIDE = 512
_RAISES, _LOWERS = (185, 80, 10), (26, 104, 173)
_UNDER = 0.55


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of pixels of shape `(height, width, 3)`: 8 bits a colour, each row less the one above it.

    Source: Portable Network Graphics, third edition (W3C 2025), sections 5, 9 and 11.
    """
    import numpy as np

    height, width = pixels.shape[:2]
    above = np.zeros_like(pixels)
    above[1:] = pixels[:-1]
    rows = np.full((height, 1 + 3 * width), 2, dtype=np.uint8)
    rows[:, 1:] = (pixels - above).reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def fitting_png(pixels: npt.NDArray[np.uint8], most: int = LARGEST_PICTURE) -> tuple[bytes, int]:
    """A PNG file of at most so many bytes, and by how much the picture was made smaller for it, 1 for not at all."""
    import numpy as np

    factor = max(1, -(-max(pixels.shape[:2]) // LONGEST_SIDE))
    while True:
        small = np.rint(smaller(pixels, factor)).astype(np.uint8)
        file = png(small)
        if len(file) <= most or max(small.shape[:2]) == 1:
            return file, factor
        factor *= 2


def smaller(pixels: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    """Means over blocks of `factor` x `factor` pixels; blocks at the lower and right edge repeat the last pixel."""
    import numpy as np

    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    edges = [(0, -height % factor), (0, -width % factor), *[(0, 0)] * (pixels.ndim - 2)]
    padded = np.pad(pixels, edges, mode="edge").astype(float)
    tall, wide = padded.shape[0] // factor, padded.shape[1] // factor
    means: npt.NDArray[Any] = padded.reshape(tall, factor, wide, factor, *padded.shape[2:]).mean(axis=(1, 3))
    return means


def of_image(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An image of shape `(height, width)` or `(height, width, 3)` in [0, 1] as pixels; what is no number is black."""
    import numpy as np

    levels = np.rint(255 * np.clip(np.nan_to_num(image, nan=0.0), 0.0, 1.0)).astype(np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=2)


def of_levels(levels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An image of shape `(height, width)` or `(height, width, 3)` from 0 to 255 as pixels."""
    return of_image(levels / 255.0)


def of_values(values: npt.NDArray[Any], reach: float) -> npt.NDArray[np.uint8]:
    """Contributions of shape `(height, width)` as pixels: white at 0, orange at `reach`, blue at -`reach`."""
    import numpy as np

    part = np.clip(np.nan_to_num(values) / reach, -1.0, 1.0)[..., None]
    white, hue = np.full(3, 255.0), np.where(part > 0, np.asarray(_RAISES, float), np.asarray(_LOWERS, float))
    pixels: npt.NDArray[np.uint8] = np.rint(white + np.abs(part) * (hue - white)).astype(np.uint8)
    return pixels


def of_both(image: npt.NDArray[Any], values: npt.NDArray[Any], reach: float) -> npt.NDArray[np.uint8]:
    """The image in pale grey with the colours of its contributions on top."""
    import numpy as np

    pale = 255.0 - _UNDER * (255.0 - of_image(image).astype(float).mean(axis=2, keepdims=True))
    part = 0.85 * np.clip(np.abs(np.nan_to_num(values)) / reach, 0.0, 1.0)[..., None]
    hue = np.where(np.nan_to_num(values)[..., None] > 0, np.asarray(_RAISES, float), np.asarray(_LOWERS, float))
    pixels: npt.NDArray[np.uint8] = np.rint(pale + part * (hue - pale)).astype(np.uint8)
    return pixels


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
