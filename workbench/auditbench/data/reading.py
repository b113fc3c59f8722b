"""From the `[data]` table to typed columns: which file, which columns, which rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.columns import category_column, kind_of, typed_column, usable
from auditbench.data.files import TableFile, open_table
from auditbench.data.loading import DatasetLoader, DatasetSource
from auditbench.data.table import TablePart, TableSource
from auditbench.errors import DataError, Problem

if TYPE_CHECKING:
    from auditbench.config import DataTable
    from auditbench.data.features import FeatureKind


def open_source(table: DataTable, base: Path, datasets: Mapping[str, DatasetLoader]) -> TableSource:
    """Read the columns that the config names.

    Args:
        base: Folder that the paths of `table` are relative to.
        datasets: Loaders by the name that `data.dataset` gives.

    Raises:
        DataError: A file cannot be read, a column is not there or of a type that cannot be used, or the training file
            is the file of the evaluated rows.
        EmptyDataError: A file has no bytes.
    """
    place = _place(table, base, datasets)
    with _checked_files(table, place) as (test, train, features):
        parts = _read_parts(table, test, train, features, place)
    digests = {file.shown: file.sha256 for file in (test, train) if file is not None}
    return TableSource(
        table=table,
        name=place.name,
        feature_names=features,
        test=parts.test,
        train=parts.train,
        digests=digests,
        train_digest="" if parts.train is None else (train or test).sha256,
        left_out=parts.left_out,
        licence=table.licence or place.licence,
    )


def check_columns(table: DataTable, base: Path, datasets: Mapping[str, DatasetLoader]) -> bool:
    """Find what is wrong with the files and the columns that the config names, without reading a row.

    Returns:
        Whether training rows are named: a training file, or a split column.

    Raises:
        DataError: As `open_source`, as far as names tell.
        EmptyDataError: A file has no bytes.
    """
    place = _place(table, base, datasets)
    with _checked_files(table, place) as (_, train, _):
        return train is not None or place.split is not None


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
            fix=_nearest(table.dataset, datasets) or "name a file in data.test instead",
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
def _checked_files(table: DataTable, place: _Place) -> Iterator[tuple[TableFile, TableFile | None, tuple[str, ...]]]:
    """The files of test and training rows, open, and the features, with every name found in them."""
    with ExitStack() as stack:
        test = stack.enter_context(open_table(place.test, key=place.key, shown=place.shown_test))
        train = None
        if place.train is not None:
            train = stack.enter_context(open_table(place.train, key="data.train", shown=place.shown_train))
            _refuse_one_file(test, train)
        features = _feature_names(table, test.names, place.split)
        _check_names(table, test, features, place)
        _check_train(table, train, test, features)
        yield test, train, features


def _feature_names(table: DataTable, names: Sequence[str], split: str | None) -> tuple[str, ...]:
    hidden = {*table.exclude, table.target, split, table.id}
    return tuple(table.features) or tuple(name for name in names if name not in hidden)


def _check_names(table: DataTable, file: TableFile, features: tuple[str, ...], place: _Place) -> None:
    named = [("data.target", table.target), ("data.split", place.split), ("data.id", table.id)]
    named += [("data.features", name) for name in table.features]
    named += [("data.exclude", name) for name in table.exclude]
    named += [("data.sensitive", name) for name in table.sensitive]
    named += [(f"data.types.{name}", name) for name in table.types]
    named += [(f"data.bins.{name}", name) for name in table.bins]
    problems = [_missing_column(key, name, file) for key, name in named if name is not None and name not in file.names]
    if table.target in features:
        problems.append(
            Problem(
                message="the target is among the features, so the model would see the answer",
                where="data.features",
                found=repr(table.target),
                fix="take it out of data.features",
            )
        )
    problems += [
        Problem(
            message="bins make groups of sensitive columns only",
            where=f"data.bins.{name}",
            found=f"{name!r} is not in data.sensitive",
            fix=f"add {name!r} to data.sensitive, or remove its bins",
        )
        for name in table.bins
        if name in file.names and name not in table.sensitive
    ]
    if not features:
        problems.append(
            Problem(
                message="no column is left for the model",
                where="data.features",
                found=f"the columns {_some(file.names)}",
                fix="name at least one feature, or exclude fewer columns",
            )
        )
    if problems:
        raise DataError(f"{file.shown} does not have what the configuration names", problems=tuple(problems))


def _check_train(table: DataTable, file: TableFile | None, test: TableFile, features: tuple[str, ...]) -> None:
    """Both files must have every feature; a column of one alone would be left out of the model without a word."""
    if file is None:
        return
    absent = [name for name in (table.target, *features) if name not in file.names]
    problems = [_missing_column("data.train", name, file) for name in absent]
    if not table.features:
        hidden = {*table.exclude, *table.sensitive, table.target, table.id}
        alone = [name for name in file.names if name not in test.names and name not in hidden]
        problems += [_missing_column("data.test", name, test) for name in alone]
    if problems:
        raise DataError(f"{file.shown} and {test.shown} have other columns", problems=tuple(problems))


def _refuse_one_file(test: TableFile, train: TableFile) -> None:
    if test.sha256 == train.sha256:
        raise DataError(
            "the training rows are the evaluated rows, so every result would be too good",
            where="data.train",
            found=f"{train.shown} and {test.shown}, with the same bytes",
            allowed="another file",
            fix='name a file with other rows, or one file with a column of "train" and "test" in data.split',
        )


def _missing_column(key: str, name: str, file: TableFile) -> Problem:
    return Problem(
        message=f"there is no column {name!r} in {file.shown}",
        where=key,
        found=repr(name),
        allowed=_some(file.names),
        fix=_nearest(name, file.names) or "correct the name, or name another file",
    )


def _read_parts(
    table: DataTable, test: TableFile, train: TableFile | None, features: tuple[str, ...], place: _Place
) -> _Parts:
    wanted = tuple(dict.fromkeys((*features, table.target, *table.sensitive)))
    cells = _read(test, table, wanted, extra=[place.split, table.id])
    if train is None:
        kinds = {name: _kind(table, name, (cells[name].type,), test.shown) for name in wanted}
        whole = _part(cells, kinds, test.shown, table.id)
        return _split(whole, cells, place, test.shown) if place.split else _Parts(test=whole, train=None, left_out={})
    known = [name for name in wanted if name in train.names]
    other = _read(train, table, known, extra=[])
    types = {name: (*((other[name].type,) if name in other else ()), cells[name].type) for name in wanted}
    kinds = {name: _kind(table, name, types[name], test.shown) for name in wanted}
    return _Parts(
        test=_part(cells, kinds, test.shown, table.id),
        train=_part(other, {name: kinds[name] for name in known}, train.shown, None),
        left_out={},
    )


def _read(file: TableFile, table: DataTable, names: Sequence[str], extra: Sequence[str | None]) -> dict[str, Any]:
    """Columns by name; ids and declared categories as the text that stands in the file."""
    columns = list(dict.fromkeys([*names, *(name for name in extra if name is not None)]))
    categories = [name for name in columns if table.types.get(name) == "category"]
    ids = [name for name in columns if name == table.id and name not in names]
    content = file.read(columns, [*categories, *ids])
    return {name: content.column(name) for name in columns}


def _kind(table: DataTable, name: str, types: tuple[Any, ...], shown: str) -> FeatureKind:
    declared = table.types.get(name)
    if declared is not None:
        return declared
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


def _part(cells: Mapping[str, Any], kinds: Mapping[str, FeatureKind], shown: str, key: str | None) -> TablePart:
    columns = {name: typed_column(cells[name], kind, name=name, shown=shown) for name, kind in kinds.items()}
    rows = len(next(iter(cells.values())))
    return TablePart(
        file=shown,
        columns=columns,
        row_numbers=np.arange(1, rows + 1),
        ids=None if key is None else _ids(cells[key], key, shown),
    )


def _ids(cells: Any, name: str, shown: str) -> Any:
    column = category_column(cells, name, shown)
    texts = np.asarray([*column.names, ""], dtype=object)[column.codes]
    return np.asarray([text or f"row {row}" for row, text in enumerate(texts, start=1)], dtype=object)


def _split(whole: TablePart, cells: Mapping[str, Any], place: _Place, shown: str) -> _Parts:
    name = place.split or ""
    column = category_column(cells[name], name, shown)
    texts = np.asarray([*column.names, ""], dtype=object)[column.codes]
    test, train = np.flatnonzero(texts == "test"), np.flatnonzero(texts == "train")
    if len(texts) and not len(test):
        raise DataError(
            f"no row of {shown} is a test row",
            where="data.split",
            found=f"{name!r} holds {_some(column.names)}",
            allowed="`test` and `train`",
            fix="name the column that says `test` and `train`",
        )
    others = len(texts) - len(test) - len(train)
    return _Parts(
        test=whole.take(test),
        train=whole.take(train) if len(train) else None,
        left_out={"other_split": others} if others else {},
    )


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _some(names: Iterable[str], limit: int = 12) -> str:
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(repr(name[:60]) for name in listed[:limit]) + more
