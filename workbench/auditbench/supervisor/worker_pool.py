"""The workers of one command: one for everything first-party, one for each other plugin."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from auditbench.registry import PluginEntry
from auditbench.supervisor.worker_process import WorkerProcess

FIRST_PARTY = "auditbench"
MAX_STARTS = 9


class WorkerPool:
    """Starts workers when they are asked for, and leaves none behind.

    Args:
        logs: Folder of their logs.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._workers: dict[str, WorkerProcess] = {}
        self._starts: Counter[str] = Counter()

    def worker(self, group: str) -> WorkerProcess:
        """The living worker of a group, started if there is none."""
        worker = self._workers.get(group)
        if worker is None or not worker.alive:
            self.drop(group)
            self._starts[group] += 1
            name = group if self._starts[group] == 1 else f"{group}-{self._starts[group]}"
            worker = self._workers[group] = WorkerProcess(name, self._logs / f"worker-{name}.log")
        return worker

    def has(self, group: str) -> bool:
        """Whether the group has a living worker."""
        return group in self._workers and self._workers[group].alive

    def may_start(self, group: str) -> bool:
        """Whether the group has a worker, or may start one more: the ninth start is the last."""
        return self.has(group) or self._starts[group] < MAX_STARTS

    def groups(self) -> tuple[str, ...]:
        """The groups that have a living worker, in the order of their first start."""
        return tuple(group for group in self._workers if self.has(group))

    def drop(self, group: str) -> None:
        """End the worker of a group at once."""
        worker = self._workers.pop(group, None)
        if worker is not None:
            worker.kill()

    def stop(self) -> None:
        """Let every worker end by itself, then make sure."""
        while self._workers:
            self._workers.popitem()[1].stop()

    def kill(self) -> None:
        """End every worker at once."""
        while self._workers:
            self._workers.popitem()[1].kill()


def group_of(entry: PluginEntry) -> str:
    """The worker that a plugin runs in. A plugin of others may not call itself like ours."""
    return FIRST_PARTY if entry.first_party else f"plugin-{entry.name}"
