"""The local engine: one chunk after the other, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.engines import Arrays, ChunkStore, Job, RowFunction


class LocalEngine:
    """Works on chunks in order.

    Args:
        store: Keeps finished chunks; None keeps nothing.
    """

    def __init__(self, store: ChunkStore | None = None) -> None:
        self._store = store

    def map_rows(self, function: RowFunction, rows: Rows, job: Job) -> dict[str, npt.NDArray[Any]]:
        """Work on every chunk in order; see `Engine.map_rows`."""
        import numpy as np

        parts: list[Arrays] = []
        for chunk, start in enumerate(range(0, len(rows), job.chunk_rows)):
            stop = min(start + job.chunk_rows, len(rows))
            parts.append(self._chunk(function, rows.take(np.arange(start, stop)), job, chunk))
            job.progress(stop)
        return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}

    def _chunk(self, function: RowFunction, rows: Rows, job: Job, chunk: int) -> Arrays:
        stored = self._store.load(job.analyzer, job.step, chunk) if self._store else None
        if stored is not None:
            return stored
        arrays = function(rows, job.rng(chunk))
        if self._store:
            self._store.save(job.analyzer, job.step, chunk, arrays)
        return arrays
