"""Folders of images: one folder for each class, whose name is the label of the images in it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from auditbench.data.image_files import SUFFIXES, ImageFile, inspect_images, stored_images
from auditbench.data.source_files import FileArray, TableFile
from auditbench.errors import DataError, EmptyDataError

if TYPE_CHECKING:
    from auditbench.config import InputTable
    from auditbench.data.stored import StoredArray

PATH_COLUMN = "path"
"""Column of a folder that holds the path of each image in it, with slashes; the ids of rows where none are named."""
_LITTER = ("Thumbs.db", "desktop.ini")


def is_folder(path: Path) -> bool:
    """As `Path.is_dir`, and False for what cannot be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def open_image_folder(path: Path, *, key: str, shown: str, target: str) -> TableFile:
    """A folder with a folder of images for each class: the column `target` holds the class, `path` the image.

    Folders inside the folder of a class belong to it. Names that begin with a dot are passed over, and in the folder
    itself whatever is no image. Rows stand in the order of their paths.

    Raises:
        DataError: A file of a class is no image, an image is in no class, or a link leads out of the folder; and, when
            rows are read, an image cannot be read.
        EmptyDataError: There is no image.
    """
    paths = sorted(_images_in(path, key, shown), key=lambda item: item.relative_to(path).as_posix())
    if not paths:
        raise EmptyDataError(
            f"{shown} has no image",
            where=key,
            found="a folder without images",
            allowed=f"a folder for each class, with images in it: {', '.join(SUFFIXES)}",
            fix="name the folder that holds the folders of the classes, or a file of rows",
        )
    names = [item.relative_to(path).as_posix() for item in paths]
    found, unreadable = inspect_images(
        {f"{shown}/{name}": item for name, item in zip(names, paths, strict=True)}, key=key
    )
    files = list(found.values())
    shown_names = [name.encode(errors="surrogateescape").decode(errors="backslashreplace") for name in names]
    columns = {PATH_COLUMN: shown_names, target: [name.split("/")[0] for name in shown_names]}

    def read(wanted: Sequence[str], as_text: Collection[str]) -> Any:
        if unreadable is not None:
            raise unreadable
        return pa.table({name: pa.array(columns[name], pa.string()) for name in wanted})

    def read_images(table: InputTable, where: str) -> StoredArray:
        return stored_images(files, table, where=where, key=key)

    return TableFile(
        shown=shown,
        folder=path,
        names=tuple(columns),
        sha256=images_digest([name for name in names if f"{shown}/{name}" in found], files),
        read=read,
        only=FileArray(
            row_shape=None,
            dtype=np.dtype(np.uint8),
            modality="image",
            read=read_images,
            sizes=Counter(file.size for file in files),
        ),
        own_ids=PATH_COLUMN if target != PATH_COLUMN else None,
    )


def images_in_column(
    names: Sequence[str | None], folder: Path, *, column: str, shown: str, where: str
) -> list[ImageFile]:
    """The image files that a column of a table names, relative to the folder of the table.

    Raises:
        DataError: A cell is empty or has a null character, or its path leads out of the folder or to no image.
    """
    shown_names: dict[str, str] = {}
    known: dict[str, Path] = {}
    for row, name in enumerate(names, start=1):
        if not name or "\0" in name:
            raise DataError(
                f"column {column!r} of {shown} has rows without an image",
                where=where,
                found=f"{'a null character' if name else 'an empty cell'} in row {row}",
                allowed="a path in every row",
                fix="fill it, or drop the row",
            )
        if name not in shown_names:
            shown_names[name] = f"{name} in row {row} of {shown}"
            known[shown_names[name]] = folder / name
            _refuse_outside(folder / name, folder, key=where, shown=shown_names[name])
    files, unreadable = inspect_images(known, key=where)
    if unreadable is not None:
        raise unreadable
    return [files[shown_names[name]] for name in names if name]


def images_digest(names: Sequence[str], files: Sequence[ImageFile]) -> str:
    """sha256 over paths and the digest of each file, in the order of the paths."""
    digest = hashlib.sha256()
    for name, sha256 in sorted({name: file.sha256 for name, file in zip(names, files, strict=True)}.items()):
        digest.update(f"{name}\0{sha256}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _images_in(folder: Path, key: str, shown: str) -> list[Path]:
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_raised(key, shown)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (link := Path(place, name)).is_symlink():
                raise _link(f"{shown}/{link.relative_to(folder).as_posix()}", key, "a link to a folder")
        for name in files:
            path = Path(place, name)
            if not name.startswith(".") and name not in _LITTER and _is_row(path, folder, key, shown):
                _refuse_outside(path, folder, key=key, shown=f"{shown}/{path.relative_to(folder).as_posix()}")
                found.append(path)
    return found


def _is_row(path: Path, folder: Path, key: str, shown: str) -> bool:
    image, in_class = path.suffix.lower() in SUFFIXES, path.parent != folder
    if image == in_class:
        return image
    if not image and not in_class:
        return False
    raise DataError(
        f"{shown}/{path.relative_to(folder).as_posix()} {'is no image' if in_class else 'is in no folder of a class'}",
        where=key,
        found=f"the suffix {path.suffix!r}" if in_class else "an image beside the folders of the classes",
        allowed=f"a folder for each class, with images in it: {', '.join(SUFFIXES)}",
        fix="move it out of the folder" if in_class else "move it to the folder of its class",
    )


def _refuse_outside(path: Path, folder: Path, *, key: str, shown: str) -> None:
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise _link(shown, key, "a path that leads out of it")


def _link(shown: str, key: str, found: str) -> DataError:
    return DataError(
        f"{shown} is not inside the folder of the data",
        where=key,
        found=found,
        allowed="files in the folder, or in folders of it",
        fix="copy the images into the folder",
    )


def _raised(key: str, shown: str) -> Any:
    def refuse(error: OSError) -> None:
        raise DataError(
            f"{shown} cannot be read",
            where=key,
            found=f"{error.strerror}: {error.filename}",
            allowed="folders that may be entered",
            fix="correct the rights of the folder",
        ) from error

    return refuse
