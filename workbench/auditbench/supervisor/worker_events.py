"""What a worker says before its answer, read strictly: a plugin shares the worker's process and may have said it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from auditbench.errors import WorkerError
from auditbench.record import validate
from auditbench.store import CHUNKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """So much of a step is done; `total` is 0 when it is not known."""

    name: str
    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFinished:
    """A chunk of rows is on disk.

    Attributes:
        file: Below `chunks/` in the run folder.

    Raises:
        WorkerError: The file is somewhere else.
    """

    step: str
    chunk: int
    file: str
    sha256: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.file).parts
        if len(parts) < 2 or parts[0] != CHUNKS or ".." in parts:
            raise WorkerError("expected a file of a chunk", found=self.file[:80], allowed=f"a file below {CHUNKS}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage of opening begins."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished:
    """A stage of opening ended after so many seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged:
    """From now on the time limit of this stage counts: `load` or `train`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A sentence for whoever waits, such as that training goes on from a checkpoint."""

    name: str
    text: str

    @property
    def sentence(self) -> str:
        """What to show, of a length that a line has room for."""
        return f"{self.name}: {self.text}"[:400]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an answer that is whole before the others, and holds if the worker is lost; `content` is JSON."""

    name: str
    content: Any


WorkerEvent: TypeAlias = Progress | ChunkFinished | StageStarted | StageFinished | LimitChanged | Told | Part

_SPAN = 0.1
_EVENTS_A_SPAN = 200

_KINDS: dict[str, type[Any]] = {
    "progress": Progress,
    "chunk": ChunkFinished,
    "started": StageStarted,
    "finished": StageFinished,
    "limit": LimitChanged,
    "told": Told,
    "part": Part,
}


class Pace:
    """Lets a worker say no more than so much a second: whoever says more waits, since nobody reads on.

    Args:
        clock: Seconds from any start.
        sleep: Waits so many seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._begun = clock()
        self._said = 0

    def wait(self) -> None:
        """Count an event; wait out the rest of a span in which there were too many."""
        now = self._clock()
        if now - self._begun >= _SPAN:
            self._begun, self._said = now, 0
        self._said += 1
        if self._said > _EVENTS_A_SPAN:
            self._sleep(self._begun + _SPAN - now)


def read_event(message: Mapping[str, Any]) -> WorkerEvent:
    """The event in a message of a worker.

    Raises:
        WorkerError: It is of no known kind.
        RecordError: A part is missing or of another type.
    """
    kind = _KINDS.get(str(message.get("event")))
    if kind is None:
        raise WorkerError("expected a known event", found=repr(message.get("event"))[:80], allowed=", ".join(_KINDS))
    event: WorkerEvent = validate(kind, dict(message), where="event")
    return event
