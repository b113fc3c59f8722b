"""A limit on the memory of this process, so that an allocation beyond it raises instead of ending the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_memory(limit: int | None, device: str) -> Iterator[int | None]:
    """Let this process have so many bytes of private memory as long as the block runs; then as many as before.

    Gives the limit that holds in the block, which may have been set outside; None where there is none.

    Counted is what can be written to, also where nothing was written yet; reserved and shared memory are not. Only Linux
    keeps such a limit. Beside a GPU there is none: its driver maps far more than it uses.

    Args:
        limit: None, and a device that is no CPU, leave everything as it is.
    """
    if limit is None or not device.startswith("cpu") or sys.platform != "linux":
        yield _limit_in_force()
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)  # one tuple: behind the block there may be no memory for another
    hard = before[1]
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    try:
        yield allowed
    finally:
        try:  # noqa: SIM105 - as said
            resource.setrlimit(resource.RLIMIT_DATA, before)
        except (OSError, ValueError):  # a plugin may have lowered what cannot be raised again
            pass


def _limit_in_force() -> int | None:
    """The limit on private memory that this process runs under already."""
    if sys.platform != "linux":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft == resource.RLIM_INFINITY else soft
