"""Copies of a model that are no model any more, and baits: files that mark themselves when their code is run."""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

MISSING = "missing"
CHANGED = "flipped bytes"
"""The copy that may be opened all the same: the bytes may be those of a weight."""

sprung: list[str] = []
"""What of the baits was run in this process."""


def spring() -> str:
    """What the baits call."""
    sprung.append("bait")
    return ""


def copy_model(path: Path, target: Path, name: str) -> None:
    """Write one of `COPIES` of a model, file or folder, where nothing stands; `MISSING` writes nothing.

    Raises:
        OSError: A file cannot be copied.
    """
    if name == MISSING:
        return
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copyfile(path, target)
    for file in [target] if target.is_file() else [entry for entry in target.rglob("*") if entry.is_file()]:
        file.write_bytes(COPIES[name](file.read_bytes()))


def _flipped(content: bytes) -> bytes:
    """Other bytes near the beginning, in the middle and near the end."""
    changed = bytearray(content)
    for place in {len(content) // 20, len(content) // 2, len(content) - 1 - len(content) // 20}:
        if 0 <= place < len(changed):
            changed[place] ^= 0xFF
    return bytes(changed)


def _picture(_: bytes) -> bytes:
    """The beginning of a PNG, and bytes behind it."""
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def _pickle(_: bytes) -> bytes:
    """A pickle whose value is what `spring` returns, written without the module that makes them."""
    return b"\x80\x02c" + f"{__name__}\nspring\n".encode() + b")R."


def _checkpoint(content: bytes) -> bytes:
    """The same pickle where `torch.save` puts one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in (("data.pkl", _pickle(content)), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"archive/{name}", part)
    return buffer.getvalue()


def _array(content: bytes) -> bytes:
    """The same pickle as the object in a NumPy file."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + _pickle(content)


def _source(_: bytes) -> bytes:
    """A Python file."""
    return f"from {__name__} import spring\nspring()\n".encode()


COPIES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in half": lambda content: content[: len(content) // 2],
    CHANGED: _flipped,
    "a picture": _picture,
    "a pickle": _pickle,
    "a checkpoint of torch": _checkpoint,
    "a NumPy array of objects": _array,
    "a Python file": _source,
}
"""What becomes of the bytes of a file, by what the copy then is."""
NAMES = (MISSING, *COPIES)
