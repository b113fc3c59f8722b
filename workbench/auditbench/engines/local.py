"""The local engine: one chunk after the other, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.errors import ResultError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.engines import Arrays, ChunkStore, Job, RowFunction

_Form: TypeAlias = dict[str, tuple[int, ...]]


class LocalEngine:
    """Works on chunks in order, for one run of one analyzer.

    Args:
        store: Keeps finished chunks; None keeps nothing.
    """

    def __init__(self, store: ChunkStore | None = None) -> None:
        self._store = store
        self._steps: set[str] = set()

    def map_rows(self, function: RowFunction, rows: Rows, job: Job) -> dict[str, npt.NDArray[Any]]:
        """Work on every chunk in order; see `Engine.map_rows`."""
        import numpy as np

        if job.step in self._steps:
            raise ResultError("expected a different step name for each map_rows", where=job.analyzer, found=job.step)
        self._steps.add(job.step)
        parts: list[Arrays] = []
        form: _Form | None = None
        for chunk, start in enumerate(range(0, len(rows), job.chunk_rows)):
            stop = min(start + job.chunk_rows, len(rows))
            part = rows.take(np.arange(start, stop))
            arrays, form = self._chunk(function, part, job, chunk, form)
            parts.append(arrays)
            job.progress(stop)
        return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}

    def _chunk(
        self, function: RowFunction, rows: Rows, job: Job, chunk: int, earlier: _Form | None
    ) -> tuple[Arrays, _Form]:
        """The arrays of one chunk and their form, which is that of the earlier chunks."""
        where = f"step {job.step}, chunk {chunk}"
        stored = self._store.load(job.analyzer, job.step, chunk) if self._store else None
        arrays = function(rows, job.rng(chunk)) if stored is None else stored
        form = _checked_form(arrays, len(rows), where)
        if earlier is not None and form != earlier:
            raise ResultError(
                "expected the same names and trailing shapes in every chunk",
                where=where,
                found=str(form)[:200],
                allowed=str(earlier)[:200],
            )
        if self._store and stored is None:
            self._store.save(job.analyzer, job.step, chunk, arrays)
        return arrays, form


def _checked_form(arrays: Any, rows: int, where: str) -> _Form:
    """Trailing shape of each array by name.

    Raises:
        ResultError: These are no arrays of numbers or text by name with one entry a row.
    """
    import numpy as np

    if not isinstance(arrays, Mapping):
        raise ResultError("expected arrays by name", where=where, found=type(arrays).__name__)
    for name, array in arrays.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            found = f"{type(array).__name__} under {name!r}"
            raise ResultError("expected numpy arrays by name", where=where, found=found[:200])
        if array.dtype.hasobject:
            raise ResultError(
                "expected no array of Python objects", where=where, found=f"dtype {array.dtype} of {name}"
            )
        if array.ndim < 1 or array.shape[0] != rows:
            raise ResultError(
                f"expected arrays that begin with {rows} rows", where=where, found=f"shape {array.shape} of {name}"
            )
    return {name: array.shape[1:] for name, array in sorted(arrays.items())}
