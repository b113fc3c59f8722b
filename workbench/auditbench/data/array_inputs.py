"""What arrays of the Python interface are: tables, images, series or token ids, by declaration or by shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.evaluation import TABULAR_INPUT
from auditbench.data.features import FeatureSpec
from auditbench.data.fitting import LARGEST_NUMBER
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.data.table import named_rows
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import torch

    Array = npt.NDArray[Any] | pd.DataFrame | torch.Tensor
    Features = Array | Mapping[str, Array]

_DEFAULT_NAMES = {3: "series", 4: "image"}


def take_arrays(
    features: Features, given: Mapping[str, ModelInput], feature_names: tuple[str, ...], *, where: str
) -> tuple[dict[str, ModelInput], dict[str, npt.NDArray[Any]]]:
    """What each array is, and its rows as `ModelInput` says, by name.

    An array that is not declared is a table, images or series by its number of dimensions, and its numbers stay as they
    are.

    Args:
        given: The arrays that are declared; the only one names a single array.
        where: Name of the argument, for messages.

    Raises:
        DataError: An array is not what is declared, holds no numbers or some that are not finite, or has another number
            of rows than the first.
    """
    arrays = _by_name(features, given, where)
    absent = [name for name in given if name not in arrays]
    if absent or not arrays:
        raise DataError(
            "expected an array for each input",
            where=where,
            found=", ".join(repr(name) for name in arrays) or "none",
            allowed=", ".join(repr(name) for name in given) or "at least one",
            fix=f"pass {absent[0]!r} too" if absent else "pass an array",
        )
    inputs: dict[str, ModelInput] = {}
    rows: dict[str, npt.NDArray[Any]] = {}
    for name, array in arrays.items():
        place = f"{where}[{name!r}]" if isinstance(features, Mapping) else where
        inputs[name], rows[name] = _taken(array, given.get(name), feature_names, place)
    lengths = {name: len(array) for name, array in rows.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "expected as many rows in each array",
            where=where,
            found=", ".join(f"{name!r} has {length:,}" for name, length in lengths.items()),
            allowed="one row of each array for each row of the data",
        )
    return inputs, rows


def _by_name(features: Features, given: Mapping[str, ModelInput], where: str) -> dict[str, Any]:
    if isinstance(features, Mapping):
        return {str(name): _array(array) for name, array in features.items()}
    if len(given) > 1:
        raise DataError(
            "expected several arrays by name",
            where=where,
            found="one array",
            allowed=", ".join(repr(name) for name in given),
            fix="pass a mapping of these names to arrays",
        )
    array = _array(features)
    return {next(iter(given), _DEFAULT_NAMES.get(array.ndim, TABULAR_INPUT)): array}


def _array(value: Any) -> Any:
    """The value as an array, or a data frame as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value if hasattr(value, "columns") else np.asarray(value)


def _taken(
    array: Any, item: ModelInput | None, feature_names: tuple[str, ...], where: str
) -> tuple[ModelInput, npt.NDArray[Any]]:
    if item is None and array.ndim in _DEFAULT_NAMES:
        item = _undeclared(array.shape[1:])
    if item is None:
        names, matrix = _matrix(array, feature_names, where=where)
        specs = (FeatureSpec(name=name, kind="number", start=i, stop=i + 1) for i, name in enumerate(names))
        return TableInput(features=tuple(specs)), matrix
    if isinstance(item, TableInput):
        return item, _declared_table(array, item, where)
    _refuse_shape(array, item, where)
    if isinstance(item, TextInput):
        return item, _token_ids(array, item, where)
    _refuse_kind(array, where)
    if isinstance(item, ImageInput):
        images = array if array.dtype == np.uint8 else _within_float32(array, where, missing=False).astype(np.float32)
        return item, np.ascontiguousarray(images)
    return item, np.ascontiguousarray(_within_float32(array, where, missing=True))


def _undeclared(shape: tuple[int, ...]) -> ModelInput:
    """Images or series whose numbers reach the model as they are."""
    zeros, ones = (0.0,) * shape[0], (1.0,) * shape[0]
    if len(shape) == 3:
        channels, height, width = shape
        return ImageInput(channels=channels, height=height, width=width, largest=1.0, mean=zeros, scale=ones)
    names = tuple(f"channel {index}" for index in range(shape[0]))
    return SeriesInput(channels=names, steps=shape[1], mean=zeros, scale=ones)


def _declared_table(array: Any, item: TableInput, where: str) -> npt.NDArray[np.float64]:
    """Raw rows of a table; numbers may be missing, since the declaration says what fills them."""
    if hasattr(array, "columns"):
        _refuse_text(array, where)
    matrix = np.asarray(array)
    if matrix.shape[1:] != (len(item.features),):
        raise DataError(
            "expected a table with the declared features",
            where=where,
            found=f"shape {matrix.shape}",
            allowed=f"(rows, {len(item.features)})",
        )
    _refuse_kind(matrix, where)
    return np.ascontiguousarray(_within_float32(matrix, where, missing=True))


def _token_ids(array: npt.NDArray[Any], item: TextInput, where: str) -> npt.NDArray[np.int64]:
    if array.dtype.kind not in "iu":
        raise DataError("expected token ids", where=where, found=f"dtype {array.dtype}", allowed="integers")
    wrong = np.asarray(((array < 0) | (array >= item.tokens)).any(axis=1))
    if wrong.any():
        raise DataError(
            "token ids that the vocabulary does not have",
            where=where,
            found=named_rows(wrong, np.arange(1, len(array) + 1)),
            allowed=f"0 (padding) to {item.tokens - 1}",
            fix="declare the whole vocabulary in `inputs`",
        )
    return np.ascontiguousarray(array, dtype=np.int64)


def _refuse_shape(array: npt.NDArray[Any], item: ModelInput, where: str) -> None:
    if array.shape[1:] != item.shape:
        raise DataError(
            f"expected {item.modality} rows of the declared shape",
            where=where,
            found=f"shape {array.shape}",
            allowed=f"(rows, {', '.join(map(str, item.shape))})",
        )


def _refuse_kind(array: npt.NDArray[Any], where: str) -> None:
    if array.dtype.kind not in "biuf":
        raise DataError("expected numbers", where=where, found=f"dtype {array.dtype}", allowed="integers or floats")


def _within_float32(array: npt.NDArray[Any], where: str, *, missing: bool) -> npt.NDArray[np.float64]:
    numbers = array.astype(np.float64)
    fitting = np.abs(numbers) <= LARGEST_NUMBER
    allowed = fitting | np.isnan(numbers) if missing else fitting
    wrong = np.asarray(~allowed.reshape(len(array), math.prod(array.shape[1:])).all(axis=1))
    if wrong.any():
        raise DataError(
            "missing, infinite or too large numbers" if not missing else "infinite or too large numbers",
            where=where,
            found=named_rows(wrong, np.arange(1, len(array) + 1)),
            allowed="finite numbers" if not missing else "finite numbers, or NaN where one is missing",
            fix="fill or drop them, the way the model was trained",
        )
    return numbers


def _matrix(table: Any, given: tuple[str, ...], *, where: str) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    columns = getattr(table, "columns", None)
    if columns is not None:
        _refuse_text(table, where)
    matrix = np.asarray(table)
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise DataError("expected a table", where=where, found=f"shape {matrix.shape}", allowed="(rows, features)")
    if matrix.dtype.kind not in "biuf":
        raise DataError(
            "expected numbers",
            where=where,
            found=f"dtype {matrix.dtype}",
            allowed="integers or floats",
            fix="encode text columns as numbers, the way the model takes them",
        )
    own = tuple(str(column) for column in columns) if columns is not None else ()
    names = given or own or tuple(f"x{index}" for index in range(matrix.shape[1]))
    if len(names) != matrix.shape[1] or len(set(names)) != len(names):
        raise DataError(
            "expected one name a column, each once",
            where="feature_names",
            found=f"{len(names)} names, {len(set(names))} different",
            allowed=f"{matrix.shape[1]} names",
            fix="pass one name a column",
        )
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    _refuse_not_finite(matrix, names, where)
    return names, matrix


def _refuse_text(frame: Any, where: str) -> None:
    text = [str(column) for column, dtype in frame.dtypes.items() if getattr(dtype, "kind", "O") not in "biuf"]
    if text:
        raise DataError(
            "a live model takes numbers, and these columns are none",
            where=where,
            found=", ".join(repr(name) for name in text[:5]),
            allowed="numbers",
            fix="encode them first, for instance with pandas.get_dummies, the way the model was trained",
        )


def _refuse_not_finite(matrix: npt.NDArray[np.float64], names: tuple[str, ...], where: str) -> None:
    wrong = ~(np.abs(matrix) <= LARGEST_NUMBER)
    if wrong.any():
        column = int(np.flatnonzero(wrong.any(axis=0))[0])
        rows = named_rows(wrong[:, column], np.arange(1, len(matrix) + 1))
        raise DataError(
            f"column {names[column]!r} has missing or infinite numbers",
            where=where,
            found=rows,
            allowed="finite numbers",
            fix="fill or drop them, the way the model was trained",
        )
