"""What is packed in a file, unpacked within bounds, to be looked at and for nothing else.

Unlike `archives`, this reads what a lenient reader would read: a damaged archive is no reason not to look.
"""

from __future__ import annotations

import ast
import bz2
import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_MEMBERS

_MAX_ARRAY_HEADER = 10_000  # as numpy reads at most
_PLAIN_ELEMENT = re.compile(r"[<>|=]?[?biufcSUmMV]\d*(\[\w+\])?")
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    struct.error,
)


@dataclass(slots=True)
class Room:
    """How many bytes may still be unpacked, of everything that one file holds."""

    left: int

    def take(self, size: int) -> bool:
        """Whether there is room for that many bytes, which are then taken."""
        fits = size <= self.left
        self.left -= size if fits else 0
        return fits


def inflated(content: bytes, way: str, most: int) -> bytes:
    """The bytes that were compressed.

    Args:
        way: As `compression` names it.
        most: Largest number of bytes that may come out.

    Raises:
        Damage: They cannot be unpacked here, are damaged, or are more than `most`.
    """
    decompressors: dict[str, _Decompressor] = {
        "gzip": zlib.decompressobj(31),
        "zlib": zlib.decompressobj(),
        "bzip2": bz2.BZ2Decompressor(),
        "xz": lzma.LZMADecompressor(memlimit=256 * 2**20),
    }
    if way not in decompressors:
        raise Damage(f"is compressed with {way}, which this command does not unpack")
    decompressor = decompressors[way]
    packed = content[content.index(b"x", 4) :] if content.startswith(b"ZF0x") else content
    try:
        data = decompressor.decompress(packed, most + 1)
    except _UNREADABLE as error:
        raise Damage(f"is damaged: {error}") from error
    if len(data) > most:
        raise Damage(f"unpacks to more than {most:,} bytes")
    if not decompressor.eof:
        raise Damage("is not complete")
    if decompressor.unused_data:
        raise Damage(f"has {len(decompressor.unused_data):,} bytes behind what is compressed")
    return data


def zip_members(content: bytes, room: Room) -> Iterator[tuple[str, bytes, str]]:
    """Name and bytes of every member of a zip archive; with a reason, and no bytes, where a member cannot be read.

    Args:
        room: Taken from by compressed members; stored ones together have as many bytes as the archive.
    """
    stored = Room(len(content))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_MEMBERS:
                yield "", b"", f"it has {len(infos):,} members, more than {MAX_MEMBERS:,}"
            for info in infos[:MAX_MEMBERS]:
                enough = stored if info.compress_type == zipfile.ZIP_STORED else room
                if enough.take(max(info.file_size, info.compress_size)):
                    yield info.filename, *_zip_member(archive, info)
                else:
                    yield info.filename, b"", f"it takes more than the {enough.left:,} bytes that are left to unpack"
    except (*_UNREADABLE, NotImplementedError, RuntimeError) as error:
        yield "", b"", f"as an archive it cannot be read: {error}"[:200]


def tar_members(content: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Name and bytes of every file of a tar archive; with a reason, and no bytes, where one cannot be read."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for index, info in enumerate(archive):
                if index >= MAX_MEMBERS:
                    yield "", b"", f"it has more than {MAX_MEMBERS:,} members"
                    return
                if not info.isfile() or info.issparse() or not 0 <= info.size <= len(content):
                    if not info.isdir():
                        yield info.name, b"", "it is no plain file"
                    continue
                handle = archive.extractfile(info)
                yield info.name, handle.read() if handle else b"", ""
            if rest := content[archive.offset :].strip(b"\0"):
                yield "", b"", f"{len(rest):,} bytes stand behind its last member"
    except _UNREADABLE as error:
        yield "", b"", f"as an archive it cannot be read: {error}"[:200]


def array_pickle(content: bytes) -> int | None:
    """Where the pickle of an array file begins; None if its elements are numbers or texts.

    Raises:
        Damage: It has no header.

    Source: NEP 1, "A Simple File Format for NumPy Arrays".
    """
    layout = {1: "<H", 2: "<I", 3: "<I"}.get(content[6] if len(content) > 12 else 0)
    if layout is None:
        raise Damage("has no header of an array")
    (size,) = struct.unpack_from(layout, content, 8)
    start = 8 + struct.calcsize(layout)
    if size > min(len(content) - start, _MAX_ARRAY_HEADER):
        raise Damage("has a header that is too long")
    try:
        header = ast.literal_eval(content[start : start + size].decode("latin-1").strip())
        plain = _is_plain_element(header["descr"])
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise Damage("has a header that cannot be read") from error
    return None if plain else start + size


def _is_plain_element(kind: Any) -> bool:
    """Whether elements are numbers, texts or bytes, or records of such."""
    if isinstance(kind, str):
        return _PLAIN_ELEMENT.fullmatch(kind) is not None
    return isinstance(kind, list) and all(
        isinstance(field, tuple) and len(field) in (2, 3) and _is_plain_element(field[1]) for field in kind
    )


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[bytes, str]:
    if info.is_dir():
        return b"", ""
    if info.flag_bits & 0x1:
        return b"", "it is encrypted"
    try:
        with archive.open(info) as handle:
            return handle.read(info.file_size), ""
    except (*_UNREADABLE, NotImplementedError, RuntimeError) as error:
        return b"", f"it cannot be read: {error}"[:200]
