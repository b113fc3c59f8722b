"""Whether files have the columns and inputs that the config names, and which columns are features."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from auditbench.data.computed import computed_names
from auditbench.data.reading_inputs import input_columns, input_problems, nearest, some_names
from auditbench.data.source_files import TableFile
from auditbench.data.stored_outputs import OutputColumns
from auditbench.errors import DataError, Problem

if TYPE_CHECKING:
    from auditbench.config import DataTable


def check_names(
    table: DataTable,
    test: TableFile,
    train: TableFile | None,
    *,
    split: str | None,
    beside: Mapping[str, str],
    outputs: OutputColumns,
) -> tuple[str, ...]:
    """The features, when both files have everything that the config names.

    Args:
        split: Column that says which rows are for training, when one file holds all.
        beside: Columns that training needs of its rows, by the key that names them.
        outputs: Columns that hold the outputs of models.

    Raises:
        DataError: With every name that is not found, as far as one file goes.
    """
    unseen = {*beside.values(), *outputs.named.values()}
    features = _feature_names(table, test, {split, *unseen})
    _check_test(table, test, features, split, outputs)
    _check_beside(beside, train or test)
    _check_train(table, train, test, features, unseen)
    return features


def _feature_names(table: DataTable, file: TableFile, others: Collection[str | None]) -> tuple[str, ...]:
    if not _has_table(table):
        return ()
    beside = {table.target, table.id, table.cluster, table.weights, file.own_ids, *table.control, *others}
    hidden = {*table.exclude, *beside, *input_columns(table, file)}
    return tuple(table.features) or tuple(name for name in file.names if name not in hidden)


def _has_table(table: DataTable) -> bool:
    return not table.inputs or any(item.modality == "tabular" for item in table.inputs.values())


def _check_test(
    table: DataTable, file: TableFile, features: tuple[str, ...], split: str | None, outputs: OutputColumns
) -> None:
    named = [("data.target", table.target), ("data.split", split), ("data.id", table.id)]
    named += [("data.cluster", table.cluster), ("data.weights", table.weights)]
    named += [("data.features", name) for name in table.features]
    named += [("data.exclude", name) for name in table.exclude]
    named += [(f"data.types.{name}", name) for name in table.types]
    named += outputs.named.items()
    problems = [_missing_column(key, name, file) for key, name in named if name is not None and name not in file.names]
    problems += _group_problems(table, file)
    problems += input_problems(table, file)
    if table.target in features:
        problems.append(
            Problem(
                message="the target is among the features, so the model would see the answer",
                where="data.features",
                found=repr(table.target),
                fix="take it out of data.features",
            )
        )
    if table.features and not _has_table(table):
        problems.append(
            Problem(
                message="features are columns of a table, and no input is one",
                where="data.features",
                found=some_names(table.features),
                fix='add [data.inputs.table] with modality = "tabular", or remove data.features',
            )
        )
    problems += [_output_is_label(key) for key, name in outputs.named.items() if name == table.target]
    if not features and _has_table(table) and not outputs.instead_of_model:
        problems.append(_no_feature(file))
    if problems:
        raise DataError(f"{file.shown} does not have what the configuration names", problems=tuple(problems))


def _group_problems(table: DataTable, file: TableFile) -> list[Problem]:
    """Sensitive and control features, and bins, that are neither a column nor follow from one input."""
    computed = computed_names(table)
    named = [("data.sensitive", name) for name in table.sensitive]
    named += [("data.control", name) for name in table.control]
    named += [(f"data.bins.{name}", name) for name in table.bins]
    problems = []
    for key, name in named:
        if name not in file.names and name not in computed:
            problems.append(_missing_column(key, name, file, computed))
        elif name not in file.names and len(computed[name]) > 1:
            exact = [f"{source}.{name}" for source in computed[name]]
            problems.append(
                Problem(
                    message=f"{name!r} could come from several inputs",
                    where=key,
                    found=repr(name),
                    allowed=some_names(exact),
                    fix=f"write {exact[0]!r}",
                )
            )
        elif key.startswith("data.bins") and name not in (*table.sensitive, *table.control):
            problems.append(
                Problem(
                    message="bins make groups of sensitive and control columns only",
                    where=key,
                    found=f"{name!r} is not in data.sensitive",
                    fix=f"add {name!r} to data.sensitive or data.control, or remove its bins",
                )
            )
    return problems


def _output_is_label(key: str) -> Problem:
    return Problem(
        message="the outputs would be the labels themselves, so every result would be perfect",
        where=key,
        found="the column of data.target",
        allowed="a column of what a model gave",
        fix="correct the name",
    )


def _no_feature(file: TableFile) -> Problem:
    held = file.only.modality if file.only is not None else ""
    arrays = f"; arrays that are no columns: {some_names(file.arrays)}" if file.arrays else ""
    return Problem(
        message="no column is left for the model",
        where="data.features",
        found=f"the columns {some_names(file.names)}{arrays}",
        fix=f'add [data.inputs.{held}] with modality = "{held}"'
        if held
        else "add a [data.inputs.NAME] table that says what such an array is"
        if arrays
        else "name at least one feature, or exclude fewer columns",
    )


def _check_beside(beside: Mapping[str, str], file: TableFile) -> None:
    problems = [_missing_column(key, name, file) for key, name in beside.items() if name not in file.names]
    if problems:
        raise DataError(f"{file.shown} does not have what training needs", problems=tuple(problems))


def _check_train(
    table: DataTable,
    file: TableFile | None,
    test: TableFile,
    features: tuple[str, ...],
    unseen: Collection[str],
) -> None:
    """Both files must have every feature; a column of one alone would be left out of the model without a word."""
    if file is None:
        return
    absent = [name for name in (table.target, *features) if name not in file.names]
    problems = [_missing_column("data.train", name, file) for name in absent]
    problems += input_problems(table, file)
    if not table.features and _has_table(table):
        beside = {*table.sensitive, *table.control, *unseen, table.target, table.id, table.weights}
        hidden = {*table.exclude, *beside, *input_columns(table, file)}
        alone = [name for name in file.names if name not in test.names and name not in hidden]
        problems += [_missing_column("data.test", name, test) for name in alone]
    if problems:
        raise DataError(f"{file.shown} and {test.shown} have other columns", problems=tuple(problems))


def _missing_column(key: str, name: str, file: TableFile, computed: Iterable[str] = ()) -> Problem:
    names = (*file.names, *computed)
    return Problem(
        message=f"there is no column {name!r} in {file.shown}"
        + (", and no input has such an attribute" if computed else ""),
        where=key,
        found=repr(name),
        allowed=some_names(names),
        fix=nearest(name, names) or "correct the name, or name another file",
    )
