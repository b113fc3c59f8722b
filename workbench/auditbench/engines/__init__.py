"""Engines: where chunks of rows are worked on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from auditbench.data import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
    RowFunction: TypeAlias = Callable[[Rows, np.random.Generator], Arrays]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work over rows, as an engine needs to know it.

    Attributes:
        step: Names the work within its analyzer.
        chunk_rows: Rows a chunk.
        rng: The generator of a chunk, by its number.
        progress: Called with the number of rows done.
    """

    analyzer: str
    step: str
    chunk_rows: int
    rng: Callable[[int], np.random.Generator]
    progress: Callable[[int], None]


class Engine(Protocol):
    """Maps a function over chunks of rows."""

    def map_rows(self, function: RowFunction, rows: Rows, job: Job) -> dict[str, npt.NDArray[Any]]:
        """Work on every chunk and join the arrays along their first size; no rows give no arrays."""


class ChunkStore(Protocol):
    """Keeps finished chunks, so that a resumed audit does not repeat them."""

    def load(self, analyzer: str, step: str, chunk: int) -> dict[str, npt.NDArray[Any]] | None:
        """The arrays of a finished chunk, or None."""

    def save(self, analyzer: str, step: str, chunk: int, arrays: Arrays) -> None:
        """Keep the arrays of a finished chunk."""
