"""Which rows are held out, for validation or to be evaluated: a share of each class, whole groups, or the last in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.data.table import text_of
from auditbench.data.times import times_of
from auditbench.errors import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.table import Column, TablePart

    Split: TypeAlias = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def held_out(labels: npt.NDArray[np.int64] | None, rows: int, share: float, seed: int) -> Split:
    """Positions of the rows to train on and of those held out, each in the order of the data.

    Args:
        labels: Class of each row, shape `(rows,)`: the share of all is held out of the classes by the largest
            remainder; classes of one row stay in training. None for regression.
        share: Between 0 and 1; at least one row is held out and one is kept.

    Raises:
        TrainingError: There are fewer than two rows.
    """
    _check_rows(rows)
    rng = np.random.default_rng([seed, rows])
    groups = [np.arange(rows)] if labels is None else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    drawn = [rng.permutation(group) for group in groups]
    counts = _shared(np.array([len(group) for group in groups]), share, rng)
    validation = np.sort(np.concatenate([group[:count] for group, count in zip(drawn, counts, strict=True)]))
    if not len(validation):  # every class has one row
        validation = rng.choice(np.arange(rows), size=1)
    return _rest(validation, rows), validation


def held_out_by(part: TablePart, share: float, seed: int, *, split_by: str, column: str) -> Split:
    """The same by a column of the rows: `split_by` is `group`, see `held_out_groups`, or `time`, see `held_out_last`.

    Raises:
        TrainingError: A cell of the column is empty, or the column does not divide the rows.
    """
    if split_by == "group":
        return held_out_groups(groups_of(part, column), share, seed, column=column)
    return held_out_last(times_of(_complete(part, column), column), share, column=column)


def groups_of(part: TablePart, column: str) -> npt.NDArray[np.int64]:
    """A number for the group of each row, shape `(rows,)`.

    Raises:
        TrainingError: A cell of the column is empty.
    """
    return text_of(_complete(part, column)).codes


def _complete(part: TablePart, name: str) -> Column:
    column = part.columns[name]
    if column.missing.any():
        raise TrainingError(
            f"the column {name!r} has empty cells, and their rows belong to neither side",
            where="train.split_column",
            found=f"{int(column.missing.sum()):,} of {len(part):,}",
            allowed="a value in each row that is divided",
            fix="fill them, or name another column",
        )
    return column


def _shared(sizes: npt.NDArray[np.intp], share: float, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Rows held out of each class: together the share of the rows of classes of two or more, by largest remainder."""
    quotas = np.where(sizes > 1, share * sizes, 0.0)
    counts = np.minimum(np.floor(quotas).astype(np.intp), np.maximum(sizes - 1, 0))
    total = max(1, round(share * int(sizes[sizes > 1].sum())))
    remainders = np.round(quotas - counts, 9)
    order = np.lexsort((rng.random(len(sizes)), -remainders))
    open_classes = [index for index in order if counts[index] < sizes[index] - 1]
    counts[open_classes[: max(0, total - int(counts.sum()))]] += 1
    return counts


def held_out_groups(groups: npt.NDArray[np.int64], share: float, seed: int, *, column: str) -> Split:
    """The same where the rows of a group stay together: groups are held out in a random order, as many as come nearest to
    the share of the rows.

    Args:
        groups: Of each row, shape `(rows,)`; any number for each group.
        column: That the groups are from, for messages.

    Raises:
        TrainingError: There are fewer than two groups.
    """
    _check_rows(len(groups))
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        raise TrainingError(
            "there is one group alone, which cannot be on both sides",
            where="train.split_column",
            found=f"{len(names)} value in {column!r}",
            allowed=f"at least 2 among the {len(groups):,} rows that are divided",
            fix='name another column, or set train.split_by = "none"',
        )
    order = np.random.default_rng([seed, len(groups)]).permutation(len(names))
    held = np.cumsum(sizes[order])[:-1]
    count = int(np.argmin(np.abs(held - share * len(groups)))) + 1
    validation = np.flatnonzero(np.isin(groups, names[order[:count]]))
    return _rest(validation, len(groups)), validation


def held_out_last(times: npt.NDArray[np.float64], share: float, *, column: str) -> Split:
    """The same where the last rows are held out; rows of one moment stay together, on the side that keeps the share
    nearest.

    Args:
        times: Of each row, shape `(rows,)`, in any unit that grows with time.
        column: That the times are from, for messages.

    Raises:
        TrainingError: All rows are of one moment.
    """
    _check_rows(len(times))
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise TrainingError(
            "all rows are of one moment, so that none is the last",
            where="train.split_column",
            found=f"one value in {column!r}",
            allowed=f"at least 2 different values among the {len(times):,} rows that are divided",
            fix='name another column, or set train.split_by = "none"',
        )
    behind = len(times) - np.cumsum(counts)[:-1]
    first = moments[int(np.argmin(np.abs(behind - share * len(times)))) + 1]
    return np.flatnonzero(times < first), np.flatnonzero(times >= first)


def _rest(validation: npt.NDArray[np.intp], rows: int) -> npt.NDArray[np.intp]:
    return np.setdiff1d(np.arange(rows), validation)


def _check_rows(rows: int) -> None:
    if rows < 2:
        raise TrainingError(
            "there are too few rows to train on",
            where="data.train",
            found=f"{rows} row{'' if rows == 1 else 's'} with a label",
            allowed="at least 2, of which one is held out",
            fix="name a file with more training rows",
        )
