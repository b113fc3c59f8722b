"""Zip archives that lie about their members, or hold more than they weigh."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from tests.hostile.opcodes import pairs, storage, stream, tensor
from tests.hostile.record import HostileModel, good_zip, writes_lazily

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")


def local(name: bytes, packed: int, size: int, *, method: int = 0, crc: int = 0, extra: bytes = b"") -> bytes:
    """The header in front of a member."""
    return _LOCAL.pack(b"PK\x03\x04", 20, 0, method, 0, 0, crc, packed, size, len(name), len(extra)) + name + extra


def entry(
    name: bytes,
    packed: int,
    size: int,
    offset: int,
    *,
    method: int = 0,
    crc: int = 0,
    mode: int = 0,
    extra: bytes = b"",
) -> bytes:
    """The entry of a member in the directory."""
    fields = (20, 20, 0, method, 0, 0, crc, packed, size, len(name), len(extra), 0, 0, 0, mode << 16, offset)
    return _ENTRY.pack(b"PK\x01\x02", *fields) + name + extra


def ended(body: bytes, directory: bytes, count: int, *, size: int | None = None, start: int | None = None) -> bytes:
    """Members, directory and end record; what the end says may be untrue."""
    told = len(directory) if size is None else size
    at = len(body) if start is None else start
    return body + directory + _END.pack(b"PK\x05\x06", 0, 0, count, count, told, at, 0)


def _members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(good_zip())) as source:
        return {item.filename: source.read(item) for item in source.infolist()}


def _compressed(size: int, member: str) -> bytes:
    """A member of zeros, or of opcodes that push and drop, that weighs a thousandth of what it unpacks to."""
    count = size // 4
    pickled = stream(pairs({"0.weight": tensor(storage(count=count), size=(count,), stride=(1,))}), protocol=2)
    block = (b"N0" if member == "/data.pkl" else b"\0\0") * 2**19
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name, content in _members().items():
            if not name.endswith(member):
                target.writestr(name, pickled if name.endswith("/data.pkl") else content)
            else:
                with target.open(name, "w", force_zip64=True) as handle:
                    for _ in range(size // len(block)):
                        handle.write(block)
    return buffer.getvalue()


def _overlapping() -> bytes:
    """Ten thousand members that all are the same bytes of the file (Fifield, A better zip bomb, 2019)."""
    kernel = zlib.compress(b"\0" * 2**20, 9)[2:-4]
    body = local(b"model/data/0", len(kernel), 2**20, method=8) + kernel
    names = [b"model/data.pkl", *(b"model/data/%d" % i for i in range(10_000))]
    return ended(body, b"".join(entry(name, len(kernel), 2**20, 0, method=8) for name in names), len(names))


def _stored_many_times(length: int, count: int) -> bytes:
    """Many members, not compressed, that all are the same bytes of the file."""
    body = local(b"model/data/0", length, length) + b"\0" * length
    return ended(body, b"".join(entry(b"model/data/%d" % i, length, length, 0) for i in range(count)), count)


def _archives_in_an_archive(count: int, size: int) -> bytes:
    """An archive of many archives, of which each unpacks to little enough."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("zeros", b"\0" * size)
    with zipfile.ZipFile(outer, "w") as target:
        for i in range(count):
            target.writestr(f"model/{i}.zip", inner.getvalue())
    return outer.getvalue()


def _hundred_thousand_members() -> bytes:
    body, directory = bytearray(), bytearray()
    for i in range(60_000):
        name = b"model/data/%d" % i
        directory += entry(name, 0, 0, len(body))
        body += local(name, 0, 0)
    return ended(bytes(body), bytes(directory), 60_000)


def _wide(size: int, packed: int, offset: int) -> bytes:
    """A member whose true sizes stand in a zip64 field."""
    extra = struct.pack("<2H3Q", 1, 24, size, packed, offset)
    full = 0xFFFFFFFF
    body = local(b"model/data.pkl", 4, 4) + b"N.N."
    return ended(body, entry(b"model/data.pkl", full, full, full, extra=extra), 1)


def _wide_end(count: int) -> bytes:
    """An archive whose zip64 end claims that many members."""
    content = good_zip()
    at = content.rindex(b"PK\x05\x06")
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, 10, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return content[:at] + wide + locator + _END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def _end_edited(field: int, value: int) -> bytes:
    content = good_zip()
    at = content.rindex(b"PK\x05\x06")
    fields = list(_END.unpack_from(content, at))
    fields[field] = value
    return content[:at] + _END.pack(*fields)


def member_called(name: bytes, *, mode: int = 0) -> Callable[[], bytes]:
    """The good members, and one more of a name that leads elsewhere."""

    def content() -> bytes:
        body, directory, count = b"", b"", 0
        for member, data in [*((key.encode(), value) for key, value in _members().items()), (name, b"x")]:
            crc = zlib.crc32(data)
            offset = len(body)
            body += local(member, len(data), len(data), crc=crc) + data
            directory += entry(member, len(data), len(data), offset, crc=crc, mode=mode if member == name else 0)
            count += 1
        return ended(body, directory, count)

    return content


def _wrong_checksum() -> bytes:
    """One bit of the weights is another one than the checksum says."""
    content = bytearray(good_zip())
    weight = struct.pack("<f", -1.0)
    content[content.index(weight) + 2] ^= 1
    return bytes(content)


def _record(name: str, content: Callable[[], bytes], *says: str) -> HostileModel:
    return HostileModel(
        name=name, pretends="state-dict", build=writes_lazily("model.pt", content), says=says, harmless_pickle=True
    )


ARCHIVES: tuple[HostileModel, ...] = (
    _record("deflated-weights-one-to-a-thousand", lambda: _compressed(320 * 2**20, "/data/0"), "compressed"),
    _record("deflated-pickle-one-to-a-thousand", lambda: _compressed(320 * 2**20, "/data.pkl"), "compressed"),
    _record("members-that-overlap", _overlapping, "overlap"),
    _record("stored-bytes-in-twenty-thousand-members", lambda: _stored_many_times(2**26, 20_000), "overlap"),
    _record("three-hundred-archives-in-one", lambda: _archives_in_an_archive(300, 200 * 2**20), "model.pt"),
    _record("sixty-thousand-members", _hundred_thousand_members, "model.pt"),
    _record("wide-size-of-2-to-the-62", lambda: _wide(2**62, 2**62, 0), "longer"),
    _record("wide-offset-of-2-to-the-62", lambda: _wide(4, 4, 2**62), "model.pt"),
    _record("wide-end-with-2-to-the-60-members", lambda: _wide_end(2**60), "model.pt"),
    _record("directory-beyond-the-file", lambda: _end_edited(6, 2**31), "directory"),
    _record("directory-of-another-size", lambda: _end_edited(5, 7), "directory"),
    _record("fewer-members-than-the-directory-has", lambda: _end_edited(3, 1), "model.pt"),
    _record("part-of-several-disks", lambda: _end_edited(1, 3), "disks"),
    _record("member-above-the-folder", member_called(b"archive/../../../tmp/evil"), "evil"),
    _record("member-with-an-absolute-name", member_called(b"/etc/cron.d/evil"), "evil"),
    _record("member-that-is-a-link", member_called(b"archive/data/9", mode=0o120777), "archive/data/9"),
    _record("member-with-escapes-in-its-name", member_called(b"archive/\x1b[2J\r\nAB000 passed"), "name"),
    _record("member-with-bytes-for-a-name", member_called(b"archive/\xff\xfe"), "name"),
    _record("weights-of-another-checksum", _wrong_checksum, "checksum"),
    _record("an-archive-with-a-comment", lambda: good_zip()[:-2] + b"\x05\x00evil!", "bytes"),
)
