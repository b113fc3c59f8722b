"""Arrays of a record: numpy arrays where they are made, files with a digest once they are written."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.errors import ResultError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """An array in the run folder; `numpy.asarray(stored)` reads it and checks its digest.

    Attributes:
        path: Path of the `.npy` file, relative to the run folder.
        sha256: Digest of the file's bytes.
        folder: The run folder; set when the array is stored or a record is read, never written.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    folder: str = ""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read the file; raises ResultError when its digest is not the recorded one."""
        import numpy as np

        content = (Path(self.folder) / self.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ResultError(f"{self.path} is not the file that was recorded", found="another sha256")
        array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        return array if dtype is None else array.astype(dtype)


if TYPE_CHECKING:
    Array: TypeAlias = npt.NDArray[np.floating[Any]] | StoredArray
else:
    Array = StoredArray  # what a record holds; the schema is derived from it
