"""A worker without a process of its own, for audits in which nothing dies: the same commands, answers and wire format."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import pytest

from auditbench.supervisor import worker_pool
from auditbench.supervisor.worker_events import WorkerEvent, read_event
from auditbench.wire import encode, error_from
from auditbench.worker.process_state import undisturbed_process
from auditbench.worker.serving import Worker

_HEAD = 40


class InProcessWorker:
    """Stands in for `WorkerProcess`. Importing torch once instead of twice an audit makes a long table affordable."""

    def __init__(self, name: str, log: Path, *_: Any, **__: Any) -> None:
        self.name = name
        self.alive = True
        self._numbers = itertools.count(1)
        self._event: Callable[[WorkerEvent], float | None] | None = None
        self._worker = Worker(self._heard)
        self.log = log
        log.touch()

    def ask(
        self,
        command: str,
        *,
        seconds: float,
        event: Callable[[WorkerEvent], float | None],
        memory: int | None = None,
        grace: float = 0.0,
        **content: Any,
    ) -> dict[str, Any]:
        """Carry the command out here; question and answer go through the wire's form."""
        self._event = event
        question = _over_the_wire({"kind": "command", "command": command, "number": next(self._numbers), **content})
        with undisturbed_process(), self.log.open("a") as log, redirect_stderr(log):
            answer = _over_the_wire(self._worker.answer(question))
        if answer["kind"] == "error":
            raise error_from(answer["error"])
        return answer

    def end_others(self) -> int:
        """Nothing was started."""
        return 0

    def stop(self, seconds: float = 2.0) -> None:
        """End."""
        self.alive = False

    def kill(self) -> None:
        """End."""
        self.alive = False

    def _heard(self, message: dict[str, Any]) -> None:
        assert self._event is not None
        self._event(read_event(_over_the_wire(message)))


@contextmanager
def workers_in_this_process() -> Iterator[None]:
    """Let supervisors start no processes as long as the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_pool, "WorkerProcess", InProcessWorker)
        yield


def _over_the_wire(message: dict[str, Any]) -> dict[str, Any]:
    received: dict[str, Any] = json.loads(encode(message)[_HEAD:])
    return received
