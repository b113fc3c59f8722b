"""The address of a model: what `model.path` may say, and the parts of it. Imports nothing heavy."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

from auditbench.errors import Problem

ALLOWED = "http(s)://host[:port]/v2/models/NAME[/versions/VERSION]"
_PATH = re.compile(
    r"(?P<prefix>(?:/[A-Za-z0-9._~-]+)*)/v2/models/(?P<name>[A-Za-z0-9._~-]+)(?:/versions/(?P<version>[A-Za-z0-9._~-]+))?/?"
)
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]+\]")
_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a model is.

    Attributes:
        host: Name or number, without brackets.
        path: Of the model, without a slash at its end.
        version: Empty where the server chooses.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str
    model: str
    version: str = ""

    @property
    def server(self) -> str:
        """Scheme, host and port, for a reader."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """Whether what is sent stays on this machine: `localhost`, or a number of the loopback network."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, *, where: str = "model.path") -> Address | Problem:
    """The parts of an address, or what is wrong with it; what may be a secret in it is not repeated.

    Args:
        where: Key path of the text.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return _refused("this is no address", "an address that cannot be read", where)
    if any(sign.isspace() or not sign.isprintable() for sign in text):  # `urlsplit` leaves some of them out
        return _refused("this is no address", "blanks, line ends or signs that cannot be seen", where)
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        return Problem(
            message="an address holds no credentials, since it stands in the record",
            where=where,
            found="a name or password before the host",
            allowed=ALLOWED,
            fix="put the token into an environment variable, and name that in model.parameters.token_environment",
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        return _refused("an address holds no query, which may be a secret", "something behind `?` or `#`", where)
    shown = text[:_SHOWN]
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(_bare(parts.netloc)) or port == 0:
        return _refused("this is no address", shown, where)
    found = _PATH.fullmatch(parts.path)
    if found is None:
        return _refused("this is no address of a model", shown, where)
    return Address(
        scheme=cast(Literal["http", "https"], parts.scheme),
        host=parts.hostname or "",
        port=port or (443 if parts.scheme == "https" else 80),
        path=parts.path.rstrip("/"),
        model=found["name"],
        version=found["version"] or "",
    )


def _bare(netloc: str) -> str:
    """Host without its port."""
    return re.sub(r":\d*$", "", netloc)


def _refused(message: str, found: str, where: str) -> Problem:
    return Problem(
        message=message,
        where=where,
        found=found,
        allowed=ALLOWED,
        fix="write the address at which the server describes the model",
    )
