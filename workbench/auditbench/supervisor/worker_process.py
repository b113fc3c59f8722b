"""The supervisor's hold on one worker: start it, ask it, and end it with everything it started."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from auditbench.errors import AuditbenchError, RunFolderError, RunWriteError, WorkerError
from auditbench.findings import Message
from auditbench.machine_memory import GIB, kernel_kills
from auditbench.messages import load_messages, merge_catalogues
from auditbench.provenance import DISTRIBUTION
from auditbench.supervisor.process_tree import ProcessTree
from auditbench.supervisor.watchdog import bound_log, end_of_log, exceeds_memory
from auditbench.supervisor.worker_environment import worker_environment
from auditbench.supervisor.worker_events import Pace, WorkerEvent, read_event
from auditbench.wire import LINE_CLOSED, Channel, error_from

_TICK = 0.2
_SEND_SECONDS = 60.0
_LOG_TAIL = 4_000
_END_SECONDS = 5.0
_REAP_SECONDS = 10.0


class WorkerFault(Exception):  # noqa: N818 - no error of the product: the supervisor turns it into a result
    """A worker gave no answer; `timed_out` says whether the supervisor ended it. Handled in the supervisor, never shown.

    Attributes:
        reason: What happened, for the record.
        details: The end of what the worker wrote.
    """

    def __init__(self, reason: Message, *, timed_out: bool = False, details: str = "") -> None:
        super().__init__(reason.key)
        self.reason = reason
        self.timed_out = timed_out
        self.details = details

    def text(self) -> str:
        """What happened, in English, for an error message."""
        return words(self.reason)


def no_event(_: WorkerEvent) -> None:
    """Ignore an event: for commands whose stages nobody watches."""


def words(message: Message) -> str:
    """A message of the host in English, for terminals and errors."""
    return merge_catalogues("en", load_messages(DISTRIBUTION)["en"]).text(message)


def sentence(error: AuditbenchError) -> str:
    """An error in one line, without where it happened: what is wrong, what was found, what is allowed."""
    problem = error.problems[0]
    parts = (str(error), problem.found and f"found {problem.found}", problem.allowed and f"expected {problem.allowed}")
    return "; ".join(part for part in parts if part)


class WorkerProcess:
    """One worker below a keeper, in sessions of their own.

    Args:
        name: The group of plugins it works for; names its log.
        log: File that its standard output and error go to.
        environment: Variables that it sees beside those that every worker sees.
        memory: Bytes that it may use with all it started; it is ended when they use more. None sets no limit.
        module: What it runs: one that serves as `auditbench.worker` does.
        paths: Folders in which it looks for modules and plugins before all others.

    Raises:
        WorkerFault: The system starts no more processes, or the log cannot be written.
    """

    def __init__(
        self,
        name: str,
        log: Path,
        *,
        environment: Sequence[str] = (),
        memory: int | None = None,
        module: str = "auditbench.worker",
        paths: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._memory = memory
        self._ended = False
        self._numbers = itertools.count(1)
        self._kernel_kills = kernel_kills()
        mark = secrets.token_hex(16)
        seen = worker_environment(os.environ, named=environment, mark=mark)
        if paths:
            seen["PYTHONPATH"] = os.pathsep.join(filter(None, [*map(str, paths), seen.get("PYTHONPATH")]))
        with contextlib.ExitStack() as opened:
            try:
                ours, theirs = socket.socketpair()
                self._life, their_life = socket.socketpair()
                opened.enter_context(ours)
                opened.enter_context(self._life)
                with theirs, their_life:
                    self._process = _started(module, (theirs.fileno(), their_life.fileno()), log, seen)
            except OSError as error:
                raise WorkerFault(Message(key="core.no_process", values={"error": str(error.strerror)})) from error
            opened.pop_all()
        ours.settimeout(_SEND_SECONDS)
        self._channel = Channel(ours)
        self._tree = ProcessTree(self._process.pid, mark)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

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
        """Send a command and wait for its answer.

        Args:
            seconds: Wall-clock limit; the worker is ended when it is passed.
            event: Called with each event before the answer; a number it returns is a new limit from now on.
            memory: Instead of the worker's own limit, for this command.
            grace: Seconds that the worker has to leave off, once its limit is passed or KeyboardInterrupt is raised here,
                before it is ended. It is told, and events go on being heard; an answer that comes then does not count.

        Raises:
            AuditbenchError: The worker answered with an error, or the question cannot be put; it goes on living.
            KeyboardInterrupt: As raised meanwhile; the worker is dead and reaped.
            RunFolderError: What the event says could not be written; the worker is dead and reaped.
            RunWriteError: The same.
            WorkerFault: It did not answer, or sent an event that makes no sense; it is dead and reaped.
        """
        number = next(self._numbers)
        limit, memory = _Limit(seconds), memory or self._memory
        self._put({"kind": "command", "command": command, "number": number, "memory": memory, **content})
        try:
            message = self._hear(limit, event, memory)
        except KeyboardInterrupt:
            self._leave_off(grace, event, memory)
            raise
        if message is None:
            self._leave_off(grace, event, memory)
            reason = Message(key="core.timed_out", values={"seconds": limit.seconds})
            raise WorkerFault(reason, timed_out=True, details=self._tail())
        return self._answer(message, number)

    def end_others(self) -> int:
        """End whatever the worker started and left running; how many processes that were."""
        return self._tree.end_others()

    def stop(self, seconds: float = 2.0) -> None:
        """Let the worker end by itself, then end whatever is left of what it started."""
        self._tree.members()
        try:
            self._channel.send({"kind": "command", "command": "stop", "number": next(self._numbers)}, seconds=seconds)
            self._process.wait(seconds)
        except (WorkerError, subprocess.TimeoutExpired):
            pass
        self.kill()

    def kill(self) -> None:
        """End the worker with everything it started, and reap it; safe to call again, also after an interrupt."""
        if self._ended:
            return
        self._tree.end()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        self._tree.end()
        self._channel.close()
        self._life.close()
        bound_log(self.log)
        self._ended = True

    def _hear(
        self, limit: _Limit, event: Callable[[WorkerEvent], float | None], memory: int | None
    ) -> dict[str, Any] | None:
        """Hear events until there is another message; None when there was none within the limit."""
        next_look, pace = 0.0, Pace()
        while True:
            now = time.monotonic()
            if now >= next_look:
                self._look(memory)
                next_look = now + _TICK
            message = self._receive(min(_TICK, limit.left))
            if message is not None:
                if message["kind"] != "event":
                    return message
                pace.wait()
                changed = self._heard(message, event)
                if changed is not None:
                    limit.renew(changed)
            if not limit.left:
                return None

    def _leave_off(self, grace: float, event: Callable[[WorkerEvent], float | None], memory: int | None) -> None:
        """Let the worker stop by itself for some seconds, and end it in any case."""
        limit = _Limit(grace)
        try:
            if grace:
                self._channel.send({"kind": "command", "command": "cancel", "number": 0}, seconds=grace)
                self._hear(limit, event, memory)
        except (AuditbenchError, WorkerFault):
            pass  # it is ended anyway, for the first reason
        finally:
            self.kill()

    def _look(self, memory: int | None) -> None:
        """Keep the log within bounds, and end the worker if it uses too much memory."""
        bound_log(self.log)
        if memory is not None and exceeds_memory(self._tree, memory):
            self.kill()
            raise WorkerFault(Message(key="core.memory_limit", values={"gib": memory / GIB}), details=self._tail())

    def _put(self, command: dict[str, Any]) -> None:
        try:
            self._channel.send(command)
        except WorkerError as error:
            if isinstance(error.__cause__, TimeoutError):
                self.kill()
                reason = Message(key="core.worker_deaf", values={"seconds": _SEND_SECONDS})
                raise WorkerFault(reason, timed_out=True, details=self._tail()) from error
            if isinstance(error.__cause__, OSError):
                raise self._died() from None
            raise

    def _heard(self, message: dict[str, Any], event: Callable[[WorkerEvent], float | None]) -> float | None:
        try:
            return event(read_event(message))
        except (RunFolderError, RunWriteError):
            self.kill()
            raise
        except AuditbenchError as error:
            raise self._garbled(error) from error
        except Exception as error:
            raise self._garbled(WorkerError(f"{type(error).__name__}: {error}"[:200])) from error

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        try:
            message = self._channel.receive(seconds)
            if message is None and not self.alive:
                message = self._channel.receive(0)  # what it sent between the wait and its end
                if message is None:
                    raise EOFError
        except EOFError:
            raise self._died() from None
        except WorkerError as error:
            raise self._garbled(error) from None
        return message

    def _answer(self, message: dict[str, Any], number: int) -> dict[str, Any]:
        if message["kind"] == "error" and message.get("number") == number:
            try:
                error = error_from(message["error"])
            except (WorkerError, KeyError) as malformed:
                raise self._garbled(WorkerError("an error without its parts")) from malformed
            raise error
        if message["kind"] != "answer" or message.get("number") != number:
            raise self._garbled(WorkerError("an answer to another question"))
        return _Answer(message)

    def _garbled(self, error: AuditbenchError) -> WorkerFault:
        self.kill()
        return WorkerFault(Message(key="core.worker_garbled", values={"error": sentence(error)}), details=self._tail())

    def _died(self) -> WorkerFault:
        """The fault of a worker whose end of the line is closed; one that only closed it is ended."""
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            status = LINE_CLOSED
        self.kill()
        return WorkerFault(self._end_of(status), details=self._tail())

    def _end_of(self, status: int) -> Message:
        """What ended the worker, from its wait status."""
        if status == LINE_CLOSED:
            return Message(key="core.worker_line_closed")
        if status == -signal.SIGKILL:
            killed = kernel_kills()
            by_kernel = killed is not None and self._kernel_kills is not None and killed > self._kernel_kills
            return Message(key="core.worker_out_of_memory" if by_kernel else "core.worker_killed")
        if status < 0:
            names = {int(number): number.name for number in signal.Signals}
            return Message(key="core.worker_signal", values={"signal": names.get(-status, f"signal {-status}")})
        return Message(key="core.worker_exited", values={"status": status})

    def _tail(self) -> str:
        return end_of_log(self.log, _LOG_TAIL)


class _Limit:
    """So many seconds from now, or from when they are set anew."""

    def __init__(self, seconds: float) -> None:
        self.renew(seconds)

    def renew(self, seconds: float) -> None:
        """Begin again with another number of seconds."""
        self.seconds, self._end = seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end; 0 once it is over."""
        return max(0.0, self._end - time.monotonic())


class _Answer(dict[str, Any]):
    """What a worker answered; asking for a part that it did not send is an error of the worker's."""

    def __missing__(self, part: str) -> Any:
        raise WorkerError("an answer without its parts", found=f"no {part}")


def _started(
    module: str, descriptors: tuple[int, int], log: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
            env=environment,
        )
