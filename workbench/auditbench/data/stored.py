"""Rows that stay in their file, or as they were read, until somebody asks for some of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Positions: TypeAlias = npt.NDArray[np.intp]

KEPT_BYTES = 256 * 2**20
"""What is costly to make is made once and kept where all of it needs no more memory than this."""
_BLOCK_NUMBERS = 2**22
_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredArray:
    """An array of which rows are read when they are asked for; `stored[indices]` and `stored[start:stop]` give arrays.

    Attributes:
        read: From positions of rows to an array of these rows, a new one each time.
        positions: Of the rows that this array has, in its order.
        row_shape: Of one row; () where a row is one text.
        dtype: Of the arrays that `read` gives.
    """

    read: Callable[[Positions], npt.NDArray[Any]]
    positions: Positions
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array that holds all rows."""
        return len(self), *self.row_shape

    def __getitem__(self, rows: slice | Positions) -> npt.NDArray[Any]:
        return self.read(self.positions[rows])

    def take(self, indices: Positions) -> StoredArray:
        """The rows at these indices, still in their file."""
        return replace(self, positions=self.positions[indices])

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """All rows, in order, at most some million numbers and some thousand rows at a time."""
        step = min(_BLOCK_ROWS, max(1, _BLOCK_NUMBERS // max(1, math.prod(self.row_shape))))
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def map(
        self, function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], row_shape: tuple[int, ...], dtype: Any
    ) -> StoredArray:
        """What a function, which knows each row by itself, gives for some rows; it is called when they are asked for."""
        read = self.read
        return replace(self, read=lambda rows: function(read(rows)), row_shape=row_shape, dtype=np.dtype(dtype))

    def kept(self) -> StoredArray:
        """The same rows, each read once and then kept in memory, where all of them need at most `KEPT_BYTES`."""
        if math.prod(self.shape) * self.dtype.itemsize > KEPT_BYTES:
            return self
        return replace(self, read=_KeptRows(self), positions=np.arange(len(self)))


class _KeptRows:
    """Rows of a stored array, each read when it is first asked for."""

    def __init__(self, source: StoredArray) -> None:
        self._source = source
        self._rows = np.empty(source.shape, dtype=source.dtype)
        self._known = np.zeros(len(source), dtype=np.bool_)

    def __call__(self, rows: Positions) -> npt.NDArray[Any]:
        unknown = np.unique(rows[~self._known[rows]])
        if len(unknown):
            self._rows[unknown] = self._source[unknown]
            self._known[unknown] = True
        return self._rows[rows]


def some_rows(inputs: Mapping[str, Any], indices: Positions) -> dict[str, Any]:
    """Some rows of arrays by name; those that are stored stay so."""
    return {
        name: array.take(indices) if isinstance(array, StoredArray) else array[indices]
        for name, array in inputs.items()
    }


def stored(array: npt.NDArray[Any]) -> StoredArray:
    """An array that is in memory already."""
    return StoredArray(
        read=lambda rows: array[rows],
        positions=np.arange(len(array)),
        row_shape=array.shape[1:],
        dtype=array.dtype,
    )
