"""Data that analyzers share and none of them can change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.stored import StoredArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData, Rows


def read_only_data(data: EvaluationData) -> EvaluationData:
    """The same data in arrays of its own that nobody can write to; `take` and `batches` go on giving copies."""
    return data.with_rows(_read_only_rows)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself, from now on read-only."""
    array.setflags(write=False)
    return array


def _read_only_rows(rows: Rows) -> Rows:
    """A copy; what is stored in a file cannot be written to and stays there."""
    rows = rows.subset(np.arange(len(rows)))
    return dataclasses.replace(
        rows,
        inputs=MappingProxyType({name: _read_only_stored(array) for name, array in rows.inputs.items()}),
        texts=MappingProxyType({name: _read_only_stored(array) for name, array in rows.texts.items()}),
        y_true=read_only(rows.y_true),
        clusters=None if rows.clusters is None else read_only(rows.clusters),
        weights=None if rows.weights is None else read_only(rows.weights),
        sensitive_features=_read_only_columns(rows.sensitive_features),
        control_features=_read_only_columns(rows.control_features),
    )


def _read_only_columns(columns: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
    return MappingProxyType({name: read_only(array) for name, array in columns.items()})


def _read_only_stored(array: Any) -> Any:
    return array if isinstance(array, StoredArray) else read_only(array)
