"""Which row of the data a row of inputs is, and whether it is still as it was read.

Outputs that stand in a file belong to the rows of that file and to no others. So where an audit has such outputs, the
raw rows have one further array: the number of each row in its file, and a fingerprint of its inputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.stored import StoredArray

if TYPE_CHECKING:
    import numpy.typing as npt

ROW_IDENTITY = "row identity"
"""Name of that array, which no input can have: int64 of shape `(rows, 2)`. It is no input of a model."""

NO_ROW = 0
"""Number of a row that is none of the evaluated ones, such as one of the background."""

_READ_ROWS = 256


def row_identities(inputs: Mapping[str, Any], numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Number and fingerprint of each row, shape `(rows, 2)`.

    Args:
        inputs: Raw arrays by name, which may be stored; these are read, some rows at a time.
        numbers: Position of each row in its file, from 1, shape `(rows,)`.
    """
    identities = np.empty((len(numbers), 2), dtype=np.int64)
    identities[:, 0] = numbers
    step = _READ_ROWS if any(isinstance(array, StoredArray) for array in inputs.values()) else max(1, len(numbers))
    for start in range(0, len(numbers), step):
        part = slice(start, min(start + step, len(numbers)))
        identities[part, 1] = fingerprints({name: array[part] for name, array in inputs.items()}, part.stop - start)
    return identities


def no_identities(rows: int) -> npt.NDArray[np.int64]:
    """The array of rows without outputs, shape `(rows, 2)`."""
    return np.full((rows, 2), NO_ROW, dtype=np.int64)


def fingerprints(inputs: Mapping[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[np.int64]:
    """A number for the raw inputs of each row, shape `(rows,)`: other bytes, types or names give another one."""
    arrays = [(name, np.ascontiguousarray(inputs[name])) for name in sorted(inputs) if name != ROW_IDENTITY]
    kinds = hashlib.blake2b(digest_size=8)
    for name, array in arrays:
        kinds.update(f"{name} {array.dtype.str} {array.shape[1:]}\n".encode())
    found = np.empty(rows, dtype=np.int64)
    for row in range(rows):
        digest = kinds.copy()
        for _, array in arrays:
            digest.update(array[row].tobytes())
        found[row] = int.from_bytes(digest.digest(), "little", signed=True)
    return found
