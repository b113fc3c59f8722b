"""What an open data file tells about itself, whatever its format; only regular files are opened."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from auditbench.config import InputTable
    from auditbench.data.stored import StoredArray

SUFFIXES = (".parquet", ".csv", ".npz", ".ts")
"""Of files; a folder of images is the other thing that data can be."""
READABLE = f"{', '.join(SUFFIXES)}, or a folder with a folder of images for each class"
_ALLOWED = f"a readable file: {READABLE}; paths are relative to the configuration file"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileArray:
    """Rows of a file that are no single cells.

    Attributes:
        row_shape: Of one row as it is stored; None where that follows from the rows themselves, as in a folder of images.
        dtype: As stored.
        modality: The only one it can be; empty where its shape decides.
        read: From the table of the input and its key path to the rows, still stored.
        sizes: How many images have each height and width, where their files may differ.
    """

    row_shape: tuple[int, ...] | None
    dtype: np.dtype[Any]
    modality: str = ""
    read: Callable[[InputTable, str], StoredArray]
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """An open data file: its columns are known, its rows are not read yet.

    Attributes:
        shown: The file as the config names it.
        folder: Where paths in its columns start.
        names: Of its columns.
        sha256: Of its bytes; of a folder over the paths in it and the digest of each file.
        read: Reads these columns as an Arrow table; of a CSV file, those in the second argument as the text that stands
            there.
        arrays: What has more than one number a row, by name.
        only: What every input is, whatever its name: the series of a .ts file, the images of a folder.
        own_ids: Column with the ids of rows where the config names none.
    """

    shown: str
    folder: Path
    names: tuple[str, ...]
    sha256: str
    read: Callable[[Sequence[str], Collection[str]], Any]
    arrays: Mapping[str, FileArray] = field(default_factory=dict)
    only: FileArray | None = None
    own_ids: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A regular file that was opened, before anything is known of what it holds.

    Attributes:
        key: Key path in audit.toml, for messages.
        shown: The file as the config names it.
        size: In bytes.
        target: The column that the config names as the label.
    """

    handle: BufferedReader
    key: str
    shown: str
    folder: Path
    sha256: str
    size: int
    target: str

    def table(self, names: Sequence[str], read: Callable[[Sequence[str], Collection[str]], Any]) -> TableFile:
        """What is known of a file of columns alone."""
        return TableFile(shown=self.shown, folder=self.folder, names=tuple(names), sha256=self.sha256, read=read)

    def damaged(self, kind: str, error: Exception) -> DataError:
        """The error for a file that is not what its name says."""
        return DataError(
            f"{self.shown} is not a complete {kind} file",
            where=self.key,
            found=f"{self.size:,} bytes: {first_line(error)}",
            allowed=READABLE,
            fix="copy or write the file again",
        )


def open_regular(path: Path, *, key: str, shown: str, allowed: str = _ALLOWED, fix: str = "") -> BufferedReader:
    """Open a regular file for reading.

    Args:
        allowed: What could stand there, for messages; `fix` the next step, else the data files in the same folder.

    Raises:
        DataError: It is missing, cannot be opened, or is a folder, a pipe or a device.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{shown} cannot be opened",
            where=key,
            found=getattr(error, "strerror", None) or str(error),
            allowed=allowed,
            fix=fix or _nearby(path),
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(
            f"{shown} is not a regular file",
            where=key,
            found="a folder" if path.is_dir() else "a pipe or a device",
            allowed=allowed,
            fix=fix or "name one file",
        )
    return os.fdopen(descriptor, "rb")


def first_line(error: Exception) -> str:
    """The first line of what an error says, shortened; its kind where it says nothing."""
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__


def _nearby(path: Path) -> str:
    files = sorted(item.name for item in path.parent.glob("*") if item.suffix.lower() in SUFFIXES)
    return f"data files in that folder: {', '.join(files[:5])}" if files else f"check the path: {path}"
