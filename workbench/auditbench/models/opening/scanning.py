"""What a file would import and call when somebody unpickled it; nothing here ever unpickles.

What cannot be looked into is said to be so: a file is clean only if every part of it was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from auditbench.models.opening import allowed
from auditbench.models.opening.archives import read_archive
from auditbench.models.opening.content import TORCH_KINDS, compression, content_kind, is_tar, legacy_walks
from auditbench.models.opening.files import Damage, read_file, sha256_of
from auditbench.models.opening.pickles import MAX_INSTRUCTIONS, UNKNOWN, Import, Walk, looks_like_pickle, walk
from auditbench.models.opening.safetensors_header import check_header
from auditbench.models.opening.unpacking import array_pickle, inflated, tar_members, zip_members

Verdict: TypeAlias = Literal["allowed", "not in the list", "dangerous"]

_MAX_DEPTH, _MAX_PICKLES, _MAX_UNPACKED, _MAX_NAME = 4, 1000, 256 * 2**20, 300
_NOT_SEEN = {
    "torchscript": "its TorchScript code runs when the model does",
    "exported": "its graph of operations runs when the model does",
    "keras": "its configuration can name code, and its arrays stand in HDF5",
    "hdf5": "HDF5 can hold code of Keras layers",
    "onnx": "an ONNX graph runs when the model does, and can name other files",
    "gguf": "GGUF can hold templates that run",
    "7z": "it is packed in a way that this command does not unpack",
    "rar": "it is packed in a way that this command does not unpack",
    "native-program": "it is machine code",
    "polyglot": "it is two files in one, and each reader sees another",
    "text": "as Python source, all of it would run: read it",
    "empty": "there is nothing in it",
    "unknown": "its content is of no kind that is known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImport:
    """A name that unpickling would import.

    Attributes:
        name: Module and name, joined by a dot; `?` where the pickle computes it.
        called: Whether it would be called.
    """

    name: str
    called: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A pickle, or something that was not looked into, in a file.

    Attributes:
        where: Names of the members that lead to it, and the byte at which it begins.
        kind: By content.
        size: Bytes.
        imports: In the order of the pickle.
        not_seen: Why it, or the rest of it, was not looked into; empty if all of it was.
    """

    where: str
    kind: str
    size: int
    imports: tuple[FoundImport, ...] = ()
    not_seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a file would import; `clean` if that is nothing but what a state dict may, and every part was seen."""

    path: str
    kind: str
    size: int
    sha256: str
    parts: tuple[Part, ...]

    @property
    def outside(self) -> tuple[FoundImport, ...]:
        """The imports that are not on the list of a state dict."""
        return tuple(found for part in self.parts for found in part.imports if found.verdict != "allowed")

    @property
    def not_seen(self) -> tuple[Part, ...]:
        """The parts that were not looked into, or not to their end."""
        return tuple(part for part in self.parts if part.not_seen)

    @property
    def clean(self) -> bool:
        """Whether nothing is outside the list and nothing was left unseen."""
        return not self.outside and not self.not_seen


def scan(path: Path) -> Scan:
    """Look into a file, and into what is packed in it, for pickles.

    Raises:
        ModelError: The file cannot be read.
    """
    return scan_bytes(read_file(path), str(path))


def scan_bytes(content: bytes, path: str = "") -> Scan:
    """Look into the bytes of a file; see `scan`."""
    kind = content_kind(content)
    parts = tuple(_Scanner().parts(content, "", kind, 0))
    return Scan(path=path, kind=kind, size=len(content), sha256=sha256_of(content), parts=parts)


class _Scanner:
    """One scan, and how much of its time and memory is left."""

    def __init__(self) -> None:
        self._instructions = MAX_INSTRUCTIONS
        self._left = _MAX_UNPACKED

    def parts(self, content: bytes, where: str, kind: str, depth: int) -> Iterator[Part]:
        if kind in _NOT_SEEN:
            yield Part(where=where, kind=kind, size=len(content), not_seen=_NOT_SEEN[kind])
        if depth > _MAX_DEPTH:
            yield Part(where=where, kind=kind, size=len(content), not_seen=f"it is packed more than {_MAX_DEPTH} times")
        elif content[:2] == b"PK":
            yield from self._zip(content, where, kind, depth)
        elif kind == "polyglot":
            yield from self._pickles(content, where, kind)
            yield from self._zip(content, where, "pickle", depth)
            if is_tar(content):
                yield from self._tar(content, where, depth)
        elif kind in ("pickle", "state-dict"):
            yield from self._pickles(content, where, kind)
        elif kind == "numpy":
            yield from self._array(content, where)
        elif kind == "compressed":
            yield from self._compressed(content, where, depth)
        elif kind == "tar":
            yield from self._tar(content, where, depth)
        elif kind == "safetensors":
            yield from _header(content, where)

    def _pickles(self, content: bytes, where: str, kind: str, start: int = 0) -> Iterator[Part]:
        """Walk one pickle after another; behind those that torch writes stand the tensors, which are no pickle."""
        legacy = legacy_walks(content) if start == 0 else []
        position = start
        for _ in range(_MAX_PICKLES):
            found = walk(content, position, most=self._instructions)
            self._instructions -= found.instructions
            yield _part(found, _at(where, position), kind, len(content) - position)
            if found.fault or (legacy and found.end == legacy[-1].end):
                return
            position = found.end
            if not looks_like_pickle(content, position):
                break
        if position < len(content):
            rest = len(content) - position
            yield Part(where=_at(where, position), kind="unknown", size=rest, not_seen="it stands behind a pickle")

    def _zip(self, content: bytes, where: str, kind: str, depth: int) -> Iterator[Part]:
        for name, data, fault in zip_members(content, self._left):
            inner = f"{where}/{name}" if where else name
            if fault:
                yield Part(where=inner, kind="unknown", size=len(data), not_seen=fault)
                continue
            yield from self._member(data, inner, kind, depth + 1)
        if fault := _archive_fault(content, kind):
            yield Part(where=where, kind=kind, size=len(content), not_seen=fault)

    def _tar(self, content: bytes, where: str, depth: int) -> Iterator[Part]:
        for name, data, fault in tar_members(content):
            inner = f"{where}/{name}" if where else name
            if fault:
                yield Part(where=inner, kind="unknown", size=len(data), not_seen=fault)
                continue
            yield from self._member(data, inner, "tar", depth + 1)

    def _member(self, data: bytes, where: str, outer: str, depth: int) -> Iterator[Part]:
        """A member of an archive; in archives of torch, members that are no pickle are numbers and short texts."""
        inner = content_kind(data)
        if inner in ("empty", "text") or (inner in _NOT_SEEN and outer in (*TORCH_KINDS, "numpy-archive")):
            return
        found = list(self.parts(data, where, inner, depth))
        if outer in TORCH_KINDS and not where.endswith((".pkl", ".pt")):
            found = [part for part in found if part.imports]
        yield from found

    def _array(self, content: bytes, where: str) -> Iterator[Part]:
        try:
            start = array_pickle(content)
        except Damage as damage:
            yield Part(where=where, kind="numpy", size=len(content), not_seen=f"it {damage}")
            return
        if start is not None:
            yield from self._pickles(content, where, "numpy", start)

    def _compressed(self, content: bytes, where: str, depth: int) -> Iterator[Part]:
        way = compression(content)
        try:
            data = inflated(content, way, self._left)
        except Damage as damage:
            yield Part(where=where, kind="compressed", size=len(content), not_seen=f"it {damage}")
            return
        self._left -= len(data)
        yield from self.parts(data, f"{where}/{way}" if where else way, content_kind(data), depth + 1)


def _header(content: bytes, where: str) -> Iterator[Part]:
    try:
        check_header(content)
    except Damage as damage:
        yield Part(where=where, kind="safetensors", size=len(content), not_seen=f"it {damage}")


def _part(found: Walk, where: str, kind: str, size: int) -> Part:
    imports = [
        FoundImport(name=item.full[:_MAX_NAME], called=called, verdict=_verdict(item, called))
        for item, called in found.imports.items()
    ]
    if found.opaque:
        imports.append(FoundImport(name=UNKNOWN, called=True, verdict="not in the list"))
    return Part(
        where=where,
        kind=kind,
        size=size,
        imports=tuple(imports),
        not_seen=f"the walk stopped at byte {found.end:,}: {found.fault}" if found.fault else "",
    )


def _verdict(found: Import, called: bool) -> Verdict:
    if allowed.is_allowed(found, called=called):
        return "allowed"
    return "dangerous" if allowed.is_dangerous(found) else "not in the list"


def _at(where: str, position: int) -> str:
    return f"{where or 'the file'}, byte {position:,}" if position else where


def _archive_fault(content: bytes, kind: str) -> str:
    try:
        read_archive(content, deflated=kind not in ("state-dict", "pickle"))
    except Damage as damage:
        return f"it {damage}"
    return ""
