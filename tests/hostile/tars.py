"""Tar archives whose headers lie, and pickles where readers of tar archives stop reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.hostile.opcodes import stream
from tests.hostile.payloads import os_system
from tests.hostile.record import Builder, HostileModel, writes_lazily

_END = b"\0" * 1024


def _header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """The header of a member, with its checksum."""
    ids = b"0000644\0" * 3
    blank = name.ljust(100, b"\0") + ids + size.ljust(12, b"\0") + b"00000000000\0" + b" " * 8 + kind
    block = (blank.ljust(257, b"\0") + b"ustar\x0000").ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _binary(size: int) -> bytes:
    """A size in the twelve bytes that numbers too large for digits have; a negative one is a complement."""
    return (b"\xff" if size < 0 else b"\x80") + (size % 2**88).to_bytes(11, "big")


def _member(name: bytes, content: bytes, kind: bytes = b"0") -> bytes:
    return _header(name, b"%011o\0" % len(content), kind) + content + b"\0" * (-len(content) % 512)


def _attribute(text: bytes) -> bytes:
    """An empty member with an extended attribute."""
    return _member(b"x", text, b"x") + _member(b"weights", b"") + _END


def _hidden(between: bytes) -> Builder:
    """A harmless member, something between, and a pickle."""

    def build(folder: Path, marker: Path) -> Path:
        path = folder / "model.tar"
        path.write_bytes(_member(b"note", b"1") + between + _member(b"a.pkl", stream(os_system(marker))) + _END)
        return path

    return build


def _record(name: str, content: Callable[[], bytes]) -> HostileModel:
    build = writes_lazily("model.tar", content)
    return HostileModel(name=f"tar-{name}", pretends="state-dict", build=build, says=("tar",))


TARS: tuple[HostileModel, ...] = (
    _record("with-a-negative-size", lambda: _header(b"a", _binary(-512)) + _END),
    _record("with-a-size-of-2-to-the-80", lambda: _header(b"a", _binary(2**80)) + _END),
    _record("with-an-attribute-of-400-digits", lambda: _attribute(b"412 size=1" + b"0" * 400 + b"\n")),
    HostileModel(name="tar-with-a-pickle-behind-its-end", pretends="state-dict", build=_hidden(_END), says=("tar",)),
    HostileModel(
        name="tar-with-a-pickle-behind-a-broken-header",
        pretends="state-dict",
        build=_hidden(b"\1" * 512),
        says=("tar",),
    ),
)
