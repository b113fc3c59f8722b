"""One request over HTTP and its whole answer, within a time and a size; urllib3 does the rest."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, IncompleteRead, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

if TYPE_CHECKING:
    from pathlib import Path

    from auditbench.models.endpoint.address import Address

_PART = 65_536


class NoAnswer(Exception):  # noqa: N818 - what happened, which the client tries again or turns into an error
    """A request came to no whole answer.

    Attributes:
        what: Why, in words that hold nothing of request or answer.
        final: Whether trying again would be no use.
    """

    def __init__(self, what: str, *, final: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.final = final


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered, with its whole body.

    Attributes:
        headers: By name in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """The connection to one server: kept open between requests, never through a proxy, no redirect followed.

    One request at a time.
    """

    def __init__(self, address: Address, *, ca_file: Path | None, now: Callable[[], float]) -> None:
        """Raises OSError where the certificates cannot be read."""
        self._now = now
        self._budget = _Budget(now)
        common: Any = {"maxsize": 1, "retries": False, "budget": self._budget}
        self._pool: urllib3.HTTPConnectionPool
        if address.scheme == "http":
            self._pool = _Pool(address.host, address.port, **common)
        else:
            context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
            self._pool = _SecurePool(address.host, address.port, ssl_context=context, **common)

    def send(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], seconds: float, most: int
    ) -> Answer:
        """Send a request and read the answer.

        Args:
            seconds: For all of it: the connection, the request, and the answer, however slowly the server gives its bytes.
            most: Bytes of a body; more are not read.

        Raises:
            NoAnswer: No connection, no whole answer in time, or one that is too long.
        """
        self._budget.end = self._now() + seconds
        try:
            response = self._pool.urlopen(
                method,
                path,
                body=body,
                headers=dict(headers),
                timeout=urllib3.Timeout(connect=seconds, read=seconds),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            with response:
                answer = _whole(response, most)
                response.release_conn()
                return answer
        except (HTTPError, http.client.HTTPException, OSError) as error:
            raise _without_content(error, seconds) from None

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        self._pool.close()


class _Budget:
    """Until when connecting, sending and the answer may take, told to the connection for each request."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.end = 0.0

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            TimeoutError: There are none.
        """
        left = self.end - self.now()
        if left <= 0:
            raise TimeoutError
        return left


class _Timed(io.RawIOBase):
    """The bytes that a socket receives, each read of which may wait until the end of the budget alone."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, budget: _Budget) -> None:
        super().__init__()
        self._raw, self._socket, self._budget = raw, sock, budget

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As a socket does.

        Raises:
            TimeoutError: The budget is used up.
        """
        self._socket.settimeout(self._budget.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close what it reads from."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head and body are read within the budget."""

    def __init__(self, sock: socket.socket, *args: Any, budget: _Budget, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_Timed(raw, sock, budget))


class _Connection(HTTPConnection):
    """A connection that is made and used within the budget; how long the system looks for a name stays its own."""

    def __init__(self, *args: Any, budget: _Budget, **named: Any) -> None:
        super().__init__(*args, **named)
        self._budget = budget
        self.response_class = partial(_Response, budget=budget)  # type: ignore[assignment]

    def connect(self) -> None:
        """Connect, and shake hands where that is asked for."""
        super().connect()
        self.sock.settimeout(self._budget.left())

    def send(self, data: Any) -> None:
        """Send a part of the request."""
        if self.sock is not None:
            self.sock.settimeout(self._budget.left())
        super().send(data)

    def _new_conn(self) -> socket.socket:
        """The first address of the host that takes a connection; all of them share what is left."""
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        fault: OSError = OSError("no address")
        for *_, address in found:
            try:
                with ExitStack() as opened:
                    sock = create_connection(
                        (str(address[0]), self.port), self._budget.left(), socket_options=self.socket_options
                    )
                    opened.callback(sock.close)
                    sock.settimeout(self._budget.left())  # for what an encrypted connection agrees on first
                    opened.pop_all()
                    return sock
            except OSError as error:
                fault = error
        if isinstance(fault, TimeoutError):
            raise fault
        raise NewConnectionError(self, str(fault)) from fault


class _SecureConnection(_Connection, HTTPSConnection):
    """The same, secured."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _whole(response: urllib3.BaseHTTPResponse, most: int) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    told = headers.get("content-length", "")
    if told.isdecimal() and int(told[:18]) > most:
        raise NoAnswer(f"an answer of {told[:18]} bytes, where {most:,} are the most", final=True)
    parts, length = [], 0
    for part in response.stream(_PART, decode_content=False):
        parts.append(part)
        length += len(part)
        if length > most:
            raise NoAnswer(f"an answer of more than {most:,} bytes", final=True)
    return Answer(status=response.status, headers=headers, body=b"".join(parts))


def _without_content(error: Exception, seconds: float) -> NoAnswer:
    """What happened, by the class of what was raised: its text may hold parts of the request."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        told = next(cause.verify_message for cause in causes if isinstance(cause, ssl.SSLCertVerificationError))
        return NoAnswer(f"the certificate of the server is refused: {told}", final=True)
    kinds: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        (NameResolutionError, "the name of the host is not known"),
        (NewConnectionError, "no connection"),
        ((urllib3.exceptions.TimeoutError, TimeoutError), f"no whole answer within {seconds:g} seconds"),
        (ssl.SSLError, "no secure connection"),
        ((IncompleteRead, http.client.IncompleteRead), "the connection ended within the answer"),
        (OSError, "the connection was dropped"),
        (http.client.RemoteDisconnected, "the connection was dropped"),
    )
    for kind, what in kinds:
        if any(isinstance(cause, kind) for cause in causes):
            return NoAnswer(what)
    return NoAnswer("an answer that is no HTTP")


def _causes(error: BaseException) -> list[BaseException]:
    """What was raised, and what it was raised for."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            waiting += [item.__cause__, item.__context__, *item.args]
    return found
