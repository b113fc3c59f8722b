"""Messages between supervisor and worker: length, sha256 and JSON over a socket of their own, never standard output.

A frame is 8 bytes of length (big endian), 32 bytes of sha256, and the JSON of one object: no key twice, no number that is
not finite, no half of a character. Whatever does not check is a `WorkerError`: a process that merely ended well has not
answered.
"""

from __future__ import annotations

import hashlib
import json
import math
import select
import socket
import threading
import time
from typing import Any

from auditbench.errors import AuditbenchError, Problem, WorkerError, error_classes

MAX_BYTES = 256 * 1024 * 1024
LINE_CLOSED = 76
"""Status of a worker that ended because its line was closed: `EX_PROTOCOL` of sysexits.h."""

_HEAD = 40


class Channel:
    """One end of a conversation. Sending is safe from several threads; receiving belongs to one."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._buffer = bytearray()

    def send(self, message: dict[str, Any], *, seconds: float | None = None) -> None:
        """Send one message, waiting until the other end has room.

        Args:
            seconds: Wait no longer than this; without it, as long as the socket is set to.

        Raises:
            WorkerError: The message is too long, holds NaN or something that JSON has no word for, or nobody listens;
                its cause is a TimeoutError when the other end lives and does not read.
        """
        frame = encode(message)
        try:
            with self._lock:
                if seconds is not None:
                    self._end.settimeout(seconds)
                self._end.sendall(frame)
        except TimeoutError as error:
            raise WorkerError("the other process did not read in time") from error
        except OSError as error:
            raise WorkerError("the other process does not listen any more", found=str(error.strerror)) from error

    def receive(self, seconds: float | None = None) -> dict[str, Any] | None:
        """The next message; None when none was complete in time. Without `seconds` it waits.

        Raises:
            EOFError: The other end is closed.
            WorkerError: What arrived is no message.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        waiting = select.poll()  # `select` refuses descriptors from 1024 up
        waiting.register(self._end, select.POLLIN)
        while (message := self._complete()) is None:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not waiting.poll(remaining):
                return None
            try:
                part = self._end.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            if not part:
                raise EOFError
            self._buffer += part
        return message

    def close(self) -> None:
        """Close this end; the other then receives EOFError."""
        self._end.close()

    def _complete(self) -> dict[str, Any] | None:
        if len(self._buffer) < _HEAD:
            return None
        length = int.from_bytes(self._buffer[:8], "big")
        if length > MAX_BYTES:
            raise WorkerError("what arrived is no message", found=f"a length of {length} bytes")
        if len(self._buffer) < _HEAD + length:
            return None
        digest, body = bytes(self._buffer[8:_HEAD]), bytes(self._buffer[_HEAD : _HEAD + length])
        del self._buffer[: _HEAD + length]
        if hashlib.sha256(body).digest() != digest:
            raise WorkerError("a message was damaged on its way", found="another sha256")
        return _parse(body)


def encode(message: dict[str, Any]) -> bytes:
    """The frame of one message; see the module for its form. Halves of characters become question marks."""
    try:
        text = json.dumps(message, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        body = text.encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as error:
        raise WorkerError("a message cannot be written as JSON", found=str(error)) from error
    if len(body) > MAX_BYTES:
        raise WorkerError("a message is too long", found=f"{len(body):,} bytes", allowed=f"{MAX_BYTES:,} bytes")
    return len(body).to_bytes(8, "big") + hashlib.sha256(body).digest() + body


def error_document(error: AuditbenchError) -> dict[str, Any]:
    """An error as JSON types; `details` is a trace for whoever looks into it."""
    parts = ("message", "where", "found", "allowed", "fix")
    problems = [{part: str(getattr(problem, part)) for part in parts} for problem in error.problems]
    return {"code": error.code, "message": str(error.args[0]), "problems": problems, "details": error.details}


def error_from(document: dict[str, Any]) -> AuditbenchError:
    """The error that `error_document` described; of an unknown code, one of ours.

    Raises:
        WorkerError: Its parts are not text, or some are missing.
    """
    try:
        kind = error_classes().get(document["code"], AuditbenchError)
        problems = tuple(Problem(**{part: _text(text) for part, text in item.items()}) for item in document["problems"])
        message, details = _text(document["message"]), _text(document.get("details") or "")
    except (KeyError, TypeError, AttributeError) as malformed:
        raise WorkerError("an error without its parts", found=str(malformed)[:80]) from malformed
    error = kind.__new__(kind)
    AuditbenchError.__init__(error, message, problems=problems, details=details)
    return error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def _parse(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(
            body.decode("utf-8"), parse_constant=_finite, parse_float=_finite, object_pairs_hook=_without_twins
        )
        if b"\\ud" in body.lower():
            json.dumps(message, ensure_ascii=False).encode("utf-8", "strict")
    except (ValueError, RecursionError) as error:
        raise WorkerError("what arrived is no message", found="no JSON of the agreed form") from error
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise WorkerError("what arrived is no message", found="no object with a `kind`")
    return message


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found
