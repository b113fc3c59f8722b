"""Arrays that take long to make, kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

FOLDER = Path(__file__).parent / ".cache"


def kept(name: str, key: str, make: Callable[[], Mapping[str, npt.NDArray[Any]]]) -> Arrays:
    """The arrays made once for a name and a key; made again when the key differs or the file is gone."""
    import numpy as np

    path = FOLDER / f"{name}-{key}.npz"
    if path.is_file():
        with np.load(path) as stored:
            return {part: stored[part] for part in stored.files}
    arrays = dict(make())
    FOLDER.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)
    return arrays


def key_of(*arrays: npt.NDArray[Any], also: Iterable[object] = ()) -> str:
    """A short digest of arrays and settings."""
    digest = hashlib.sha256(repr(tuple(also)).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
