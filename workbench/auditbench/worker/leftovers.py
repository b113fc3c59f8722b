"""What an analyzer left running or open in its process. Child processes are found from outside, by the supervisor."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")
_MANY_FILES = 64
_GRACE = 0.2
_LIBRARY_THREADS = ("tqdm.",)
"""Modules whose threads watch something for as long as the process lives."""


class Leftovers:
    """The threads and open files of the process at one moment."""

    def __init__(self) -> None:
        self._threads = threading.enumerate()
        self._files = _open_files()

    def since(self) -> list[str]:
        """What there is now and was not then, in words. Nobody can end a thread from outside, and nobody knows whose a
        file is; a thread gets a moment to end by itself.
        """
        found = []
        if threads := self._new_threads():
            found.append(f"{len(threads)} running {'thread' if len(threads) == 1 else 'threads'}")
        if (files := _open_files() - self._files) > _MANY_FILES:
            found.append(f"{files} open files")
        return found

    def _new_threads(self) -> list[threading.Thread]:
        found = [
            thread
            for thread in threading.enumerate()
            if thread not in self._threads and not type(thread).__module__.startswith(_LIBRARY_THREADS)
        ]
        for thread in found:
            with contextlib.suppress(Exception):  # its class is the plugin's own
                thread.join(_GRACE / len(found))
        return [thread for thread in found if threading.Thread.is_alive(thread)]


def _open_files() -> int:
    """How many there are; 0 on a system that does not tell."""
    try:
        return sum(1 for _ in _DESCRIPTORS.iterdir())
    except OSError:
        return 0
