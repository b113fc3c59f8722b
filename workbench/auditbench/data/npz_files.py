"""Archives of numpy: one-dimensional arrays are columns; of the others, rows are read when they are asked for."""

from __future__ import annotations

import functools
import io
import math
import os
import struct
import tokenize
import weakref
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from auditbench.data.source_files import FileArray, OpenFile, TableFile
from auditbench.data.stored import StoredArray, stored
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

MOST_BYTES = 4 * 2**30
"""Of an array that has to be in memory at once: a column, or one that is compressed or stored column by column."""
_CHECKED_AT_ONCE = 2**20
_MOST_HEADER_BYTES = 64 * 2**10
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_ODD_HEADER = (tokenize.TokenError, SyntaxError, TypeError, LookupError, MemoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array:
    """One array of an archive, by its header.

    Attributes:
        header: Bytes before the first number.
        by_column: Whether neighbours in memory differ in the first index.
    """

    name: str
    member: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    header: int
    by_column: bool

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def open_npz(opened: OpenFile) -> TableFile:
    """An archive that `numpy.savez` or `numpy.savez_compressed` wrote; nothing in it is ever unpickled.

    Raises:
        DataError: It is damaged or encrypted, or an array does not have as many bytes as its header says.
    """
    try:
        archive = zipfile.ZipFile(opened.handle)
        members = [item for item in archive.infolist() if item.filename.endswith(".npy")]
        arrays = [_described(archive, item) for item in members]
    except _DAMAGE as error:
        raise opened.damaged(".npz", error) from error
    known = {array.name: array for array in arrays}
    if len(known) < len(arrays):
        raise _twice(opened, [array.name for array in arrays])

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        return _columns(opened, archive, [known[name] for name in columns])

    names = [array.name for array in arrays if len(array.shape) == 1]
    rest = {array.name: _file_array(opened, archive, array) for array in arrays if len(array.shape) > 1}
    return replace(opened.table(names, read), arrays=rest)


def _described(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Array:
    with archive.open(member) as stream:
        try:
            shape, by_column, dtype = _read_header(stream, member.filename)
        except _ODD_HEADER as error:
            raise ValueError(f"{member.filename} has a header that cannot be read") from error
        header = stream.tell()
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise ValueError(f"{member.filename} has the shape {shape} and {dtype.itemsize} bytes a number")
    array = _Array(
        name=member.filename.removesuffix(".npy"),
        member=member,
        shape=shape,
        dtype=dtype,
        header=header,
        by_column=by_column and len(shape) > 1,
    )
    if not dtype.hasobject and array.bytes != member.file_size - header:
        raise ValueError(f"{member.filename} has {member.file_size - header:,} bytes of numbers, not {array.bytes:,}")
    return array


def _read_header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is stored column by column, and type; no more is unpacked than a header may have."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} has version {version[0]}.{version[1]} of the .npy format")
    size = stream.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(size, "little")
    if length > _MOST_HEADER_BYTES:
        raise ValueError(f"{name} has a header of {length:,} bytes, more than {_MOST_HEADER_BYTES:,}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read_header(io.BytesIO(size + stream.read(length)))


def _twice(opened: OpenFile, names: Sequence[str]) -> DataError:
    twice = sorted({name for name in names if names.count(name) > 1})
    return DataError(
        f"{opened.shown} has arrays of one name",
        where=opened.key,
        found=", ".join(repr(name) for name in twice[:5]),
        allowed="each name once",
        fix="save the archive again, with another name for one of them",
    )


def _columns(opened: OpenFile, archive: zipfile.ZipFile, arrays: Sequence[_Array]) -> Any:
    lengths = {array.name: array.shape[0] for array in arrays}
    if len(set(lengths.values())) > 1:
        refuse_lengths(opened.shown, lengths, opened.key)
    cells = {}
    for array in arrays:
        values = _loaded(opened, archive, array)
        try:
            cells[array.name] = pa.array(values.astype(values.dtype.newbyteorder("="), copy=False))
        except UnicodeError as error:
            raise DataError(
                f"column {array.name!r} of {opened.shown} holds characters that no text has",
                where=opened.key,
                found=str(error).splitlines()[0][:160],
                allowed="characters of Unicode, without surrogates",
                fix="correct these cells, and save the archive again",
            ) from error
        except (pa.ArrowException, TypeError) as error:
            raise DataError(
                f"column {array.name!r} of {opened.shown} is neither a number nor a category",
                where="data.exclude",
                found=f"dtype {array.dtype}",
                allowed="numbers, text, truth values",
                fix=f"add {array.name!r} to data.exclude, or save it as text: array.astype(str)",
            ) from error
    return pa.table(cells)


def refuse_lengths(shown: str, lengths: Mapping[str, int], where: str) -> None:
    """Refuse columns and arrays that do not have one length.

    Raises:
        DataError: Naming each length.
    """
    named = [f"{name!r} has {length:,}" for name, length in lengths.items()]
    raise DataError(
        f"{shown} has arrays with another number of rows",
        where=where,
        found=", ".join(named[:6]),
        allowed="one row of each array for each row of the data",
        fix="write them for the same rows, or name only arrays of one length",
    )


def _file_array(opened: OpenFile, archive: zipfile.ZipFile, array: _Array) -> FileArray:
    def read(table: InputTable, where: str) -> StoredArray:
        if array.member.compress_type != zipfile.ZIP_STORED or array.by_column or not array.bytes:
            return loaded()
        return _rows_in_file(opened, archive, array)

    # Two inputs may stand for one array, which is read once.
    loaded = functools.cache(lambda: stored(_loaded(opened, archive, array)))
    return FileArray(row_shape=array.shape[1:], dtype=array.dtype, read=read)


def _loaded(opened: OpenFile, archive: zipfile.ZipFile, array: _Array) -> npt.NDArray[Any]:
    """All of an array, in memory."""
    _refuse_objects(opened, array)
    if array.bytes > MOST_BYTES:
        raise DataError(
            f"array {array.name!r} of {opened.shown} is too large to be read at once",
            where=opened.key,
            found=f"{array.bytes:,} bytes",
            allowed=f"at most {MOST_BYTES:,} bytes where an array is compressed, has one dimension, or is not in C order",
            fix="save it without compression, as numpy.savez does, which is read row by row",
        )
    try:
        with archive.open(array.member) as stream:
            return _complete(stream, array)
    except _DAMAGE as error:
        raise opened.damaged(".npz", error) from error


def _complete(stream: IO[bytes], array: _Array) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError(f"{array.name} has bytes behind its numbers")
    return values


def _rows_in_file(opened: OpenFile, archive: zipfile.ZipFile, array: _Array) -> StoredArray:
    """Rows that stay in the file; its checksum is compared once, now."""
    _refuse_objects(opened, array)
    try:
        with archive.open(array.member) as stream:
            while stream.read(_CHECKED_AT_ONCE):
                pass
        start = _first_byte(opened, array)
    except _DAMAGE as error:
        raise opened.damaged(".npz", error) from error
    return StoredArray(
        read=_RowReader(opened, array, start),
        positions=np.arange(array.shape[0]),
        row_shape=array.shape[1:],
        dtype=array.dtype.newbyteorder("="),
    )


def _first_byte(opened: OpenFile, array: _Array) -> int:
    """Where the numbers of an uncompressed array begin in the file."""
    place = array.member.header_offset
    signature, name, extra = _LOCAL_HEADER.unpack(
        os.pread(opened.handle.fileno(), _LOCAL_HEADER.size, place).ljust(_LOCAL_HEADER.size)
    )
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"{array.name} has no header where it should begin")
    return int(place + _LOCAL_HEADER.size + name + extra + array.header)


class _RowReader:
    """Reads rows from an open file of its own, which closes with the last array that needs it."""

    def __init__(self, opened: OpenFile, array: _Array, start: int) -> None:
        self._opened, self._array, self._start = opened, array, start
        self._row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
        self._descriptor = os.dup(opened.handle.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def __call__(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        block = np.empty((len(rows), *self._array.shape[1:]), dtype=self._array.dtype)
        flat = block.reshape(-1).view(np.uint8)
        begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        for begin, end in pairwise([*begins.tolist(), len(rows)]):
            self._fill(flat[begin * self._row_bytes : end * self._row_bytes], int(rows[begin]))
        return block.astype(self._array.dtype.newbyteorder("="), copy=False)

    def _fill(self, place: npt.NDArray[np.uint8], row: int) -> None:
        done, offset = 0, self._start + row * self._row_bytes
        while done < len(place):
            content = os.pread(self._descriptor, len(place) - done, offset + done)
            if not content:
                raise self._opened.damaged(".npz", EOFError(f"{self._array.name} ends before its last row"))
            place[done : done + len(content)] = np.frombuffer(content, dtype=np.uint8)
            done += len(content)


def _refuse_objects(opened: OpenFile, array: _Array) -> None:
    if array.dtype.hasobject:
        raise DataError(
            f"array {array.name!r} of {opened.shown} holds Python objects, and reading them would run their code",
            where=opened.key,
            found=f"dtype {array.dtype}",
            allowed="numbers, text, truth values",
            fix="save it as text or numbers: array.astype(str), or array.astype(float)",
        )
