"""From the `[data]` table to typed columns: which file, which columns, which rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.column_checks import check_names
from auditbench.data.columns import category_column, is_time, kind_of, typed_column, usable
from auditbench.data.computed import add_computed
from auditbench.data.drawing import draw, held_out_rows
from auditbench.data.files import open_table
from auditbench.data.loading import DatasetLoader, DatasetSource
from auditbench.data.reading_inputs import input_columns, nearest, read_inputs, read_tokens, some_names
from auditbench.data.source_files import TableFile
from auditbench.data.stored_outputs import NO_OUTPUTS, OutputColumns
from auditbench.data.table import TablePart, TableSource
from auditbench.errors import DataError

if TYPE_CHECKING:
    from auditbench.config import DataTable
    from auditbench.config_training import TrainTable
    from auditbench.data.features import FeatureKind
    from auditbench.data.splitting import Split
    from auditbench.run import HeldOutRows


def open_source(
    table: DataTable,
    base: Path,
    datasets: Mapping[str, DatasetLoader],
    train: TrainTable | None = None,
    outputs: OutputColumns = NO_OUTPUTS,
) -> TableSource:
    """Read the columns that the config names, and find the images, texts and series that it names beside them.

    Args:
        base: Folder that the paths of `table` are relative to.
        datasets: Loaders by the name that `data.dataset` gives.
        train: What training needs of its rows: columns, no features unless named as such, and which stay together where
            `held_out` draws them.
        outputs: Columns that hold the outputs of models.

    Raises:
        DataError: A file cannot be read, a column is not there or of a type that cannot be used, the training file is the
            file of the evaluated rows, or `held_out` does not divide the rows.
        TrainingError: The column that rows are drawn by has empty cells or no moments.
        EmptyDataError: A file has no bytes.
    """
    place = _place(table, base, datasets)
    tokens = read_tokens(table, base)
    with _checked_files(table, place, _beside(table, place, train), outputs) as (test, other, features):
        parts = _read_parts(table, test, other, (*features, *outputs.named.values()), train, place)
    digests = {file.shown: file.sha256 for file in (test, other) if file is not None}
    table, test_part, train_part = add_computed(table, parts.test, parts.train)
    return TableSource(
        table=table,
        name=place.name,
        feature_names=features,
        test=test_part,
        train=train_part,
        digests={**digests, **parts.images},
        train_digest="" if parts.train is None else _train_digest(other or test, parts),
        held_out=parts.held_out,
        left_out=parts.left_out,
        computed=tuple(name for name in (*table.sensitive, *table.control) if name not in parts.test.columns),
        licence=table.licence or place.licence,
        tokens=tokens,
    )


def check_columns(
    table: DataTable,
    base: Path,
    datasets: Mapping[str, DatasetLoader],
    train: TrainTable | None = None,
    outputs: OutputColumns = NO_OUTPUTS,
) -> bool:
    """Find what is wrong with the files and the columns that the config names, without reading a row.

    Returns:
        Whether training rows are named: a training file, a split column, or a share that is held out.

    Raises:
        DataError: As `open_source`, as far as names tell.
        EmptyDataError: A file has no bytes.
    """
    place = _place(table, base, datasets)
    with _checked_files(table, place, _beside(table, place, train), outputs):
        return _has_training_rows(table, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    name: str
    key: str
    test: Path
    shown_test: str
    train: Path | None
    shown_train: str
    split: str | None
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    test: TablePart
    train: TablePart | None
    left_out: Mapping[str, int]
    images: Mapping[str, str]
    held_out: HeldOutRows | None = None


def _place(table: DataTable, base: Path, datasets: Mapping[str, DatasetLoader]) -> _Place:
    if table.dataset is None:
        test, train = Path(table.test or ""), table.train
        return _Place(
            name=test.name,
            key="data.test",
            test=base / test,
            shown_test=str(table.test),
            train=None if train is None else base / train,
            shown_train=train or "",
            split=table.split,
            licence="",
        )
    loader = datasets.get(table.dataset)
    if loader is None:
        raise DataError(
            f"there is no data set {table.dataset!r}",
            where="data.dataset",
            found=repr(table.dataset),
            allowed=", ".join(sorted(datasets)) or "none is installed",
            fix=nearest(table.dataset, datasets) or "name a file in data.test instead",
        )
    source: DatasetSource = loader.load(table)
    return _Place(
        name=loader.name,
        key="data.dataset",
        test=source.test,
        shown_test=source.test.name,
        train=source.train,
        shown_train="" if source.train is None else source.train.name,
        split=table.split or source.split,
        licence=source.licence,
    )


@contextmanager
def _checked_files(
    table: DataTable, place: _Place, beside: Mapping[str, str], outputs: OutputColumns
) -> Iterator[tuple[TableFile, TableFile | None, tuple[str, ...]]]:
    """The files of test and training rows, open, and the features, with every name found in them."""
    with ExitStack() as stack:
        test = stack.enter_context(open_table(place.test, key=place.key, shown=place.shown_test, table=table))
        train = None
        if place.train is not None:
            train = stack.enter_context(open_table(place.train, key="data.train", shown=place.shown_train, table=table))
            _refuse_one_file(test, train)
        features = check_names(table, test, train, split=place.split, beside=beside, outputs=outputs)
        yield test, train, features


def _refuse_one_file(test: TableFile, train: TableFile) -> None:
    if test.sha256 == train.sha256:
        raise DataError(
            "the training rows are the evaluated rows, so every result would be too good",
            where="data.train",
            found=f"{train.shown} and {test.shown}, with the same bytes",
            allowed="another file",
            fix='name a file with other rows, or one file with a column of "train" and "test" in data.split',
        )


def _has_training_rows(table: DataTable, place: _Place) -> bool:
    return place.train is not None or place.split is not None or table.held_out is not None


def _beside(table: DataTable, place: _Place, train: TrainTable | None) -> Mapping[str, str]:
    """Columns that training needs of its rows, by the key that names them."""
    return train.columns if train is not None and _has_training_rows(table, place) else {}


def _train_digest(file: TableFile, parts: _Parts) -> str:
    """That of the file; with those of the images that its columns name, and that of the rows it is without, if any."""
    own = [digest for name, digest in sorted(parts.images.items()) if name.startswith(f"{file.shown}: ")]
    own += [] if parts.held_out is None else [f"without {parts.held_out.digest}"]
    return hashlib.sha256("".join([file.sha256, *own]).encode()).hexdigest() if own else file.sha256


def _read_parts(
    table: DataTable,
    test: TableFile,
    other: TableFile | None,
    columns: tuple[str, ...],
    train: TrainTable | None,
    place: _Place,
) -> _Parts:
    labels = () if table.continued is not None else (table.target,)
    beside = (*table.sensitive, *table.control, *(() if table.weights is None else (table.weights,)))
    wanted = tuple(dict.fromkeys((*columns, *labels, *(name for name in beside if name in test.names))))
    everything = tuple(dict.fromkeys((*wanted, *_beside(table, place, train).values())))
    key = table.id or test.own_ids
    cells = _read(test, table, everything if other is None else wanted, extra=[place.split, key, table.cluster])
    if other is None:
        kinds = {
            name: _kind(table, name, (cells[name].type,), test.shown, times=name not in wanted) for name in everything
        }
        whole, images = _part(cells, kinds, test, table, key)
        if table.held_out is not None:
            return replace(_drawn(whole, draw(whole, table, train), table.held_out, test.sha256), images=images)
        if not place.split:
            return _Parts(test=whole, train=None, left_out={}, images=images)
        return replace(_split(whole, cells, place, test.shown), images=images)
    known = [name for name in everything if name in other.names]
    others = _read(other, table, known, extra=[])
    types = {name: tuple(part[name].type for part in (others, cells) if name in part) for name in everything}
    kinds = {name: _kind(table, name, types[name], test.shown, times=name not in wanted) for name in everything}
    part, images = _part(cells, {name: kinds[name] for name in wanted}, test, table, key)
    train_part, train_images = _part(others, {name: kinds[name] for name in known}, other, table, None)
    return _Parts(test=part, train=train_part, left_out={}, images={**images, **train_images})


def _read(file: TableFile, table: DataTable, names: Sequence[str], extra: Sequence[str | None]) -> dict[str, Any]:
    """Columns by name; ids, texts and declared categories as the text that stands in the file."""
    inputs = input_columns(table, file)
    columns = list(dict.fromkeys([*names, *inputs, *(name for name in extra if name is not None)]))
    categories = [name for name in columns if table.types.get(name) == "category"]
    texts = [name for name in columns if name not in names and name in (*inputs, table.id, table.cluster)]
    content = file.read(columns, [*categories, *texts])
    return {name: content.column(name) for name in columns}


def _kind(table: DataTable, name: str, types: tuple[Any, ...], shown: str, *, times: bool) -> FeatureKind:
    """What a column holds, as declared or as its types say; `times` whether dates and times may stand as text."""
    declared = table.types.get(name)
    if declared is not None:
        return declared
    if times and types and all(is_time(kind) for kind in types):
        return "category"
    for kind in types:
        if not usable(kind):
            raise DataError(
                f"column {name!r} of {shown} is neither a number nor a category",
                where="data.exclude",
                found=f"type {kind}",
                allowed="numbers, text, dictionaries, truth values",
                fix=f'add {name!r} to data.exclude, or declare data.types.{name} = "category"',
            )
    kinds = {kind_of(kind) for kind in types} - {None}
    if len(kinds) > 1:
        raise DataError(
            f"column {name!r} has another type in the training rows than in the evaluated rows",
            where=f"data.types.{name}",
            found=" and ".join(str(kind) for kind in types),
            allowed="one type in both files",
            fix=f'declare data.types.{name} = "number" or "category"',
        )
    return kinds.pop() or "number" if kinds else "number"


def _part(
    cells: Mapping[str, Any], kinds: Mapping[str, FeatureKind], file: TableFile, table: DataTable, key: str | None
) -> tuple[TablePart, dict[str, str]]:
    """Typed columns and inputs of one file, and the digests of the images that its columns name."""
    columns = {name: typed_column(cells[name], kind, name=name, shown=file.shown) for name, kind in kinds.items()}
    rows = len(next(iter(cells.values()))) if cells else None
    inputs, images = read_inputs(table, file, cells, rows)
    part = TablePart(
        file=file.shown,
        columns=columns,
        row_numbers=np.arange(1, (len(next(iter(inputs.values()))) if rows is None else rows) + 1),
        ids=None if key is None else _ids(cells[key], key, file.shown),
        clusters=_clusters(cells, table, file.shown),
        inputs=inputs,
    )
    return part, images


def _ids(cells: Any, name: str, shown: str) -> Any:
    column = category_column(cells, name, shown)
    texts = np.asarray([*column.names, ""], dtype=object)[column.codes]
    return np.asarray([text or f"row {row}" for row, text in enumerate(texts, start=1)], dtype=object)


def _clusters(cells: Mapping[str, Any], table: DataTable, shown: str) -> Any:
    """A number a row for its cell in the column of clusters, where that was read."""
    name = table.cluster
    return None if name is None or name not in cells else category_column(cells[name], name, shown).codes


def _split(whole: TablePart, cells: Mapping[str, Any], place: _Place, shown: str) -> _Parts:
    name = place.split or ""
    column = category_column(cells[name], name, shown)
    texts = np.asarray([*column.names, ""], dtype=object)[column.codes]
    test, train = np.flatnonzero(texts == "test"), np.flatnonzero(texts == "train")
    if len(texts) and not len(test):
        raise DataError(
            f"no row of {shown} is a test row",
            where="data.split",
            found=f"{name!r} holds {some_names(column.names)}",
            allowed="`test` and `train`",
            fix="name the column that says `test` and `train`",
        )
    others = len(texts) - len(test) - len(train)
    return _Parts(
        test=whole.take(test),
        train=whole.take(train) if len(train) else None,
        left_out={"other_split": others} if others else {},
        images={},
    )


def _drawn(whole: TablePart, sides: Split, share: float, sha256: str) -> _Parts:
    kept, held = sides
    test = whole.take(held)
    return _Parts(
        test=test,
        train=whole.take(kept) if len(kept) else None,
        left_out={},
        images={},
        held_out=held_out_rows(test, share, sha256),
    )
