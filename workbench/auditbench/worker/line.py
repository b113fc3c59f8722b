"""The worker's end of the line: commands of the supervisor come in by a thread of their own, answers go out."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from auditbench.errors import WorkerError
from auditbench.wire import LINE_CLOSED, Channel, error_document


def incoming(channel: Channel, cancel: Callable[[], None]) -> queue.Queue[dict[str, Any]]:
    """Commands as they come, but for `cancel`, which does not wait for the one before it to be answered.

    Without a line there is nobody to work for: the process ends. What it started is ended by its keeper.
    """
    commands: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(channel, commands, cancel), daemon=True).start()
    return commands


def send_answer(channel: Channel, answer: dict[str, Any]) -> None:
    """Send an answer; of one that no message can hold, why."""
    try:
        channel.send(answer)
    except WorkerError as error:
        if isinstance(error.__cause__, OSError):
            raise
        channel.send({"kind": "error", "number": answer["number"], "error": error_document(error)})


def _listen(channel: Channel, commands: queue.Queue[dict[str, Any]], cancel: Callable[[], None]) -> None:
    try:
        while (message := channel.receive()) is not None:
            if message["command"] == "cancel":
                cancel()
            else:
                commands.put(message)
    finally:
        os._exit(LINE_CLOSED)
