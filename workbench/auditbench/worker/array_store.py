"""Arrays as files of a run folder: those of a finished result, and those of the chunks it is made of."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.arrays import Array, StoredArray
from auditbench.errors import ResultError
from auditbench.manifest import ARRAYS
from auditbench.results import AnalysisResult, Attribution, ImageOverlay, Metric, SeriesAttribution
from auditbench.store import CHUNKS, file_part, write_atomic
from auditbench.worker.result_size import check_size

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.engines import Arrays

ARRAY_FIELDS: dict[type[Any], tuple[str, ...]] = {
    Attribution: ("values", "base_values", "outputs", "standard_error", "player_values"),
    ImageOverlay: ("image", "values"),
    SeriesAttribution: ("series", "values"),
    Metric: ("influence",),
}
_GZ = ".gz"
_QUICK = 1  # level of gzip: the best one takes a hundred times as long for half the size
_PREFIX = "array."  # so that no name is taken for an argument of numpy's
_NAMED_BLOCKS = ("attributions", "image_overlays", "series_attributions")
_BLOCKS = (*_NAMED_BLOCKS, "metrics")
_UNIQUE = (*_NAMED_BLOCKS, "custom_blocks")
_MAY_BE_UNDEFINED = frozenset({"player_values", "series"})
_COMPRESSED = frozenset({"influence"})  # of a rate, three different numbers, and 0 for most rows of a small group


def checked(result: AnalysisResult) -> AnalysisResult:
    """The same result with numpy scalars as Python's numbers and every array in memory and known to be finite numbers.

    Raises:
        ResultError: It holds too much, an array is no numpy array of numbers, is not finite, or cannot be read, or two
            blocks of a kind share a name.
    """
    check_size(result)
    plain: AnalysisResult = _without_scalars(result)
    for kind in _UNIQUE:
        names = [block.name for block in getattr(plain, kind)]
        if len(set(names)) < len(names):
            raise ResultError(
                f"expected different names for the {kind.replace('_', ' ')}", found=", ".join(names)[:200]
            )
    for kind in _BLOCKS:
        for block in _blocks(plain, kind):
            for field in ARRAY_FIELDS.get(type(block), ()):
                _check_array(getattr(block, field), f"{block.name}.{field}", nan=field in _MAY_BE_UNDEFINED)
    return with_stored(plain, _in_memory)


def with_stored(result: AnalysisResult, store: Callable[[str, Any], Array]) -> AnalysisResult:
    """The same result with each array in memory replaced by what `store` makes of its name and itself.

    The name is a path, `analyzer/kind/block/field`, so that no two arrays of a run share one; metrics share names, and
    have their place before theirs.
    """
    changes: dict[str, Any] = {}
    for kind in _BLOCKS:
        blocks = []
        for place, block in enumerate(_blocks(result, kind)):
            arrays = {
                field: store("/".join(map(file_part, (result.analyzer, kind, _label(place, block), field))), array)
                for field in ARRAY_FIELDS.get(type(block), ())
                if isinstance(array := getattr(block, field), (np.ndarray, StoredArray))
            }
            blocks.append(dataclasses.replace(block, **arrays) if arrays else block)
        changes |= {kind: tuple(blocks)} if blocks else {}
    return dataclasses.replace(result, **changes)


def write_array(folder: Path, name: str, array: Any) -> StoredArray:
    """Write one array to `arrays/` of a run folder; what is returned reads it from any current directory."""
    stored = describe_array(name, array)
    content = _npy(array)
    if stored.path.endswith(_GZ):
        content = gzip.compress(content, _QUICK, mtime=0)  # no date, so that equal arrays are equal files
    path = folder / stored.path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, content)
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(stored, sha256=digest, folder=str(folder.absolute()))


def read_only_array(name: str, array: Any) -> Array:
    """A copy that nobody can write to, for results that stay in memory and that others may read."""
    kept: npt.NDArray[Any] = np.array(array)
    kept.setflags(write=False)
    return kept


def describe_array(name: str, array: Any) -> StoredArray:
    """What `write_array` would say of an array, without writing or hashing it; for checking a result's form."""
    file = f"{name}.npy{_GZ if name.rpartition('/')[2] in _COMPRESSED else ''}"
    return StoredArray(path=f"{ARRAYS}/{file}", shape=tuple(array.shape), dtype=str(array.dtype), sha256="")


class FileChunks:
    """The chunks of one analyzer as files of a run folder; see `engines.ChunkStore`.

    Args:
        finished: Records of earlier chunks: `step`, `chunk`, `file`, `sha256`.
        saved: Told of each new chunk, once its file is safe.
    """

    def __init__(
        self, folder: Path, finished: Iterable[Mapping[str, Any]], saved: Callable[[dict[str, Any]], None]
    ) -> None:
        self._folder = folder
        self._finished = {(record["step"], record["chunk"]): record for record in finished}
        self._saved = saved

    def load(self, analyzer: str, step: str, chunk: int) -> dict[str, Any] | None:
        """The arrays of a finished chunk, or None when there is none or its file is not the one that was recorded."""
        record = self._finished.get((step, chunk))
        if record is None:
            return None
        try:
            content = (self._folder / record["file"]).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != record["sha256"]:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files}

    def save(self, analyzer: str, step: str, chunk: int, arrays: Arrays) -> None:
        """Write the arrays of a finished chunk."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{_PREFIX + name: np.asarray(array) for name, array in arrays.items()})
        content = buffer.getvalue()
        file = f"{CHUNKS}/{file_part(analyzer)}/{file_part(step)}/{chunk:06d}.npz"
        path = self._folder / file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, content)
        digest = hashlib.sha256(content).hexdigest()
        self._saved({"step": step, "chunk": chunk, "file": file, "sha256": digest})


def _blocks(result: AnalysisResult, kind: str) -> tuple[Any, ...]:
    """Blocks of a kind; none where something else stands in their place, which the check of the form will say."""
    value = getattr(result, kind)
    return tuple(value) if isinstance(value, (tuple, list)) else ()


def _label(place: int, block: Any) -> str:
    return f"{place:04d}-{file_part(str(block.name))}" if isinstance(block, Metric) else str(block.name)


def _in_memory(name: str, array: Any) -> Any:
    """An array that another analyzer's result brought along, read: where its file is, is not for an analyzer to say."""
    if not isinstance(array, StoredArray):
        return array
    try:
        read = np.asarray(array)
    except (OSError, ValueError, EOFError) as error:
        raise ResultError("a stored array cannot be read", where=name, found=str(error)[:200]) from error
    _check_array(read, name, nan=name.rpartition("/")[2] in _MAY_BE_UNDEFINED)
    return read


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _check_array(array: Any, where: str, *, nan: bool) -> None:
    if array is None or isinstance(array, StoredArray):
        return
    if not isinstance(array, np.ndarray):
        raise ResultError("expected a numpy array", where=where, found=type(array).__name__)
    if array.dtype.kind not in "fiub":
        raise ResultError("expected an array of numbers", where=where, found=f"dtype {array.dtype}")
    wrong = np.isinf(array) if nan else ~np.isfinite(array)
    if wrong.any():
        raise ResultError("expected finite numbers", where=where, found=f"{int(wrong.sum())} that are not")


def _without_scalars(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        changed = {name: new for name, part in parts.items() if (new := _without_scalars(part)) is not part}
        return dataclasses.replace(value, **changed) if changed else value
    if isinstance(value, tuple):
        parts_of = tuple(_without_scalars(item) for item in value)
        return parts_of if any(new is not old for new, old in zip(parts_of, value, strict=True)) else value
    if isinstance(value, Mapping):
        items = {_without_scalars(key): _without_scalars(item) for key, item in value.items()}
        return items if any(items.get(key) is not item for key, item in value.items()) else value
    return value
