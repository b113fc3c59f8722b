"""Arrays and data frames as `EvaluationData`, for the Python interface."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.coding import MISSING_GROUP
from auditbench.data.evaluation import TABULAR_INPUT, EvaluationData, Rows
from auditbench.data.features import FeatureSpec
from auditbench.data.fitting import LARGEST_NUMBER
from auditbench.data.inputs import TableInput
from auditbench.data.table import named_rows
from auditbench.errors import DataError, EmptyDataError
from auditbench.run import DataFacts, FeatureFacts, Task

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Table = npt.NDArray[Any] | pd.DataFrame


def from_arrays(
    features: Table,
    y_true: Any,
    *,
    task: Task,
    classes: Sequence[str] = (),
    sensitive_features: Mapping[str, Any] | pd.DataFrame | None = None,
    background: Table | None = None,
    feature_names: Sequence[str] = (),
    target: str = "target",
    name: str = "arrays",
) -> EvaluationData:
    """Rows that a live model takes as they are: every column is a number, nothing is filled or standardised.

    Args:
        features: Shape `(rows, features)`, finite numbers.
        y_true: Shape `(rows,)`: labels, class indices, or values.
        classes: By index, the negative class first; the sorted labels when empty.
        sensitive_features: Shape `(rows,)` each, text or few values, by name; missing cells are a group of their own.
        background: Rows to compare with; `features` when absent.

    Raises:
        DataError: A column is no number or not finite, or sizes differ.
        EmptyDataError: There are no rows.
    """
    names, matrix = _matrix(features, tuple(feature_names), where="features")
    if not len(matrix):
        raise EmptyDataError("there are no rows to evaluate", where="features", found="0 rows", fix="pass rows")
    labels, class_list = _labels(y_true, task, tuple(classes), len(matrix))
    groups = _groups(sensitive_features, len(matrix))
    rows = Rows(
        inputs={TABULAR_INPUT: matrix},
        y_true=labels,
        sensitive_features=groups,
        row_ids=tuple(str(row) for row in range(1, len(matrix) + 1)),
    )
    specs = tuple(
        FeatureSpec(name=label, kind="number", start=index, stop=index + 1) for index, label in enumerate(names)
    )
    counts = np.bincount(labels, minlength=len(class_list)) if class_list else ()
    facts = DataFacts(
        name=name,
        digests={"features": _digest(matrix), "y_true": _digest(labels)},
        rows=len(rows),
        train_rows=0 if background is None else len(background),
        target=target,
        positive=class_list[1] if task == "binary-classification" else "",
        outcomes={label: int(count) for label, count in zip(class_list, counts, strict=True)},
        features=tuple(FeatureFacts(name=label, kind="number", sensitive=label in groups) for label in names),
        sensitive=tuple(groups),
    )
    return EvaluationData(
        facts=facts,
        task=task,
        classes=class_list,
        inputs={TABULAR_INPUT: TableInput(features=specs)},
        background_source="test" if background is None else "train",
        _evaluated=rows,
        _background=rows if background is None else _background(background, names),
    )


def _matrix(table: Table, given: tuple[str, ...], *, where: str) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
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


def _labels(y_true: Any, task: Task, classes: tuple[str, ...], rows: int) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    labels = np.asarray(y_true)
    if labels.shape != (rows,):
        raise DataError("expected one label a row", where="y_true", found=f"shape {labels.shape}", allowed=f"({rows},)")
    missing = np.asarray([value is None or value != value for value in labels.tolist()], dtype=bool)
    if missing.any():
        raise DataError(
            "labels are missing",
            where="y_true",
            found=named_rows(missing, np.arange(1, rows + 1)),
            allowed="a label in every row",
            fix="drop these rows",
        )
    if task == "regression":
        if labels.dtype.kind not in "biuf":
            raise DataError("expected numbers", where="y_true", found=f"dtype {labels.dtype}", allowed="numbers")
        return labels.astype(np.float64), ()
    texts = [_label_text(value) for value in labels.tolist()]
    names = classes or _default_classes(texts, task)
    if task == "binary-classification" and len(names) != 2:
        raise DataError(
            "a binary classification has two classes",
            where="classes",
            found=", ".join(repr(name) for name in names[:5]),
            allowed="the negative class, then the positive class",
            fix='pass classes=("no", "yes")',
        )
    indices = {str(index) for index in range(len(names))}
    known = {name: index for index, name in enumerate(names)}
    if set(texts) <= indices and not set(texts) <= set(known):
        return np.asarray([int(text) for text in texts], dtype=np.int64), names
    foreign = np.asarray([text not in known for text in texts], dtype=bool)
    if foreign.any():
        raise DataError(
            "labels that are none of the classes",
            where="y_true",
            found=f"{texts[int(np.flatnonzero(foreign)[0])]!r} in {named_rows(foreign, np.arange(1, rows + 1))}",
            allowed=", ".join(repr(name) for name in names),
            fix="pass every class in `classes`",
        )
    return np.asarray([known[text] for text in texts], dtype=np.int64), names


def _default_classes(texts: list[str], task: Task) -> tuple[str, ...]:
    found = set(texts)
    if found <= {"0", "1"} and task == "binary-classification":
        return "0", "1"
    if task == "multiclass-classification" and all(text.isdecimal() for text in found):
        return tuple(str(index) for index in range(max(int(text) for text in found) + 1))
    return tuple(sorted(found))


def _label_text(value: Any) -> str:
    if isinstance(value, (bool, int)):
        return str(int(value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _groups(columns: Any, rows: int) -> dict[str, npt.NDArray[np.str_]]:
    groups: dict[str, npt.NDArray[np.str_]] = {}
    for name, column in dict(columns.items() if columns is not None else ()).items():
        values = np.asarray(column, dtype=object)
        if values.shape != (rows,):
            raise DataError(
                "expected one group a row",
                where=f"sensitive_features[{name!r}]",
                found=f"shape {values.shape}",
                allowed=f"({rows},)",
            )
        texts = [MISSING_GROUP if value is None or value != value else _group_text(value) for value in values.tolist()]
        groups[str(name)] = np.asarray(texts, dtype=np.str_)
    return groups


def _group_text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _background(table: Table, names: tuple[str, ...]) -> Rows:
    _, matrix = _matrix(table, names, where="background")
    if not len(matrix):
        raise EmptyDataError("there are no background rows", where="background", found="0 rows", fix="pass rows")
    return Rows(
        inputs={TABULAR_INPUT: matrix},
        y_true=np.full(len(matrix), np.nan),
        sensitive_features={},
        row_ids=tuple(f"background {row}" for row in range(1, len(matrix) + 1)),
    )


def _digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
