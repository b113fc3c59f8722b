"""The workers of one command: one for everything first-party, one for each other plugin."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from auditbench.config import LimitsTable
from auditbench.plugin_entries import PluginEntry
from auditbench.supervisor.watchdog import memory_limit
from auditbench.supervisor.worker_process import WorkerProcess

FIRST_PARTY = "auditbench"
MAX_STARTS = 9
"""A group's worker is started so often, and then no more; replacing one that answered does not count."""


class WorkerPool:
    """Starts workers when they are asked for, and leaves none behind.

    Args:
        logs: Folder of their logs.
        limits: What each may use and see; where no config is at hand, the defaults.
    """

    def __init__(self, logs: Path, limits: LimitsTable | None = None) -> None:
        limits = limits or LimitsTable()
        self._logs = logs
        self._environment = limits.environment
        self._memory = memory_limit(limits.memory_gib)
        self._workers: dict[str, WorkerProcess] = {}
        self._starts: Counter[str] = Counter()
        self._replaced: Counter[str] = Counter()

    def worker(self, group: str) -> WorkerProcess:
        """The living worker of a group, started if there is none."""
        worker = self._workers.get(group)
        if worker is None or not worker.alive:
            self.drop(group)
            self._starts[group] += 1
            name = group if self._starts[group] == 1 else f"{group}-{self._starts[group]}"
            log = self._logs / f"worker-{name}.log"
            worker = self._workers[group] = WorkerProcess(name, log, environment=self._environment, memory=self._memory)
        return worker

    def has(self, group: str) -> bool:
        """Whether the group has a living worker."""
        return group in self._workers and self._workers[group].alive

    def log(self, group: str) -> Path:
        """The log of the group's worker, also of one that has ended by itself."""
        return self._workers[group].log

    def may_start(self, group: str) -> bool:
        """Whether the group has a worker, or may start one more: the ninth start is the last."""
        return self.has(group) or self._starts[group] - self._replaced[group] < MAX_STARTS

    def groups(self) -> tuple[str, ...]:
        """The groups that have a living worker, in the order of their first start."""
        return tuple(group for group in self._workers if self.has(group))

    def drop(self, group: str) -> None:
        """End the worker of a group at once."""
        worker = self._workers.get(group)
        if worker is not None:
            worker.kill()
            del self._workers[group]

    def replace(self, group: str) -> None:
        """End the worker of a group because of what was left in it; it had answered."""
        self._replaced[group] += 1
        self.drop(group)

    def stop(self) -> None:
        """Let every worker end by itself, then make sure."""
        for worker in list(self._workers.values()):
            worker.stop()
        self._workers.clear()

    def kill(self) -> None:
        """End every worker at once."""
        for worker in list(self._workers.values()):
            worker.kill()
        self._workers.clear()


def group_of(entry: PluginEntry) -> str:
    """The worker that a plugin runs in. A plugin of others may not call itself like ours."""
    return FIRST_PARTY if entry.first_party else f"plugin-{entry.name}"
