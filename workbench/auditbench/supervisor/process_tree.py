"""Every process that belongs to one worker: found by descent, by what was seen earlier, and by the mark it inherited.

The keeper of a worker adopts what was orphaned, so descent finds it as long as the keeper lives. A process that left the
tree before it was ever seen, and wiped its environment, is not found on a system without that adoption.
"""

from __future__ import annotations

import contextlib
import os
import time

import psutil

from auditbench.supervisor.worker_environment import MARK

_END_SECONDS = 5.0
_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Processes that Python keeps for its own use until the worker ends."""


class ProcessTree:
    """The worker below one keeper, and everything it started.

    Args:
        keeper: Process id of the worker's parent, not yet waited for; it is never part of the tree.
        mark: Value of the variable that marks the worker.
    """

    def __init__(self, keeper: int, mark: str) -> None:
        self._keeper = psutil.Process(keeper)  # knows its start: another process of the same id is not taken for it
        self._mark = mark
        self._seen: set[psutil.Process] = set()

    def members(self) -> list[psutil.Process]:
        """Living processes below the keeper, the worker first, and those seen before that still live."""
        with contextlib.suppress(psutil.Error):
            self._seen |= set(self._keeper.children(recursive=True))
        self._seen = {process for process in self._seen if _lives(process)}
        return sorted(self._seen, key=_age)

    def memory_bytes(self) -> int:
        """Memory of the members: resident, with what they share counted for each."""
        return sum(_resident(process) for process in self.members())

    def proportional_bytes(self) -> int:
        """Memory of the members, what they share counted once; dear, and the same as resident where it is not known."""
        return sum(_proportional(process) for process in self.members())

    def end_others(self) -> int:
        """End whatever the worker started, and let the worker live; how many processes that were.

        Helpers of Python's own multiprocessing stay until the worker ends.
        """
        return self._end(spared=1)

    def end(self) -> int:
        """End the worker and whatever it started; how many processes that were."""
        return self._end(spared=0)

    def _end(self, *, spared: int) -> int:
        """Kill until nothing is found: a process may have started another meanwhile."""
        ended: set[psutil.Process] = set()
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            worker, found = self.members()[:spared], set(self.members()) | self._marked()
            found = {process for process in found if process not in worker and not (spared and _is_helper(process))}
            if not found:
                break
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            ended |= found
            psutil.wait_procs(found, timeout=0.2)
        return len(ended)

    def _marked(self) -> set[psutil.Process]:
        """Living processes of this user whose environment began with the mark, wherever they are now."""
        found = set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                mine = process.pid in (os.getpid(), self._keeper.pid)
                if not mine and process.environ().get(MARK) == self._mark and _lives(process):
                    found.add(process)
        return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _age(process: psutil.Process) -> tuple[float, int]:
    try:
        return process.create_time(), process.pid
    except psutil.Error:
        return float("inf"), process.pid


def _is_helper(process: psutil.Process) -> bool:
    try:
        return any(helper in part for part in process.cmdline() for helper in _HELPERS)
    except psutil.Error:
        return False


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return _resident(process)
