"""Arrays of a record: numpy arrays where they are made, files with a digest once they are written."""

from __future__ import annotations

import hashlib
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.errors import ResultError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_GZIP = 31
_HEADER = 4096
"""Bytes that the header of a `.npy` file may take; numpy's are aligned to 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """An array in the run folder; `numpy.asarray(stored)` reads it and checks its digest.

    Attributes:
        path: Path of the `.npy` file, relative to the run folder; `.npy.gz` for one compressed by gzip.
        sha256: Digest of the file's bytes.
        folder: The run folder; set when the array is stored or a record is read, never written.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    folder: str = ""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read the file; raises ResultError when its digest is not the recorded one, or it holds more than recorded."""
        import numpy as np

        content = (Path(self.folder) / self.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ResultError(f"{self.path} is not the file that was recorded", found="another sha256")
        if self.path.endswith(".gz"):
            content = self._decompressed(content, math.prod(self.shape) * np.dtype(self.dtype).itemsize + _HEADER)
        array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        return array if dtype is None else array.astype(dtype)

    def _decompressed(self, content: bytes, most: int) -> bytes:
        """What a gzip file holds, at most so many bytes: a small file can hold far more than there is memory."""
        reader = zlib.decompressobj(wbits=_GZIP)
        try:
            held = reader.decompress(content, most)
        except zlib.error:
            held = b""
        if not reader.eof:
            raise ResultError(f"{self.path} is not a gzip file of the recorded shape", found=f"{len(held):,} bytes")
        return held


if TYPE_CHECKING:
    Array: TypeAlias = npt.NDArray[np.floating[Any]] | StoredArray
    IntegerArray: TypeAlias = npt.NDArray[np.integer[Any]] | StoredArray
else:
    Array = IntegerArray = StoredArray  # what a record holds; the schema is derived from it
