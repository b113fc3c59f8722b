"""GGUF: numbers and a tokenizer in one file, as llama.cpp keeps them. Read here, byte by byte, within the bounds of the file.

Source: the format's description in ggml, `docs/gguf.md`, version 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.errors import ModelError
from auditbench.machine_memory import machine_memory_bytes
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.limits import MAX_DIMENSIONS, MAX_TENSORS
from auditbench.models.opening.packages import require

if TYPE_CHECKING:
    import torch

_MAGIC, _VERSIONS = b"GGUF", (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
_MOST_KEYS, _LONGEST_KEY, _MOST_ENTRIES = 4096, 1024, 4_000_000
_LARGEST_SIDE = 2**31
_ALIGNMENT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedGguf:
    """What a GGUF file holds.

    Attributes:
        facts: Its metadata, by key.
        tensors: In float32, by the file's own names; the last side of a shape changes fastest.
        kinds: How many tensors are kept in which form, such as `Q4_1`.
        sha256: Of the bytes that were parsed.
    """

    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    kinds: dict[str, int]
    sha256: str


def open_gguf(path: Path) -> OpenedGguf:
    """Read a file completely and turn every tensor into float32.

    Raises:
        MissingDependencyError: The package gguf, which knows the forms of the numbers, is not installed.
        ModelError: It is no such file, is damaged, or needs more memory than there is.
    """
    require(("gguf",), extra="text", where=str(path))
    content = read_file(path)
    with refusing(path):
        reader = _Reader(content)
        tensors, keys = reader.start()
        if tensors > MAX_TENSORS or keys > _MOST_KEYS:
            raise Damage(
                "holds too much", found=f"{tensors:,} tensors, {keys:,} keys", allowed=f"{MAX_TENSORS:,} tensors"
            )
        facts = reader.facts(keys)
        places = [reader.place() for _ in range(tensors)]
        found, kinds = _dequantised(content, places, reader.end_of_header(facts), path)
    return OpenedGguf(facts=facts, tensors=found, kinds=kinds, sha256=sha256_of(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


class _Reader:
    """Walks through a header; every length is compared with what is left before anything is made of it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def start(self) -> tuple[int, int]:
        """How many tensors and keys follow."""
        if self._content[:4] != _MAGIC:
            raise Damage("is no GGUF file", found=repr(self._content[:4]), allowed="a file that begins with GGUF")
        self._at = 4
        version = int(self._number("I"))
        if version not in _VERSIONS:
            raise Damage("is of a version that is not read", found=str(version), allowed="2 or 3, little endian")
        return int(self._number("Q")), int(self._number("Q"))

    def facts(self, count: int) -> dict[str, Any]:
        """Values by key."""
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self._text(_LONGEST_KEY)
            if key in found:
                raise Damage("has a key twice", found=repr(key[:80]), allowed="each key once")
            found[key] = self._value(int(self._number("I")))
        return found

    def place(self) -> _Place:
        """Where a tensor is."""
        name = self._text(_LONGEST_KEY)
        sides = int(self._number("I"))
        if not 1 <= sides <= min(4, MAX_DIMENSIONS):
            raise Damage("has a tensor of no shape", found=f"{name[:80]!r}: {sides} sides", allowed="1 to 4")
        shape = tuple(int(self._number("Q")) for _ in range(sides))
        if not all(0 < side < _LARGEST_SIDE for side in shape):
            raise Damage("has a tensor of no shape", found=f"{name[:80]!r}: {shape}", allowed="sides above 0")
        return _Place(name=name, shape=shape[::-1], kind=int(self._number("I")), offset=int(self._number("Q")))

    def end_of_header(self, facts: Mapping[str, Any]) -> int:
        """Where the first tensor begins."""
        step = facts.get("general.alignment", _ALIGNMENT)
        if not isinstance(step, int) or not 1 <= step <= 2**16:
            raise Damage("has an alignment that is none", found=str(step)[:80], allowed="1 to 65,536")
        return -(-self._at // step) * step

    def _number(self, form: str) -> int | float | bool:
        size = struct.calcsize("<" + form)
        if self._at + size > len(self._content):
            raise Damage("ends within its header", found=f"{len(self._content):,} bytes", allowed="a complete file")
        (value,) = struct.unpack_from("<" + form, self._content, self._at)
        self._at += size
        number: int | float | bool = value
        return number

    def _text(self, longest: int) -> str:
        length = int(self._number("Q"))
        if length > min(longest, len(self._content) - self._at):
            raise Damage("has a text that is too long", found=f"{length:,} bytes", allowed=f"at most {longest:,}")
        text = self._content[self._at : self._at + length]
        self._at += length
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Damage("has a text that is not in UTF-8", found=repr(text[:40]), allowed="UTF-8") from error

    def _value(self, kind: int, *, within: bool = False) -> Any:
        if kind == _TEXT:
            return self._text(len(self._content))
        if kind == _LIST and not within:
            each, count = int(self._number("I")), int(self._number("Q"))
            if count > min(_MOST_ENTRIES, len(self._content) - self._at):
                raise Damage("has a list that is too long", found=f"{count:,}", allowed=f"at most {_MOST_ENTRIES:,}")
            return [self._value(each, within=True) for _ in range(count)]
        if kind not in _NUMBERS:
            raise Damage("has a value of an unknown kind", found=str(kind), allowed="0 to 12, and no lists of lists")
        return self._number(_NUMBERS[kind])


def _dequantised(
    content: bytes, places: list[_Place], start: int, path: Path
) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    """Every tensor in float32; bytes belong to one of them at most."""
    import numpy as np
    import torch
    from gguf import GGMLQuantizationType
    from gguf.constants import GGML_QUANT_SIZES
    from gguf.quants import dequantize

    _refuse_memory(sum(4 * math.prod(place.shape) for place in places), path)
    tensors: dict[str, torch.Tensor] = {}
    kinds: dict[str, int] = {}
    end = 0
    for place in sorted(places, key=lambda each: each.offset):
        if place.name in tensors or place.offset < end:
            raise Damage("has tensors that overlap, or one twice", found=repr(place.name[:80]), allowed="each once")
        try:
            kind = GGMLQuantizationType(place.kind)
            block, size = GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError) as error:
            raise Damage(
                "has numbers of an unknown form", found=str(place.kind), allowed="a form that gguf knows"
            ) from error
        if place.shape[-1] % block:
            raise Damage(
                "has a tensor that is no whole number of blocks", found=repr(place.name[:80]), allowed=str(block)
            )
        length = math.prod(place.shape) // block * size
        end = place.offset + length
        if start + end > len(content):
            raise Damage("ends within its tensors", found=f"{len(content):,} bytes", allowed=f"{start + end:,} bytes")
        raw = np.frombuffer(content, dtype=np.uint8, count=length, offset=start + place.offset)
        try:
            numbers = dequantize(raw.reshape(*place.shape[:-1], place.shape[-1] // block * size), kind)
        except NotImplementedError as error:
            raise Damage(
                "has numbers of a form that gguf cannot turn into others", found=kind.name, allowed=""
            ) from error
        tensors[place.name] = torch.from_numpy(np.array(numbers, dtype=np.float32).reshape(place.shape))
        kinds[kind.name] = kinds.get(kind.name, 0) + 1
    return tensors, kinds


def _refuse_memory(needed: int, path: Path) -> None:
    memory = machine_memory_bytes()
    if 2 * needed > memory:
        raise ModelError(
            f"{path.name} needs more memory than there is",
            where=str(path),
            found=f"{needed:,} bytes of numbers in float32, twice while they are read; this machine has {memory:,}",
            allowed="half of the memory",
            fix="take a smaller model, or a machine with more memory",
        )
