"""Rows that stay in their file, or as they were read, until somebody asks for some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Positions: TypeAlias = npt.NDArray[np.intp]


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

    def map(
        self, function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], row_shape: tuple[int, ...], dtype: Any
    ) -> StoredArray:
        """What a function, which knows each row by itself, gives for some rows; it is called when they are asked for."""
        read = self.read
        return StoredArray(
            read=lambda rows: function(read(rows)),
            positions=self.positions,
            row_shape=row_shape,
            dtype=np.dtype(dtype),
        )


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
