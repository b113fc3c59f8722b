"""Asking one server: paced, tried again where that helps, and nothing taken from it that is not a whole answer."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from auditbench.errors import ModelError
from auditbench.models.endpoint.address import Address
from auditbench.models.endpoint.credential import Credential
from auditbench.models.endpoint.pace import Clock, Limiter, asked_pause, limiter_of, moment, pause
from auditbench.models.endpoint.params import EndpointParams
from auditbench.models.endpoint.sent import new_count
from auditbench.models.endpoint.transport import Answer, NoAnswer, Transport

_TRIED_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_SAYS_WHEN = frozenset({429, 503})
_SHORT = 2**20
"""Most bytes of an answer that holds no rows."""


class Client:
    """Requests to one model of one server, one at a time.

    Attributes:
        sent: Counts of this client.
    """

    def __init__(
        self, address: Address, params: EndpointParams, *, base: Path, where: str = "model", clock: Clock | None = None
    ) -> None:
        """Nothing is sent yet.

        Args:
            base: Folder that `ca_file` is relative to.
            where: Key path of the model's table, for errors.
        """
        self.address = address
        self.params = params
        self.where = where
        self.credential = Credential(
            variable=params.token_environment,
            header=params.token_header,
            where=f"{where}.parameters.token_environment",
        )
        self._base = base
        self._clock = clock or Clock()
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._name = f"auditbench-{secrets.token_hex(8)}"
        self.sent = new_count()
        self._limiter: Limiter = limiter_of(self.address.host, self.address.port)
        ca_file = None if self.params.ca_file is None else self._base / self.params.ca_file
        try:
            self._transport = Transport(self.address, ca_file=ca_file, now=self._clock.now)
        except OSError as error:  # ssl.SSLError is one
            raise ModelError(
                "the certificates cannot be read",
                where=f"{self.where}.parameters.ca_file",
                found=self.params.ca_file or "",
                allowed="a file of certificates, PEM",
                fix="name the file with the certificate of the authority that signed the server's",
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the connection and what went over it; a copy begins with its own."""
        own = ("_lock", "_limiter", "_transport", "_name", "sent")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it over, with a connection, a count and ids of its own."""
        vars(self).update(state)
        self._open()

    def description(self) -> bytes:
        """What the server says of the model, which has to be ready.

        Raises:
            ModelError: It is not, or there is no description.
        """
        with self._lock:
            self._asked("GET", f"{self.address.path}/ready", lambda _: None, most=_SHORT)
            answer = self._asked("GET", self.address.path, lambda _: None, most=_SHORT)
        self._refuse_other_content(answer)
        self.credential.refuse_in(answer.body.decode("utf-8", "replace"))
        return answer.body

    def infer(self, body: Callable[[str], bytes], *, rows: int, most: int) -> tuple[str, bytes]:
        """Ask for the outputs of rows.

        Args:
            body: From the id of a request to its body; each try of each client has an id of its own, so that an answer that
                something between here and the server kept or mixed up is not taken for it.
            most: Bytes that an answer may have.

        Returns:
            The id of the request that was answered, and the answer.

        Raises:
            ModelError: The server gives no answer that can be read.
        """
        last = ""

        def numbered(number: int) -> bytes:
            nonlocal last
            last = f"{self._name}-{number}"
            return body(last)

        with self._lock:
            answer = self._asked("POST", f"{self.address.path}/infer", numbered, most=most)
            self.sent.rows += rows
        self._refuse_other_content(answer)
        return last, answer.body

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def refuse(self, message: str, *, found: str, allowed: str = "", fix: str = "") -> NoReturn:
        """Raise the error about something that the server said, which is shown as far as it repeats no credential.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            message, where=f"{self.where}.path", found=self.credential.safe(found), allowed=allowed, fix=fix
        )

    def _asked(self, method: str, path: str, body: Callable[[int], bytes | None], *, most: int) -> Answer:
        tries = 0
        while True:
            tries += 1
            found = self._tried(method, path, body, most)
            if isinstance(found, Answer) and found.status == 200:
                return found
            self._wait(found, tries)
            self.sent.again += 1

    def _tried(self, method: str, path: str, body: Callable[[int], bytes | None], most: int) -> Answer | NoAnswer:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "auditbench"}
        content = body(self.sent.requests + 1)
        if content is not None:
            headers["Content-Type"] = "application/json"
        headers |= self.credential.headers()
        self._limiter.wait(self.params.requests_per_second, self._clock)
        self.sent.requests += 1
        seconds = self.params.timeout_seconds
        try:
            return self._transport.send(method, path, body=content, headers=headers, seconds=seconds, most=most)
        except NoAnswer as error:
            return error

    def _wait(self, found: Answer | NoAnswer, tries: int) -> None:
        """Wait before the next try.

        Raises:
            ModelError: There is none.
        """
        delay: float | None = None
        if isinstance(found, Answer):
            if found.status not in _TRIED_AGAIN:
                self._refuse_status(found)
            if found.status in _SAYS_WHEN:
                delay = asked_pause(
                    found.headers.get("retry-after", ""), moment(found.headers.get("date", "")) or self._clock.date()
                )
            what = self._status_in_words(found)
        else:
            what = found.what
        if tries > self.params.retries or (isinstance(found, NoAnswer) and found.final):
            self.refuse(
                "the server gave no answer",
                found=f"{what}; {tries} {'try' if tries == 1 else 'tries'} at {self.address.server}",
                allowed="an answer of the Open Inference Protocol v2",
                fix="start the server or wait until it is free, then give the same command again; "
                "retries, timeout_seconds and requests_per_second stand in model.parameters",
            )
        longest = self.params.longest_wait_seconds
        if delay is not None and delay > longest:
            self.refuse(
                "the server asks for a longer wait than is allowed",
                found=f"{delay:,.0f} seconds; {what}",
                allowed=f"{longest:g} seconds",
                fix="come back later, lower requests_per_second, or raise model.parameters.longest_wait_seconds",
            )
        self._clock.sleep(pause(tries, longest=longest) if delay is None else delay)

    def _refuse_status(self, answer: Answer) -> NoReturn:
        status, key = answer.status, f"{self.where}.parameters"
        if 300 <= status < 400:
            message = "the server points to another address, which is not followed"
            fix = "write the final address, if you know who runs it"
        elif status in (401, 403):
            message = (
                "the server refuses the credential"
                if self.params.token_environment
                else "the server asks for a credential"
            )
            fix = f"name the variable that holds it in {key}.token_environment, and set it"
        elif status == 404:
            message = "the server has no such model"
            fix = "correct name and version in the address"
        elif status == 413:
            message = "the server takes no request of so many rows"
            fix = f"lower {key}.rows_per_request, now {self.params.rows_per_request}; it is never changed by itself"
        else:
            message = "the server refuses the request"
            fix = "compare what the server says with the inputs of the model; its own log may say more"
        self.refuse(message, found=self._status_in_words(answer), allowed="status 200", fix=fix)

    def _status_in_words(self, answer: Answer) -> str:
        """The status, and what the body says in words, unless it is a page or repeats the credential."""
        said = answer.body[:2000].decode("utf-8", "replace").strip()
        shown = "" if said.startswith("<") else self.credential.safe(said)
        return f"status {answer.status}" + (f": {shown}" if shown else "")

    def _refuse_other_content(self, answer: Answer) -> None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        coding = answer.headers.get("content-encoding", "identity").strip().lower()
        if kind != "application/json" or coding not in ("", "identity"):
            self.refuse(
                "the server answers with something else than JSON",
                found=f"content type {kind or 'nothing'}" + ("" if coding in ("", "identity") else f", {coding}"),
                allowed="content type application/json, not compressed",
                fix="write the address of the server itself, and not of a page in front of it",
            )
