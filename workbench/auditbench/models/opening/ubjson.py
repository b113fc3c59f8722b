"""UBJSON as XGBoost writes it, read within bounds: the binary twin of its JSON."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_JSON_CONTAINERS

if TYPE_CHECKING:
    import numpy.typing as npt

_MAX_DEPTH = 32
_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_CONSTANTS: dict[bytes, Any] = {b"T": True, b"F": False, b"Z": None}
_LENGTH = struct.Struct(">q")


def parse_ubjson(content: bytes) -> dict[str, Any]:
    """The object that the bytes hold; arrays of numbers of one type are numpy arrays.

    Raises:
        Damage: They are no such object, end early, go on behind it, are nested too deep, have a name twice, or promise
            more than they hold.
    """
    reader = _Reader(content)
    document = reader.value(0)
    if reader.at != len(content):
        raise Damage("has bytes behind its end", found=f"{len(content) - reader.at:,} bytes")
    if not isinstance(document, dict):
        raise Damage("holds no object", found=type(document).__name__)
    return document


class _Reader:
    """A position in the bytes, and how many containers may still begin."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._containers = MAX_JSON_CONTAINERS
        self.at = 0

    def value(self, depth: int) -> Any:
        marker = self._take(1)
        if marker in _NUMBERS:
            return self._numbers(marker, 1)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self._text()
        if marker not in (b"{", b"["):
            raise Damage("has an unknown marker", found=f"{marker!r} at byte {self.at - 1:,}")
        self._containers -= 1
        if depth >= _MAX_DEPTH or self._containers < 0:
            raise Damage(
                "is nested too deep or has too many lists",
                found=f"level {depth + 1} at byte {self.at - 1:,}",
                allowed=f"{_MAX_DEPTH} levels, {MAX_JSON_CONTAINERS:,} lists and objects",
            )
        return self._object(depth) if marker == b"{" else self._array(depth)

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek() != b"}":
            name = self._text()
            if name in found:
                raise Damage("has an object with a name twice", found=repr(name[:80]))
            found[name] = self.value(depth + 1)
        self.at += 1
        return found

    def _array(self, depth: int) -> Any:
        if self._peek() == b"$":
            self.at += 1
            marker = self._take(1)
            if marker not in _NUMBERS or self._take(1) != b"#":
                raise Damage("has a damaged array", found=f"{marker!r} at byte {self.at:,}")
            return self._numbers(marker, self._length())
        if self._peek() == b"#":
            self.at += 1
            count = self._length()
            if count > len(self._content) - self.at:
                raise Damage("promises more than it holds", found=f"a list of {count:,}")
            return [self.value(depth + 1) for _ in range(count)]
        found = []
        while self._peek() != b"]":
            found.append(self.value(depth + 1))
        self.at += 1
        return found

    def _numbers(self, marker: bytes, count: int) -> npt.NDArray[Any]:
        kind = np.dtype(_NUMBERS[marker])
        return np.frombuffer(self._take(count * kind.itemsize), dtype=kind)

    def _text(self) -> str:
        try:
            return self._take(self._length()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Damage("has a name that is no text") from error

    def _length(self) -> int:
        if (marker := self._take(1)) != b"L":
            raise Damage("has a length of an unknown kind", found=f"{marker!r} at byte {self.at - 1:,}")
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if length < 0:
            raise Damage("has a negative length", found=f"{length:,}")
        return int(length)

    def _peek(self) -> bytes:
        return self._content[self.at : self.at + 1]

    def _take(self, size: int) -> bytes:
        taken = self._content[self.at : self.at + size]
        if len(taken) != size:
            raise Damage("is not complete", found=f"{len(self._content):,} bytes, and {self.at + size:,} are needed")
        self.at += size
        return taken
