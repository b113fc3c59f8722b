"""HDF5 files: their groups, arrays and names, read into memory, and written again without anything else.

What a file says of itself is compared with its length before an array is made. No link is followed, neither to a place in the
file nor out of it; no filter runs but those that HDF5 itself has.

Source: HDF5 File Format Specification, version 3.0 (III.E, global heap; IV.A.2.i, data layout).
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditbench.models.opening.files import Damage
from auditbench.models.opening.limits import (
    MAX_DIMENSIONS,
    MAX_INFLATED_BYTES,
    MAX_INFLATION,
    MAX_JSON_BYTES,
    MAX_NAMED_BYTES,
    MAX_OBJECTS,
    MAX_PATH_DEPTH,
)

if TYPE_CHECKING:
    import numpy.typing as npt

_HEAP = struct.Struct("<4sB3xQ")
_HEAP_OBJECT = struct.Struct("<HH4xQ")
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
_GROUP, _DATASET = 0, 1
_LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Hdf5Contents:
    """What an HDF5 file holds, by path; `""` is the root.

    Attributes:
        names: Of each group, and of it the attributes that were asked for: texts, or a text alone.
        arrays: In the order of the file.
    """

    names: dict[str, dict[str, list[str] | str]] = field(default_factory=dict)
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


def read_hdf5(content: bytes, *, names: tuple[str, ...], without: tuple[str, ...] = ()) -> Hdf5Contents:
    """The groups and arrays of a file, and the attributes of these names.

    Args:
        names: Attributes to read, also with a number behind them, as long ones are written in parts.
        without: Groups at the root to leave out.

    Raises:
        Damage: It is no complete HDF5 file, links to somewhere, holds objects twice or references, or would unpack to more
            than it can hold.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _Reader(file, content, names).read(without)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, UnicodeError) as error:
        if isinstance(error, Damage):
            raise
        raise Damage(
            "is no complete HDF5 file",
            found=" ".join(str(error).split())[:200],
            allowed="a file as Keras writes it, copied completely",
        ) from error


def write_hdf5(contents: Hdf5Contents) -> bytes:
    """The bytes of a file with these groups, attributes and arrays, and with nothing else."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        for path, attributes in contents.names.items():
            group = file.require_group(path or "/")
            for name, value in attributes.items():
                group.attrs[name] = value
        for path, array in contents.arrays.items():
            file.create_dataset(path, data=array)
    return buffer.getvalue()


class _Reader:
    """One pass over the objects of a file, with what is left of its bounds."""

    def __init__(self, file: Any, content: bytes, names: tuple[str, ...]) -> None:
        self._file, self._names, self._length = file, names, len(content)
        self._seen: set[int] = set()
        self._stored = self._inflated = self._named = 0
        self._longest_text = max(_text_sizes(content), default=0)

    def read(self, without: tuple[str, ...]) -> Hdf5Contents:
        """Everything but the groups at the root that are left out."""
        contents = Hdf5Contents(names={"": self._attributes(self._file, "")})
        waiting = [("", self._file)]
        while waiting:
            above, group = waiting.pop()
            for name, kind in self._members(group, above):
                if not above and name in without:
                    continue
                path = f"{above}/{name}" if above else name
                found = group[name]
                if kind == _GROUP:
                    contents.names[path] = self._attributes(found, path)
                    waiting.append((path, found))
                else:
                    contents.arrays[path] = self._array(found, path)
        return contents

    def _members(self, group: Any, path: str) -> Iterator[tuple[str, int]]:
        """Names and kinds of what lies in a group, none of it a link to elsewhere, and nothing twice."""
        import h5py

        if path.count("/") > MAX_PATH_DEPTH:
            raise Damage("has groups that are nested too deep", found=repr(path[:80]))
        if len(self._seen) + group.id.get_num_objs() > MAX_OBJECTS:
            raise Damage("has more objects than a model", allowed=f"at most {MAX_OBJECTS:,}")
        for raw in group.id:
            name, link = raw.decode("utf-8"), group.id.links.get_info(raw)
            if link.type != h5py.h5l.TYPE_HARD:
                raise _refused("has a link", path, name, "a link to another place", "groups and arrays themselves")
            if not name or "/" in name or name in (".", ".."):
                raise Damage("has an object without a name of its own", found=repr(f"{path}/{name}")[:160])
            found = h5py.h5o.get_info(group.id, raw)
            if found.addr in self._seen:
                raise _refused("has an object twice", path, name, "a second link to it", "each object once")
            if found.type not in (_GROUP, _DATASET):
                raise _refused("has what is no array", path, name, "a type with a name", "groups and arrays")
            self._seen.add(found.addr)
            yield name, found.type

    def _array(self, dataset: Any, path: str) -> npt.NDArray[Any]:
        """The numbers of an array, once the file is known to have them."""
        import h5py

        kind = dataset.id.get_type().get_class()
        if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or dataset.dtype.kind not in "iuf":
            raise Damage("has an array that holds no numbers", found=f"{path[:80]!r}", allowed="numbers alone")
        shape = dataset.shape
        if shape is None or len(shape) > MAX_DIMENSIONS or dataset.dtype.itemsize > 8:
            raise Damage("has an array of no usual shape", found=f"{path[:80]!r} of {dataset.dtype}, {shape}"[:160])
        size = math.prod(shape) * dataset.dtype.itemsize
        made = dataset.id.get_create_plist()
        layout, stored = made.get_layout(), dataset.id.get_storage_size()
        if made.get_external_count() or layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            raise _refused("has an array that lies elsewhere", path, "", "another file or array", "arrays of its own")
        for index in range(made.get_nfilters()):
            if (code := made.get_filter(index)[0]) not in _FILTERS:
                raise Damage(
                    "has an array that is packed in an unknown way",
                    found=f"{path[:80]!r}, filter {code}",
                    allowed=", ".join(_FILTERS.values()),
                )
        self._stored += stored
        if layout == h5py.h5d.CHUNKED:
            self._check_packed(path, size, stored, math.prod(made.get_chunk()) * dataset.dtype.itemsize)
        elif stored != size or self._stored > self._length:
            raise Damage(
                "has an array that is larger than the file",
                found=f"{path[:80]!r}: {size:,} bytes, of which {stored:,} are there",
                allowed=f"{self._length:,} bytes for all arrays",
            )
        array: npt.NDArray[Any] = dataset[()]
        return array

    def _check_packed(self, path: str, size: int, stored: int, chunk: int) -> None:
        """Refuse an array in chunks that unpacks to more than it can hold, in whole or in one chunk."""
        self._inflated += size
        if (
            self._stored > self._length
            or self._inflated > self._length * MAX_INFLATION
            or size > stored * MAX_INFLATION
            or chunk > max(size, MAX_INFLATED_BYTES)
        ):
            raise Damage(
                "unpacks to more than it can hold",
                found=f"{path[:80]!r}: {size:,} bytes from {stored:,}, in chunks of {chunk:,}",
                allowed=f"at most {MAX_INFLATION} times the bytes that are there",
            )

    def _attributes(self, group: Any, path: str) -> dict[str, list[str] | str]:
        if len(group.attrs) > MAX_OBJECTS:
            raise Damage("has more attributes than a model", found=repr(path[:80]), allowed=f"at most {MAX_OBJECTS:,}")
        return {
            name: self._texts(group, name, path) for name in group.attrs if name.rstrip("0123456789") in self._names
        }

    def _texts(self, group: Any, name: str, path: str) -> list[str] | str:
        """The text or texts of an attribute; how long texts elsewhere in the file can be at most is known before."""
        attribute = group.attrs.get_id(name)
        shape, kind = attribute.shape, attribute.dtype.kind
        count = math.prod(shape) if shape is not None else -1
        each = self._longest_text if kind == "O" else attribute.dtype.itemsize
        self._named += max(count, 0) * each
        if count == 0:
            return []
        if count < 0 or len(shape) > 1 or kind not in "OS" or not _is_text(attribute):
            raise Damage("has names that are no text", found=f"{path[:80]}@{name}: {attribute.dtype}, {shape}"[:160])
        if count * each > MAX_NAMED_BYTES or self._named > 16 * MAX_NAMED_BYTES:
            raise Damage(
                "has more names than a model",
                found=f"{path[:80]}@{name}: {count:,}",
                allowed=f"{MAX_NAMED_BYTES:,} bytes",
            )
        value = group.attrs[name]
        if not shape:
            return _decoded(value, MAX_JSON_BYTES)
        return [_decoded(one, _LONGEST_NAME) for one in value]


def _is_text(attribute: Any) -> bool:
    import h5py

    return bool(attribute.get_type().get_class() == h5py.h5t.STRING)


def _decoded(value: Any, most: int) -> str:
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    if len(text) > most:
        raise Damage("has a text that is too long", found=f"{len(text):,} characters", allowed=f"at most {most:,}")
    return text


def _text_sizes(content: bytes) -> Iterator[int]:
    """Sizes of what may be a text of any length, wherever the file may have a heap of them."""
    start = content.find(b"GCOL\x01")
    while start >= 0:
        if start + _HEAP.size > len(content):
            return
        _, _, size = _HEAP.unpack_from(content, start)
        at, end = start + _HEAP.size, min(start + size, len(content))
        while at + _HEAP_OBJECT.size <= end:
            index, _, length = _HEAP_OBJECT.unpack_from(content, at)
            if not index:
                break
            yield length
            at += _HEAP_OBJECT.size + (length + 7) // 8 * 8
        start = content.find(b"GCOL\x01", start + 1)


def _refused(what: str, path: str, name: str, found: str, allowed: str) -> Damage:
    place = f"{path}/{name}" if name else path
    return Damage(
        what,
        found=f"{place[:80]!r} is {found}",
        allowed=allowed,
        fix="save the model again with Keras, and take the file from whom you know",
    )
