"""Data that analyzers share and none of them can change."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData, Rows


def read_only_data(data: EvaluationData) -> EvaluationData:
    """The same data in arrays of its own that nobody can write to; `take` and `batches` go on giving copies."""
    evaluated = data.take(np.arange(len(data)))
    background = data.background(np.iinfo(np.intp).max, np.random.default_rng(0))
    return dataclasses.replace(data, _evaluated=_read_only_rows(evaluated), _background=_read_only_rows(background))


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself, from now on read-only."""
    array.setflags(write=False)
    return array


def _read_only_rows(rows: Rows) -> Rows:
    return dataclasses.replace(
        rows,
        inputs=MappingProxyType({name: read_only(array) for name, array in rows.inputs.items()}),
        y_true=read_only(rows.y_true),
        sensitive_features=MappingProxyType(
            {name: read_only(array) for name, array in rows.sensitive_features.items()}
        ),
    )
