"""Opening data: a file whose format its suffix tells, or a folder of images. Parquet is read here, by column."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from auditbench.data.csv_files import open_csv
from auditbench.data.image_folders import is_folder, open_image_folder
from auditbench.data.npz_files import open_npz
from auditbench.data.source_files import READABLE, OpenFile, TableFile, open_regular
from auditbench.data.ts_files import open_ts
from auditbench.errors import DataError, EmptyDataError

if TYPE_CHECKING:
    from auditbench.config import DataTable

_NO_IMAGES = 'name one file, or for a folder of images add [data.inputs.image] with modality = "image"'
_PARQUET_MAGIC = b"PAR1"


@contextmanager
def open_table(path: Path, *, key: str, shown: str, table: DataTable) -> Iterator[TableFile]:
    """Open a data file, or a folder of images; hashing and reading use one descriptor.

    Args:
        key: Key path in audit.toml, for messages.
        shown: The file as the config names it.
        table: Names the label where a file does not: of .ts files and of folders.

    Raises:
        DataError: It is missing, not a regular file, of no format that can be read, or damaged.
        EmptyDataError: It has no bytes, or no image.
    """
    folder = is_folder(path)
    if folder and table.inputs:
        yield open_image_folder(path, key=key, shown=shown, target=table.target)
        return
    with open_regular(path, key=key, shown=shown, fix=_NO_IMAGES if folder else "") as handle:
        size = os.fstat(handle.fileno()).st_size
        if size == 0:
            raise EmptyDataError(f"{shown} is empty", where=key, found="0 bytes", fix="name a file with rows")
        open_format = _format(path.suffix.lower(), handle.read(len(_PARQUET_MAGIC)), key, shown)
        handle.seek(0)
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        file = open_format(
            OpenFile(
                handle=handle,
                key=key,
                shown=shown,
                folder=path.parent,
                sha256=sha256,
                size=size,
                target=table.target,
            )
        )
        _refuse_duplicates(file.names, key, shown)
        yield file


def _format(suffix: str, head: bytes, key: str, shown: str) -> Callable[[OpenFile], TableFile]:
    formats = {".parquet": _open_parquet, ".csv": open_csv, ".npz": open_npz, ".ts": open_ts}
    if head == _PARQUET_MAGIC:
        return _open_parquet
    if suffix not in formats:
        raise DataError(
            f"{shown} is no data file that can be read",
            where=key,
            found=f"the suffix {suffix!r}",
            allowed=READABLE,
            fix="convert it to one of these",
        )
    return formats[suffix]


def _open_parquet(opened: OpenFile) -> TableFile:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(opened.handle)
        names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise opened.damaged("Parquet", error) from error

    def read(columns: Sequence[str], as_text: Collection[str]) -> Any:
        try:
            return file.read(columns=list(columns))
        except (pa.ArrowException, OSError) as error:
            raise opened.damaged("Parquet", error) from error

    return opened.table(names, read)


def _refuse_duplicates(names: tuple[str, ...], key: str, shown: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{shown} has columns of one name",
            where=key,
            found=", ".join(repr(name) for name in twice[:5]),
            allowed="each name once",
            fix="rename one of them",
        )
