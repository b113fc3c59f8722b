"""The forms in which groups may be given, as one column of values a feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from auditbench.errors import DataError

_KINDS = "biufUSO"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureColumn:
    """One sensitive feature.

    Attributes:
        values: A numpy array of shape `(rows,)`, or a pandas array where the values are no numpy ones.
    """

    feature: str
    values: Any


def feature_columns(groups: object) -> list[FeatureColumn]:
    """The columns of `groups`.

    Args:
        groups: A `DataFrame`; a mapping from names to columns; an array or tensor of shape `(rows, features)`, or
            `(rows,)` for one feature; a list of values for one feature; a list of columns, not of rows. Features without a name are called `feature_0`, ...

    Raises:
        DataError: Another shape, no feature, or columns of different lengths.
    """
    columns = [FeatureColumn(feature=str(name), values=_values(str(name), part)) for name, part in _named(groups)]
    if not columns:
        raise DataError("expected at least one feature, got none", where="groups")
    lengths = {column.feature: len(column.values) for column in columns}
    if len({len(column.values) for column in columns}) > 1:
        raise DataError(f"expected features of one length, got {lengths}", where="groups")
    return columns


def plain(values: Any) -> Any:
    """A tensor as the numpy array of the same numbers; anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def native(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array in this machine's order of bytes, which pandas needs."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _named(groups: Any) -> list[tuple[object, Any]]:
    groups = plain(groups)
    if isinstance(groups, pd.DataFrame):
        return [(name, groups.iloc[:, index]) for index, name in enumerate(groups.columns)]
    if isinstance(groups, Mapping):
        return list(groups.items())
    if isinstance(groups, pd.Series | pd.Index):
        return [("feature_0" if groups.name is None else groups.name, groups)]
    if isinstance(groups, list | tuple) and groups and all(map(_is_column, groups)):
        columns = list(groups)
    elif isinstance(groups, np.ndarray) and groups.ndim == 2:
        columns = list(groups.T)
    elif isinstance(groups, np.ndarray) and groups.ndim != 1:
        raise DataError(f"expected `groups` of shape (rows, features), got {groups.shape}", where="groups")
    else:
        columns = [groups]
    names = (getattr(column, "name", None) for column in columns)
    return [
        (f"feature_{index}" if name is None else name, column)
        for index, (name, column) in enumerate(zip(names, columns, strict=True))
    ]


def _is_column(part: object) -> bool:
    return not isinstance(part, str | bytes) and hasattr(part, "__len__")


def _values(feature: str, column: Any) -> Any:
    column = plain(column)
    if not isinstance(column, np.ndarray | pd.Series | pd.Index):
        if not _is_column(column):
            raise DataError(
                f"expected one value a row, got {type(column).__name__}", where=f"groups, feature {feature!r}"
            )
        column = pd.Series(column)
    if getattr(column, "ndim", 1) != 1:
        raise DataError(f"expected shape (rows,), got {column.shape}", where=f"groups, feature {feature!r}")
    if isinstance(column.dtype, np.dtype):
        if column.dtype.kind in "mM":
            return pd.Series(column).array
        if column.dtype.kind not in _KINDS:
            raise DataError(
                f"expected text, numbers, booleans, categories or dates, got {column.dtype}",
                where=f"groups, feature {feature!r}",
            )
        return native(np.asarray(column))
    return column.array
