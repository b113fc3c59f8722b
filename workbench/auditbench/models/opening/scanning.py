"""What a file would import and call when somebody unpickled it; nothing here ever unpickles.

What cannot be looked into is said to be so: a file is clean only if every part of it was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from auditbench.errors import ModelError
from auditbench.models.opening import allowed
from auditbench.models.opening.archives import read_archive
from auditbench.models.opening.content import LEGACY_PICKLES, Content, compression, is_tar, look_into
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.limits import MAX_INFLATED_BYTES, MAX_INSTRUCTIONS, MAX_NESTING, MAX_PICKLES
from auditbench.models.opening.pickle_values import UNKNOWN, Import
from auditbench.models.opening.pickles import Walk, looks_like_pickle, walk
from auditbench.models.opening.safetensors_header import check_header
from auditbench.models.opening.unpacking import Room, array_pickle, inflated, tar_members, zip_members

Verdict: TypeAlias = Literal["allowed", "not in the list", "dangerous"]

_MAX_NAME = 300
_PICKLED = (".pkl", ".pickle")
# What torch puts beside a pickle: numbers, and a few short texts.
_STORAGE = re.compile(r"\.?data/[^/]+|version|byteorder|\.format_version|\.storage_alignment")
_NOT_SEEN = {
    "torchscript": "its TorchScript code runs when the model does",
    "exported": "its graph of operations runs when the model does",
    "keras": "its configuration can name code, and its arrays stand in HDF5",
    "hdf5": "HDF5 can hold code of Keras layers",
    "skops": "its schema names the types of what it makes",
    "onnx": "an ONNX graph runs when the model does, and can name other files",
    "gguf": "GGUF can hold templates that run",
    "7z": "it is packed in a way that this command does not unpack",
    "rar": "it is packed in a way that this command does not unpack",
    "native-program": "it is machine code",
    "polyglot": "it is two files in one, and each reader sees another",
    "html": "a page can hold scripts",
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
    def dangerous(self) -> tuple[str, ...]:
        """Names that are known to do harm and that unpickling would call; where what it calls is computed, all of them."""
        found: dict[str, None] = {}
        for part in self.parts:
            computed = any(item.called and item.name == UNKNOWN for item in part.imports)
            harmful = [item for item in part.imports if item.verdict == "dangerous"]
            found |= dict.fromkeys(item.name for item in harmful if item.called or computed)
        return tuple(found)

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
    with refusing(Path(path)):
        looked = look_into(content)
        parts = tuple(_Scanner().parts(content, "", looked, 0))
    return Scan(path=path, kind=looked.kind, size=len(content), sha256=sha256_of(content), parts=parts)


def dangerous_calls(content: bytes) -> tuple[str, ...]:
    """What is known to do harm and would be called; see `Scan.dangerous`. Nothing where the bytes cannot be scanned."""
    try:
        return scan_bytes(content).dangerous
    except ModelError:
        return ()


class _Scanner:
    """One scan, and how much of its time and memory is left."""

    def __init__(self) -> None:
        self._instructions = MAX_INSTRUCTIONS
        self._room = Room(MAX_INFLATED_BYTES)

    def parts(self, content: bytes, where: str, looked: Content, depth: int) -> Iterator[Part]:
        kind = looked.kind
        if looked.damage is not None:
            yield Part(where=where, kind=kind, size=len(content), not_seen=f"it {looked.damage}: {looked.damage.found}")
        elif kind in _NOT_SEEN:
            yield Part(where=where, kind=kind, size=len(content), not_seen=_NOT_SEEN[kind])
        if depth > MAX_NESTING:
            yield Part(
                where=where, kind=kind, size=len(content), not_seen=f"it is packed more than {MAX_NESTING} times"
            )
        elif content[:2] == b"PK":
            yield from self._zip(content, where, looked, depth)
        elif kind == "polyglot":
            yield from self._pickles(content, where, kind)
            yield from self._zip(content, where, Content(kind="pickle"), depth)
            if is_tar(content):
                yield from self._tar(content, where, depth)
        elif kind in ("pickle", "state-dict"):
            yield from self._pickles(content, where, kind, looked.walks)
        elif kind == "numpy":
            yield from self._array(content, where)
        elif kind == "compressed":
            yield from self._compressed(content, where, depth)
        elif kind == "tar":
            yield from self._tar(content, where, depth)
        elif kind == "safetensors":
            yield from _header(content, where)

    def _pickles(
        self, content: bytes, where: str, kind: str, walks: tuple[Walk, ...] = (), start: int = 0
    ) -> Iterator[Part]:
        """One pickle after another; behind the five that torch writes stand the tensors, which are no pickle.

        Args:
            walks: Through the first of them, where they were walked before.
        """
        position = start
        for index in range(MAX_PICKLES):
            found = walks[index] if index < len(walks) else walk(content, position, most=max(self._instructions, 0))
            self._instructions -= found.instructions
            yield _part(found, _at(where, position), kind, len(content) - position)
            if found.fault or index + 1 == len(walks) == LEGACY_PICKLES:
                return
            position = found.end
            if not looks_like_pickle(content, position):
                break
        if position < len(content):
            rest = len(content) - position
            yield Part(where=_at(where, position), kind="unknown", size=rest, not_seen="it stands behind a pickle")

    def _zip(self, content: bytes, where: str, outer: Content, depth: int) -> Iterator[Part]:
        kind = outer.kind
        for name, data, fault in zip_members(content, self._room):
            inner = f"{where}/{name}" if where else name
            if fault:
                yield Part(where=inner, kind="unknown", size=len(data), not_seen=fault)
                continue
            walks = outer.walks if name.partition("/")[2] == "data.pkl" else ()
            storage = kind in ("torchscript", "exported") or (
                kind in ("state-dict", "pickle") and _STORAGE.fullmatch(name.partition("/")[2]) is not None
            )
            yield from self._member(data, inner, depth + 1, storage=storage, walks=walks)
        if kind != "damaged" and (fault := _archive_fault(content, kind)):
            yield Part(where=where, kind=kind, size=len(content), not_seen=fault)

    def _tar(self, content: bytes, where: str, depth: int) -> Iterator[Part]:
        for name, data, fault in tar_members(content):
            inner = f"{where}/{name}" if where else name
            if fault:
                yield Part(where=inner, kind="unknown", size=len(data), not_seen=fault)
                continue
            yield from self._member(data, inner, depth + 1)

    def _member(
        self, data: bytes, where: str, depth: int, *, storage: bool = False, walks: tuple[Walk, ...] = ()
    ) -> Iterator[Part]:
        """A member of an archive; what is called a pickle is walked as one, whatever it looks like.

        Args:
            storage: Whether it holds numbers where it holds no pickle that imports anything.
            walks: Through the pickle that it is, where it was walked before.
        """
        pickled = where.endswith(_PICKLED)
        if self._instructions <= 0:
            yield Part(where=where, kind="unknown", size=len(data), not_seen="other parts took all instructions")
            return
        looked = Content(kind="pickle", walks=walks) if walks else look_into(data)
        if pickled and looked.kind not in ("pickle", "state-dict"):
            yield from self._pickles(data, where, "pickle")
        if not data or (storage and looked.kind in _NOT_SEEN):
            return
        for part in self.parts(data, where, looked, depth):
            if part.imports or not storage or pickled or where.endswith(".pt"):
                yield part

    def _array(self, content: bytes, where: str) -> Iterator[Part]:
        try:
            start = array_pickle(content)
        except Damage as damage:
            yield Part(where=where, kind="numpy", size=len(content), not_seen=f"it {damage}")
            return
        if start is not None:
            yield from self._pickles(content, where, "numpy", start=start)

    def _compressed(self, content: bytes, where: str, depth: int) -> Iterator[Part]:
        way = compression(content)
        try:
            data = inflated(content, way, self._room.left)
        except Damage as damage:
            self._room.left = 0  # how much was unpacked before the damage, nobody knows
            yield Part(where=where, kind="compressed", size=len(content), not_seen=f"it {damage}")
            return
        self._room.take(len(data))
        yield from self.parts(data, f"{where}/{way}" if where else way, look_into(data), depth + 1)


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
    if allowed.is_allowed(found, called=called) or allowed.stands_beside(found, called=called):
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
