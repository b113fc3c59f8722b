"""Memory that a model frees between blocks is kept: having it again page by page takes up to the time of the model."""

from __future__ import annotations

import functools

import numpy as np

_BYTES = (32 << 20) - (64 << 10)


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MiB that were freed, once for a process.

    glibc has large blocks mapped by the kernel and hands them back, until a mapped block is freed: then blocks of its
    size are kept, and up to twice as much (mallopt(3), `M_MMAP_THRESHOLD`). So a block close to the largest for which
    that holds, 32 MiB, is made and freed; none of it is touched. Where the environment sets `MALLOC_` variables,
    and with other C libraries, nothing changes.
    """
    np.empty(_BYTES, dtype=np.uint8)
