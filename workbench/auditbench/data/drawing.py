"""`data.held_out`: which rows of one file are evaluated, and which are to train on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.splitting import groups_of, held_out_by, held_out_groups
from auditbench.errors import DataError
from auditbench.run import HeldOutRows

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import DataTable
    from auditbench.config_training import TrainTable
    from auditbench.data.splitting import Split
    from auditbench.data.table import TablePart

_SEED = 0
"""Which rows are evaluated does not follow the seed of the audit."""
_LEAST = 2
"""Rows that training needs: one to learn from, and one for validation."""


def draw(part: TablePart, table: DataTable, train: TrainTable | None) -> Split:
    """Positions of the rows to train on and of those to evaluate, each in the order of the file.

    Rows are drawn by their number alone, the same whenever there are as many; or as `train.split_by` says: whole groups, or
    the last ones in time. Rows of one `data.cluster` stay together. A file without rows stays so.

    Args:
        table: With a share in `held_out`.

    Raises:
        DataError: Fewer than two rows are left to train on, or rows that belong together cannot stay so.
        TrainingError: The column `train.split_column` has empty cells or no moments.
    """
    share = table.held_out or 0.0
    kept, held = _divided(part, share, table.cluster, train)
    if len(part) and len(kept) < _LEAST:
        raise DataError(
            "too few rows are left to train on",
            where="data.held_out",
            found=f"{len(part):,} row{'' if len(part) == 1 else 's'}, of which the share {share:g} leaves {len(kept):,}",
            allowed=f"at least {_LEAST} rows to train on beside 1 to evaluate",
            fix="set a smaller share, add rows to the file, or name training rows in data.train",
        )
    return kept, held


def held_out_rows(part: TablePart, share: float, sha256: str) -> HeldOutRows:
    """What a bundle says of the rows that were drawn to be evaluated.

    Args:
        sha256: Of their file.
    """
    numbers = part.row_numbers.astype("<i8").tobytes()
    return HeldOutRows(file=sha256, share=share, rows=len(part), digest=hashlib.sha256(numbers).hexdigest())


def _divided(part: TablePart, share: float, cluster: str | None, train: TrainTable | None) -> Split:
    rows = len(part)
    column = None if train is None else train.split_column
    if rows <= _LEAST or (column is None and part.clusters is None):
        order = np.random.default_rng(rows).permutation(rows)
        count = max(1, round(share * rows))
        return np.sort(order[count:]), np.sort(order[:count])
    if train is not None and column is not None and train.split_by == "time":
        sides = held_out_by(part, share, _SEED, split_by="time", column=column)
        _refuse_torn(part, sides, cluster)
        return sides
    return _whole_groups(part, share, column, cluster)


def _whole_groups(part: TablePart, share: float, column: str | None, cluster: str | None) -> Split:
    """Groups of the column and clusters, each whole: those that share a row are held out together."""
    labels = [] if column is None else [groups_of(part, column)]
    if part.clusters is not None:
        alone = part.clusters.min() - np.arange(1, len(part) + 1)
        labels.append(np.where(part.clusters < 0, alone, part.clusters))
    groups = _joined(labels)
    names = " and ".join(repr(name) for name in (column, cluster) if name is not None)
    if groups.max() < 1:
        raise DataError(
            "all rows belong together, so that none can be held out from the others",
            where="data.held_out",
            found=f"1 group of {len(part):,} rows by {names}",
            allowed="at least 2 groups of rows",
            fix="name another column, or training rows of their own in data.train",
        )
    return held_out_groups(groups, share, _SEED, column=names)


def _joined(labels: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """A number from 0 a row, equal where rows are linked by equal labels of any kind, also through other rows.

    Groups are numbered as they come in the file, so that one division has one draw, whatever names it.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = (np.unique(each, return_inverse=True)[1] for each in (labels[0], labels[-1]))
    nodes = int(left.max()) + 1
    size = nodes + int(right.max()) + 1
    links = coo_array((np.ones(len(left)), (left, right + nodes)), shape=(size, size))
    _, found = connected_components(links, directed=False)
    _, first, inverse = np.unique(found[left], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _refuse_torn(part: TablePart, sides: Split, cluster: str | None) -> None:
    """Refuse clusters that reach across the moment that divides the rows."""
    if part.clusters is None:
        return
    kept, held = (np.unique(part.clusters[side]) for side in sides)
    both = np.intersect1d(kept, held)
    both = both[both >= 0]
    if len(both):
        raise DataError(
            f"rows that depend on each other by {cluster!r} lie on both sides of the moment from which rows are held out",
            where="data.held_out",
            found=f"{len(both):,} value{'' if len(both) == 1 else 's'} of {cluster!r} with earlier and later rows",
            allowed="all rows of a cluster before that moment, or all from it on",
            fix=f'set train.split_by = "group" with train.split_column = "{cluster}", or name training rows in data.train',
        )
