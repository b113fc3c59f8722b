"""Zip archives: everything their directory says is compared with the file before a member is read.

Readers of zip archives differ in what they believe: the directory at the end, the headers in front of the members, or
whichever they meet first. An archive is accepted only if all of them would see the same members at the same places.

Source: APPNOTE.TXT, .ZIP File Format Specification, 6.3.10.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import MAX_INFLATION, MAX_MEMBERS

STORED, DEFLATED = 0, 8
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_MARK, _END64_MARK, _LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY_MARK, _LOCAL_MARK, _DESCRIPTOR_MARK = b"PK\x01\x02", b"PK\x03\x04", b"PK\x07\x08"
_ENCRYPTED, _DESCRIPTOR, _STRONG, _MASKED = 0x1, 0x8, 0x40, 0x2000
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an archive.

    Attributes:
        method: `STORED` or `DEFLATED`.
        start: Where its bytes begin in the archive.
        packed: Their number there.
        size: Their number when unpacked, as declared.
    """

    name: str
    method: int
    crc: int
    start: int
    packed: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry of the directory: a member, where its header stands, and the flags it has."""

    member: Member
    header: int
    flags: int


def has_directory(content: bytes) -> bool:
    """Whether a lenient reader could take the bytes for a zip archive, wherever it begins."""
    end = content.rfind(_END_MARK, max(0, len(content) - _END.size - 0xFFFF))
    if end < 0 or end + _END.size > len(content):
        return False
    *_, count, size, offset, _ = _END.unpack_from(content, end)
    wide = end - size - _END64.size - _LOCATOR64.size
    starts = (at for at in (end - size, wide, offset) if at >= 0)
    return count == 0 or offset == 0xFFFFFFFF or any(content[at : at + 4] == _ENTRY_MARK for at in starts)


def has_end(content: bytes) -> bool:
    """Whether a directory ends where the bytes do, as in every complete archive."""
    end = content.rfind(_END_MARK, max(0, len(content) - _END.size - 0xFFFF))
    return 0 <= end <= len(content) - _END.size and end + _END.size + _END.unpack_from(content, end)[-1] == len(content)


def first_names(content: bytes) -> Iterator[str]:
    """Names in whatever headers of members are there, in their order, in an archive that has no directory."""
    for mark in re.finditer(re.escape(_LOCAL_MARK), content):
        start = mark.start() + _LOCAL.size
        if start <= len(content):
            size = _LOCAL.unpack_from(content, mark.start())[-2]
            yield content[start : start + size].decode("utf-8", "replace")


def read_archive(content: bytes, *, deflated: bool = False) -> dict[str, Member]:
    """The members of an archive by name, in the order of their bytes.

    Args:
        deflated: Whether members may be compressed; what torch writes of a state dict is not.

    Raises:
        Damage: The directory, the headers and the length of the file do not agree, a name leads out of a folder, or a
            member is encrypted, a link, or compressed in a way that is not allowed.
    """
    start, end, count = _directory(content)
    if not 0 < count <= MAX_MEMBERS:
        raise Damage(
            "has too few or too many members", found=f"{count:,}", allowed=f"between 1 and {MAX_MEMBERS:,} members"
        )
    members: list[Member] = []
    position = 0
    entries = _entries(content, start, end, count)
    ordered = sorted(entries, key=lambda entry: entry.header)
    for entry, following in pairwise(ordered):
        if entry.header + _LOCAL.size + entry.member.packed > following.header:
            raise Damage(
                "has members that overlap",
                found=f"{entry.member.name[:80]!r} and {following.member.name[:80]!r}",
                allowed="members one after another",
            )
    for entry in ordered:
        if entry.header != position:
            raise Damage(
                "has bytes between its members",
                found=f"{entry.member.name[:80]!r} at byte {entry.header:,}",
                allowed=f"byte {position:,}",
            )
        placed, position = _placed(content, entry, start)
        members.append(placed)
    if position != start:
        raise Damage(
            "has bytes that belong to no member",
            found=f"{start - position:,} bytes",
            allowed="members one after another",
        )
    for member in members:
        _check_method(member, deflated=deflated)
    _check_sizes(members, len(content))
    _check_names([member.name for member in members])
    return {member.name: member for member in members}


def read_member(content: bytes, member: Member, *, most: int | None = None) -> bytes:
    """The bytes of one member.

    Args:
        most: Largest number of bytes; without it, the size that the directory declares.

    Raises:
        Damage: What comes out has not the declared size or checksum, or is larger than `most`.
    """
    if most is not None and member.size > most:
        raise Damage(f"has a member {member.name[:80]!r} that is too large", found=f"{member.size:,} bytes")
    data = content[member.start : member.start + member.packed]
    if member.method == DEFLATED:
        try:
            data = zlib.decompressobj(-15).decompress(data, member.size + 1)
        except zlib.error as error:
            raise Damage(f"has a damaged member {member.name[:80]!r}", found=str(error)) from error
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise Damage(
            f"has a damaged member {member.name[:80]!r}",
            found=f"{len(data):,} bytes with checksum {zlib.crc32(data):08x}",
            allowed=f"{member.size:,} bytes with checksum {member.crc:08x}",
            fix="" if member.crc else "save it again with torch.serialization.set_crc32_options(True)",
        )
    return data


def below_root(members: Mapping[str, Member]) -> dict[str, Member]:
    """The members without the one folder that torch puts all of them in.

    Raises:
        Damage: They do not share one folder.
    """
    firsts: dict[str, str] = {}
    for name in members:
        firsts.setdefault(name.partition("/")[0], name)
    if len(firsts) != 1 or any("/" not in name for name in members):
        raise Damage(
            "is a zip archive, and none of torch's",
            found=", ".join(repr(name[:80]) for name in list(firsts.values())[:3]),
            allowed="one folder that holds all members",
        )
    return {name.partition("/")[2]: member for name, member in members.items()}


def check_members(content: bytes, members: Mapping[str, Member]) -> None:
    """Compare the bytes of every stored member with the checksum that the directory tells.

    Raises:
        Damage: A member has another checksum.
    """
    view = memoryview(content)
    for name, member in members.items():
        found = zlib.crc32(view[member.start : member.start + member.packed])
        if member.method == STORED and found != member.crc:
            raise Damage(
                f"has a damaged member {name[:80]!r}",
                found=f"checksum {found:08x}",
                allowed=f"checksum {member.crc:08x}",
            )


def _directory(content: bytes) -> tuple[int, int, int]:
    """Where the directory begins and ends, and how many entries it has."""
    at = len(content) - _END.size
    if at < 0 or content[at : at + 4] != _END_MARK or content[-2:] != b"\0\0":
        raise Damage(
            "is no complete zip archive",
            found=f"{len(content):,} bytes without a directory at their end",
            allowed="an archive without a comment and without bytes after it",
        )
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(content, at)
    locator = at - _LOCATOR64.size
    if locator >= 0 and content[locator : locator + 4] == _LOCATOR_MARK:
        at, wide = _wide_directory(content, locator)
        if any(
            narrow not in (limit, full)
            for narrow, full, limit in zip((count, size, start), wide, (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True)
        ):
            raise Damage("has a directory that its zip64 end contradicts", found="different counts, sizes or places")
        count, size, start = wide
    if disk or first_disk or (here != count and count <= 0xFFFF and here != 0xFFFF):
        raise Damage("is a part of a larger archive", found="several disks", allowed="one file")
    if start + size != at:
        raise Damage(
            "has a directory that is not where it says",
            found=f"{size:,} bytes from byte {start:,}",
            allowed=f"a directory that ends at byte {at:,}",
        )
    return start, at, count


def _wide_directory(content: bytes, locator: int) -> tuple[int, tuple[int, int, int]]:
    """The zip64 end: where it begins, and its count, size and offset of the directory."""
    _, disk, at, disks = _LOCATOR64.unpack_from(content, locator)
    if disk or disks != 1 or at + _END64.size != locator or content[at : at + 4] != _END64_MARK:
        raise Damage("has a zip64 end that is not where it says", found=f"byte {at:,}")
    _, record, _, _, first, second, here, count, size, start = _END64.unpack_from(content, at)
    if record != _END64.size - 12 or first or second or here != count:
        raise Damage("has a zip64 end that contradicts itself", found=f"{here:,} and {count:,} entries")
    return at, (count, size, start)


def _entries(content: bytes, start: int, end: int, count: int) -> list[_Entry]:
    found: list[_Entry] = []
    position = start
    for _ in range(count):
        if position + _ENTRY.size > end or content[position : position + 4] != _ENTRY_MARK:
            raise Damage(
                "has a damaged directory", found=f"no entry at byte {position:,}", allowed=f"{count:,} entries"
            )
        fields = _ENTRY.unpack_from(content, position)
        _, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, note_size, disk, _, mode, offset = (
            fields
        )
        name_at = position + _ENTRY.size
        position = name_at + name_size + extra_size + note_size
        if position > end:
            raise Damage("has a damaged directory", found="an entry that ends after it")
        name = _text(content[name_at : name_at + name_size])
        extra = content[name_at + name_size : name_at + name_size + extra_size]
        size, packed, offset = _widened(extra, (size, packed, offset), name)
        if flags & (_ENCRYPTED | _STRONG | _MASKED):
            raise Damage("has an encrypted member", found=repr(name[:80]), allowed="members that can be read")
        if disk or (mode >> 28) not in (0, 8, 4 if name.endswith("/") else 8):
            raise Damage(
                "has a member that is no file", found=repr(name[:80]), allowed="regular files, no links and no devices"
            )
        member = Member(name=name, method=method, crc=crc, start=0, packed=packed, size=size)
        found.append(_Entry(member=member, header=offset, flags=flags))
    if position != end:
        raise Damage("has a damaged directory", found=f"{end - position:,} bytes after its last entry")
    return found


def _widened(extra: bytes, values: tuple[int, int, int], name: str) -> tuple[int, int, int]:
    """Size, packed size and offset, where 0xFFFFFFFF stands for the value in the zip64 field."""
    wide: list[int] = []
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            if wide or size % 8 or position + 4 + size > len(extra):
                raise Damage("has a damaged zip64 field", found=repr(name[:80]))
            wide = list(struct.unpack_from(f"<{size // 8}Q", extra, position + 4))
        position += 4 + size
    needed = sum(value == 0xFFFFFFFF for value in values)
    if len(wide) != needed:
        raise Damage(
            "has a zip64 field that does not fit", found=f"{len(wide)} values for {name[:80]!r}", allowed=f"{needed}"
        )
    size, packed, offset = (wide.pop(0) if value == 0xFFFFFFFF else value for value in values)
    return size, packed, offset


def _placed(content: bytes, entry: _Entry, limit: int) -> tuple[Member, int]:
    """The member with the place of its bytes, and where the next one must begin."""
    offset, member = entry.header, entry.member
    if offset + _LOCAL.size > limit or content[offset : offset + 4] != _LOCAL_MARK:
        raise Damage("has a member without a header", found=f"{member.name[:80]!r} at byte {offset:,}")
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(content, offset)
    name_at = offset + _LOCAL.size
    start = name_at + name_size + extra_size
    end = start + member.packed
    if end > limit:
        raise Damage(
            "has a member that is longer than the file", found=f"{member.name[:80]!r} with {member.packed:,} bytes"
        )
    name = _text(content[name_at : name_at + name_size])
    extra = content[name_at + name_size : start]
    size, packed, _ = _widened(extra, (size, packed, 0), name)
    sizes = (member.crc, member.packed, member.size)
    later = bool(flags & _DESCRIPTOR)
    if (name, method, flags) != (member.name, member.method, entry.flags) or (crc, packed, size) not in (
        (sizes, (0, 0, 0)) if later else (sizes,)
    ):
        raise Damage("has a member whose header contradicts the directory", found=repr(member.name[:80]))
    if later:
        end = _after_descriptor(content, end, sizes, member.name)
    return dataclasses.replace(member, start=start), end


def _after_descriptor(content: bytes, end: int, sizes: tuple[int, int, int], name: str) -> int:
    for layout in ("<4s3L", "<4sL2Q"):
        size = struct.calcsize(layout)
        if end + size <= len(content):
            mark, *told = struct.unpack_from(layout, content, end)
            if mark == _DESCRIPTOR_MARK and tuple(told) == sizes:
                return end + size
    raise Damage("has a member whose sizes contradict the directory", found=repr(name[:80]))


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damage("has a member whose name is no text", found=repr(name[:80])) from error


def _check_method(member: Member, *, deflated: bool) -> None:
    if member.method not in ((STORED, DEFLATED) if deflated else (STORED,)):
        raise Damage(
            "has a compressed member",
            found=f"{member.name[:80]!r}, method {member.method}",
            allowed="stored or deflated members" if deflated else "stored members, as torch.save writes them",
        )
    if member.method == STORED and member.packed != member.size:
        raise Damage(
            "has a member with two sizes", found=f"{member.packed:,} and {member.size:,} bytes of {member.name[:80]!r}"
        )


def _check_sizes(members: list[Member], length: int) -> None:
    total = sum(member.size for member in members)
    most = length if all(member.method == STORED for member in members) else length * MAX_INFLATION
    if total > most:
        raise Damage(
            "unpacks to more than it can hold",
            found=f"{total:,} bytes from {length:,}",
            allowed=f"at most {most:,} bytes",
        )


def _check_names(names: list[str]) -> None:
    for name in names:
        parts = name.rstrip("/").split("/")
        if (
            not name
            or "\\" in name
            or any(ord(sign) < 32 or ord(sign) == 127 for sign in name)
            or any(part in ("", ".", "..") or ":" in part or _DEVICE.match(part) for part in parts)
        ):
            raise Damage(
                "has a member whose name leads elsewhere",
                found=repr(name[:80]),
                allowed="relative names without `..` and without names of devices",
            )
    counts = Counter(name.casefold().rstrip("/") for name in names)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise Damage(
            "has two members of one name",
            found=repr(twice[0][:80]),
            allowed="names that differ, not only in the case of letters",
        )
