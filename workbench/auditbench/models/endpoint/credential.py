"""The credential of an endpoint: read where it is used, kept nowhere, and never repeated."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from auditbench.errors import ModelError
from auditbench.safe_text import safe_text

WITHHELD = "(withheld: it repeats a part of the credential)"
_PART = 6
"""So many characters of a credential in a row, as they are or encoded, count as a part of it."""
_LONGEST = 16_384
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Which variable of the environment goes into which header; the value is in no attribute.

    Attributes:
        variable: None where the server asks for none.
        where: Key path of the variable's name, for an error.
    """

    variable: str | None = None
    header: str = "Authorization"
    where: str = "model.parameters.token_environment"

    def headers(self) -> dict[str, str]:
        """The header of a request, made for it.

        Raises:
            ModelError: The variable is not set, or its value cannot stand in a header; without the value.
        """
        if self.variable is None:
            return {}
        value = self._value()
        return {self.header: f"Bearer {value}" if self.header.lower() == "authorization" else value}

    def safe(self, text: str) -> str:
        """Text of the server in one short line, withheld where it repeats a part of the credential."""
        return WITHHELD if self._is_in(text, part=_PART) else safe_text(" ".join(text.split()), _SHOWN)

    def refuse_in(self, text: str) -> None:
        """Refuse a description that repeats half of the credential or more: parts of it stand in the record.

        Raises:
            ModelError: It does.
        """
        if self._is_in(text):
            raise ModelError(
                "the server repeats the credential in what it says of the model",
                where="model.path",
                found="a description that is not shown",
                allowed="a description of the model",
                fix="tell those who run the server; a credential that was repeated may stand in their logs",
            )

    def _value(self) -> str:
        value = os.environ.get(self.variable or "", "")
        if value and value.isascii() and value.isprintable() and " " not in value and len(value) <= _LONGEST:
            return value
        raise ModelError(
            "the variable that holds the credential cannot be used",
            where=self.where,
            found="it is empty or not set" if not value else "characters that no header may have; they are not shown",
            allowed="letters, digits and signs of ASCII, without blanks and line ends",
            fix="set the variable in the shell that starts the audit",
        )

    def _is_in(self, text: str, *, part: int = 0) -> bool:
        """Whether text repeats so many characters of the credential in a row; 0 stands for half of it."""
        if self.variable is None or not (value := os.environ.get(self.variable, "")):
            return False
        text = "".join(text.split()).lower()
        part = part or max(8, len(value) // 2)
        return any(
            form[start : start + part] in text
            for form in _forms(value)
            for start in range(max(1, len(form) - part + 1))
            if form
        )


def _forms(value: str) -> Iterator[str]:
    """The value as a text may hold it: as it is, as an address, a JSON text, hexadecimal and base64 digits have it."""
    yield value.lower()
    yield value.lower()[::-1]
    yield quote(value, safe="").lower()
    yield value.replace("/", "\\/").lower()
    yield value.encode().hex()
    for lead in ("", " ", "  "):  # base64 depends on what stands before, by three
        digits = base64.b64encode(f"{lead}{value}".encode()).decode()
        yield digits[len(lead) + 1 if lead else 0 :].rstrip("=")[:-1].lower()
