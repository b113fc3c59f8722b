"""`peak_memory`: the most bytes of tensors and arrays alive at once, a cost that is free of noise."""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch._ops import OpOverload

    Storages = weakref.WeakKeyDictionary[torch.UntypedStorage, int]


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class PeakMemory:
    """Bytes allocated since the measurement began; what was there before counts nothing.

    Attributes:
        bytes: Most that were alive at once: storages of tensors, and what Python allocated, the data of numpy arrays
            included.
        tensor_bytes: The same of storages alone.
        kept_bytes: What was still alive at the end, such as results; 0 until then.
    """

    bytes: int = 0
    tensor_bytes: int = 0
    kept_bytes: int = 0
    _live: int = 0

    def change(self, grown: int) -> None:
        """Storages grew by so many bytes, or shrank."""
        self.settle()
        self._live += grown
        self.tensor_bytes = max(self.tensor_bytes, self._live)
        self.settle()

    def settle(self) -> int:
        """Take note of the peak since the last change, while storages stayed as they are; the bytes alive now."""
        now, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        self.bytes = max(self.bytes, self._live + peak)
        return self._live + now


@dataclass(slots=True, kw_only=True)
class _Known:
    """Storages made since the measurement began, with the bytes that each was counted with."""

    measured: PeakMemory
    sizes: dict[int, int] = field(default_factory=dict)

    def see(self, storage: torch.UntypedStorage) -> None:
        """Count a storage once, and again only by what it was resized."""
        key, size = id(storage), storage.nbytes()
        before = self.sizes.get(key)
        if before is None:
            weakref.finalize(storage, self._gone, key).atexit = False
        if size != before:
            self.sizes[key] = size
            self.measured.change(size - (before or 0))

    def _gone(self, key: int) -> None:
        self.measured.change(-self.sizes.pop(key))


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measure what runs in this thread.

    A storage is counted when an operation that torch dispatches gives it, and taken off when it dies. Not seen: what an
    operation allocates and frees inside itself, and what neither torch, numpy nor Python allocates. Modules that are
    imported meanwhile count: run once before.

    Raises:
        RuntimeError: `tracemalloc` runs already; its peak is needed here.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    if tracemalloc.is_tracing():
        raise RuntimeError("expected tracemalloc to be stopped, found it running; stop it, or do not nest measurements")
    measured = PeakMemory()
    known = _Known(measured=measured)

    class Measuring(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
        def __torch_dispatch__(
            self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            given = {id(storage) for storage in _storages((args, kwargs))}
            result = func(*args, **(kwargs or {}))
            for storage in _storages(result):
                if id(storage) in known.sizes or id(storage) not in given:
                    known.see(storage)
            return result

    with Measuring():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.empty(0).clone()  # what torch imports at the first operation is no memory of what is measured
    tracemalloc.start()
    try:
        with Measuring():  # type: ignore[no-untyped-call]  # torch leaves it untyped
            yield measured
        measured.kept_bytes = measured.settle()
    finally:
        tracemalloc.stop()


def _storages(values: Any) -> Iterator[torch.UntypedStorage]:
    import torch
    from torch.utils._pytree import tree_leaves

    for leaf in tree_leaves(values):
        if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided:
            yield leaf.untyped_storage()
