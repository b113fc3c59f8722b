"""A limit on the memory of this process, so that an allocation beyond it raises instead of ending the process."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_memory(limit: int | None, device: str) -> Iterator[None]:
    """Let this process have so many bytes of private memory as long as the block runs; then as many as before.

    Counted is what can be written to, also where nothing was written yet; reserved and shared memory are not. Only Linux
    keeps such a limit. Beside a GPU there is none: its driver maps far more than it uses.

    Args:
        limit: None, and a device that is no CPU, leave everything as it is.
    """
    if limit is None or not device.startswith("cpu") or sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):  # a plugin may have lowered what cannot be raised again
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
