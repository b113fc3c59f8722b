"""Looking after a worker while it works: its memory, and the size of its log."""

from __future__ import annotations

import contextlib
from pathlib import Path

from auditbench.machine_memory import GIB, machine_memory_bytes
from auditbench.supervisor.process_tree import ProcessTree

LOG_BYTES = 16 * 2**20
"""A log that is longer loses its beginning."""

KEPT_BYTES = 2**20
"""What is kept of the end of such a log."""

_SHARE = 0.75


def memory_limit(gib: float | None) -> int:
    """Bytes that one worker may use: the limit of the config, or else three quarters of what there is."""
    return int(machine_memory_bytes() * _SHARE) if gib is None else int(gib * GIB)


def exceeds_memory(tree: ProcessTree, limit: int) -> bool:
    """Whether worker and descendants use more than so many bytes; memory that they share counts once."""
    return tree.memory_bytes() > limit and tree.proportional_bytes() > limit


def bound_log(path: Path) -> None:
    """Cut a log that has grown too long to its end, with a line that says so.

    The worker appends to it meanwhile; what it writes between reading and cutting may be lost.
    """
    with contextlib.suppress(OSError), path.open("r+b") as log:
        size = log.seek(0, 2)
        if size <= LOG_BYTES:
            return
        log.seek(size - KEPT_BYTES)
        kept = log.read(KEPT_BYTES)
        log.truncate(0)
        log.seek(0)
        log.write(b"[%d bytes of this log were cut off here and are kept nowhere]\n" % (size - len(kept)) + kept)


def end_of_log(path: Path, length: int) -> str:
    """The last bytes of a log as text; empty when it cannot be read."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - length))
            return log.read(length).decode("utf-8", "replace")
    except OSError:
        return ""
