"""What a data file holds beside cells of a table: columns of texts and of images, arrays, series, folders of images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from auditbench.cli.data_profile import ColumnProfile, profile_columns, sample_table
from auditbench.cli.guesses import is_text
from auditbench.errors import DataError
from auditbench.paths import is_folder_there

if TYPE_CHECKING:
    import pyarrow

    from auditbench.data.source_files import FileArray, TableFile

LABEL = "label"
"""Column of the labels where a file gives none a name: of .ts files, and of folders."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_IMAGE_WORDS = ("image", "img", "pixel", "picture", "photo")
_SMALLEST_SIDE = 8
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProfile:
    """One input of the model that is no table.

    Attributes:
        column: Column or array that holds it; empty where a file holds nothing else.
        what: Of what it looks like, in words.
        size: Height and width that images are brought to, where they have several.
    """

    name: str
    modality: Literal["image", "text", "series"]
    column: str = ""
    what: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfile:
    """What a file or folder holds.

    Attributes:
        left_out: Arrays that are neither columns nor inputs, and why, in words.
        rows: Some rows of the columns; None of a folder and of a .ts file.
    """

    columns: tuple[ColumnProfile, ...]
    inputs: tuple[InputProfile, ...] = ()
    left_out: tuple[str, ...] = ()
    rows: pyarrow.Table | None = None


def profile_data(path: Path) -> DataProfile:
    """Columns and inputs of a .parquet, .csv, .npz or .ts file, or of a folder of images.

    Raises:
        DataError: It is missing, damaged or of another type, or names a column twice.
        EmptyDataError: It holds no rows.
    """
    if not is_folder_there(path) and path.suffix.lower() not in (".npz", ".ts"):
        rows = sample_table(path)
        columns = profile_columns(rows, shown=str(path))
        return DataProfile(columns=columns, inputs=tuple(_named(_of_columns(columns, path.parent))), rows=rows)
    from auditbench.config import DataTable, InputTable
    from auditbench.data.files import open_table

    table = DataTable(test=str(path), target=LABEL, inputs={"image": InputTable(modality="image")})
    with open_table(path, key="--data", shown=str(path), table=table) as file:
        if file.only is not None:
            return _of_only(file, file.only)
        return _of_arrays(file)


def _of_columns(columns: Iterable[ColumnProfile], folder: Path) -> Iterator[InputProfile]:
    for column in columns:
        if is_text(column):
            what = f"text, {column.words:.0f} words on average"
            yield InputProfile(name=column.name, modality="text", column=column.name, what=what)
        elif column.kind == "category" and (files := _image_files(column, folder)):
            sizes = _sizes(files)
            size = max(sizes, key=lambda each: (sizes[each], each)) if len(sizes) > 1 else None
            yield InputProfile(
                name=column.name, modality="image", column=column.name, what="paths of images", size=size
            )


def _image_files(column: ColumnProfile, folder: Path) -> list[Path]:
    """The images that the most frequent values of a column name; empty unless all of them do."""
    from auditbench.data.image_files import SUFFIXES

    files = [folder / value for value in column.values]
    return files if all(file.suffix.lower() in SUFFIXES and file.is_file() for file in files) else []


def _sizes(files: Iterable[Path]) -> Counter[tuple[int, int]]:
    from auditbench.data.image_files import inspect_image

    return Counter(inspect_image(file, key="--data", shown=str(file)).size for file in files)


def _of_only(file: TableFile, only: FileArray) -> DataProfile:
    names = [name for name in file.names if name != file.own_ids]
    columns = profile_columns(file.read(names, ())) if names else ()
    modality: Literal["image", "series"] = "image" if only.modality == "image" else "series"
    sizes = only.sizes
    size = max(sizes, key=lambda each: (sizes[each], each)) if len(sizes) > 1 else None
    what = f"images, {sizes.total():,} of {len(sizes):,} size{'s' if len(sizes) > 1 else ''}" if sizes else "series"
    return DataProfile(columns=columns, inputs=(InputProfile(name=modality, modality=modality, what=what, size=size),))


def _of_arrays(file: TableFile) -> DataProfile:
    """Those of the most frequent number of rows; what has another one cannot stand beside them."""
    tables, odd = {}, []
    for name in file.names:
        try:
            tables[name] = file.read([name], ())
        except DataError as error:
            odd.append(f"{name!r}, which is no column: {error.problems[0].found}")
    arrays = {name: found for name, array in file.arrays.items() if (found := _array(name, array)) is not None}
    rows = {name: table.num_rows for name, table in tables.items()}
    rows |= {name: _rows(file.arrays[name], found, name) for name, found in arrays.items()}
    common = _common_rows(rows, tables, arrays)
    kept = {name for name, count in rows.items() if count == common}
    odd += [f"{name!r} with {count:,} rows" for name, count in rows.items() if name not in kept]
    odd += [_no_input(name, array) for name, array in file.arrays.items() if name not in arrays]
    columns = [tables[name] for name in file.names if name in kept and name in tables]
    inputs = (found for name, found in arrays.items() if name in kept)
    return DataProfile(
        columns=tuple(profile for column in columns for profile in profile_columns(column)),
        inputs=tuple(_named(inputs)),
        left_out=tuple(odd[:_SHOWN]),
        rows=_side_by_side(columns),
    )


def _side_by_side(columns: Iterable[pyarrow.Table]) -> pyarrow.Table | None:
    whole: pyarrow.Table | None = None
    for column in columns:
        whole = column if whole is None else whole.append_column(column.schema[0], column.column(0))
    return whole


def _common_rows(rows: Mapping[str, int], tables: Mapping[str, Any], arrays: Mapping[str, Any]) -> int:
    """The number of rows that a column and an array share, the largest such; else the most frequent one."""
    shared = {rows[name] for name in tables} & {rows[name] for name in arrays}
    return max(shared) if shared else Counter(rows.values()).most_common(1)[0][0] if rows else 0


def _array(name: str, array: FileArray) -> InputProfile | None:
    """What an array is by its shape and type: images, series, or nothing that a model is given."""
    shape = array.row_shape or ()
    shown = f"({', '.join(map(str, ('rows', *shape)))}), {array.dtype}"
    square = len(shape) == 2 and shape[0] == shape[1] >= _SMALLEST_SIDE
    image = array.dtype == "uint8" or any(word in name.lower() for word in _IMAGE_WORDS) or square
    if len(shape) == 3 or (len(shape) == 2 and image):
        if array.dtype != "uint8" and array.dtype.kind != "f":
            return None
        return InputProfile(name=name, modality="image", column=name, what=f"images: {shown}")
    if len(shape) in (1, 2) and array.dtype.kind in "iuf":
        return InputProfile(name=name, modality="series", column=name, what=f"series: {shown}")
    return None


def _no_input(name: str, array: FileArray) -> str:
    shape = ", ".join(map(str, ("rows", *(array.row_shape or ()))))
    why = "; images can be read once saved as uint8: array.astype(numpy.uint8)" if array.dtype.kind in "iub" else ""
    return f"{name!r}, which is no image and no series: ({shape}), {array.dtype}{why}"


def _rows(array: FileArray, found: InputProfile, name: str) -> int:
    from auditbench.config import InputTable

    return len(array.read(InputTable(modality=found.modality), f"--data: {name}"))


def _named(inputs: Iterable[InputProfile]) -> Iterator[InputProfile]:
    """The inputs under names that a key may have, each once: their own where it is one, else that of the modality."""
    import dataclasses

    taken: set[str] = set()
    for item in inputs:
        own = item.name.lower() if _NAME.fullmatch(item.name.lower()) else item.modality
        name = next(one for one in (own, *(f"{own}{n}" for n in range(2, 10_000))) if one not in taken)
        taken.add(name)
        yield dataclasses.replace(item, name=name)
