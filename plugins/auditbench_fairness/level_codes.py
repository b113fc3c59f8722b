"""Values of any kind as small whole numbers, in the order in which they first occur."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import compute

from auditbench_fairness.groups import Level

FEW_TEXTS = 1 << 10
"""Known texts up to which each text is looked up among them; beyond that it costs more than numbering anew."""


def level_codes(
    take: Callable[[slice], Any], rows: int, block: int
) -> tuple[npt.NDArray[np.unsignedinteger[Any]], tuple[Level, ...]]:
    """Number the values of a column; missing ones share the value `None`.

    One block is looked up at a time, so memory is one small number a row besides the values that differ.

    Args:
        take: Values of some rows, a numpy or pandas array.
        block: Rows at a time.

    Returns:
        Codes of shape `(rows,)` in the smallest type that holds them, and the value of each code.

    Raises:
        TypeError: Values that have no hash, such as lists.
    """
    known: dict[Level, int] = {}
    codes = np.empty(rows, dtype=np.uint8)
    for start in range(0, rows, block):
        values = take(slice(start, start + block))
        found = _coded(values, known)
        wide = np.min_scalar_type(len(known) - 1)
        if wide.itemsize > codes.itemsize:
            codes = codes.astype(wide)
        codes[start : start + block] = found
    return codes, tuple(known)


def _coded(values: Any, known: dict[Level, int]) -> npt.NDArray[np.integer[Any]]:
    """Codes of some rows; `known` grows by values that are new."""
    if isinstance(values, pd.arrays.ArrowStringArray) and len(known) <= FEW_TEXTS:
        return _arrow_texts(pa.array(values), known)
    if isinstance(values, np.ndarray) and values.dtype.kind == "U" and values.dtype.itemsize:
        return _fixed_texts(values, known)
    return _values(values, known)


def _values(values: Any, known: dict[Level, int]) -> npt.NDArray[np.int64]:
    numbers, different = pd.factorize(values)
    lookup = [known.setdefault(value, len(known)) for value in different.tolist()]
    if numbers.min() < 0:
        lookup.append(known.setdefault(None, len(known)))  # stands at -1
    return np.array(lookup, dtype=np.int64)[numbers]


def _fixed_texts(values: npt.NDArray[np.str_], known: dict[Level, int]) -> npt.NDArray[np.int64]:
    """Codes of texts of a fixed width: numbered by a sum of their bytes with random weights, then compared."""
    texts = np.ascontiguousarray(values)
    words: npt.NDArray[Any] = texts.view(np.uint32 if texts.dtype.itemsize % 8 else np.uint64).reshape(len(texts), -1)
    weights = np.random.default_rng(0).integers(1 << 63, dtype=np.uint64, size=words.shape[1])
    numbers, _ = pd.factorize(words @ (2 * weights + 1))
    first = np.empty(numbers.max() + 1, dtype=np.int64)
    first[numbers[::-1]] = np.arange(len(texts))[::-1]
    if not np.array_equal(words[first][numbers], words):  # two texts of one sum
        return _values(values, known)
    lookup = [known.setdefault(value, len(known)) for value in texts[first].tolist()]
    return np.array(lookup, dtype=np.int64)[numbers]


def _arrow_texts(values: pa.Array | pa.ChunkedArray, known: dict[Level, int]) -> npt.NDArray[np.int32]:
    """Codes of texts that Arrow holds, which are never made into Python's."""
    found = compute.index_in(values, value_set=pa.array(list(known), type=values.type))
    if found.null_count:
        for value in compute.unique(values).to_pylist():
            known.setdefault(value, len(known))
        found = compute.index_in(values, value_set=pa.array(list(known), type=values.type))
    return np.asarray(found)
