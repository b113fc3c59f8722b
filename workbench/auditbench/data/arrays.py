"""Arrays, tensors and data frames as `EvaluationData`, for the Python interface."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.bands import MISSING_GROUP
from auditbench.data.array_inputs import take_arrays
from auditbench.data.evaluation import EvaluationData, Rows
from auditbench.data.inputs import ModelInput, TableInput, features_of
from auditbench.data.table import named_rows
from auditbench.errors import DataError, EmptyDataError
from auditbench.run import DataFacts, FeatureFacts, Task

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from auditbench.data.array_inputs import Features


def from_arrays(
    features: Features,
    y_true: Any,
    *,
    task: Task,
    classes: Sequence[str] = (),
    sensitive_features: Mapping[str, Any] | pd.DataFrame | None = None,
    control_features: Mapping[str, Any] | pd.DataFrame | None = None,
    weights: npt.ArrayLike | None = None,
    background: Features | None = None,
    feature_names: Sequence[str] = (),
    inputs: Mapping[str, ModelInput] | None = None,
    target: str = "target",
    name: str = "arrays",
) -> EvaluationData:
    """Rows that a live model takes as they are: every column is a number, nothing is filled or standardised.

    Args:
        features: A table of shape `(rows, features)`, finite numbers; images `(rows, channels, height, width)`; series
            `(rows, channels, steps)`, NaN where missing; or several of these by name, which the model takes as a mapping.
        y_true: Shape `(rows,)`: labels, class indices, or values.
        classes: By index, the negative class first; the sorted labels when empty.
        sensitive_features: Shape `(rows,)` each, text or few values, by name; missing cells are a group of their own.
        control_features: What groups are compared at equal values of, alike.
        weights: How much each row counts, shape `(rows,)`, finite and at least 0; once each when absent.
        background: Rows to compare with, of the same kind; `features` when absent.
        inputs: What an array is, by name, where its shape does not say it, as of token ids `(rows, length)`; and how it
            is standardised. A single array has the only name here.

    Raises:
        DataError: A column is no number or not finite, sizes differ, or an array is not what `inputs` says.
        EmptyDataError: There are no rows.
    """
    specs, arrays = take_arrays(features, inputs or {}, tuple(feature_names), where="features")
    count = len(next(iter(arrays.values())))
    if not count:
        raise EmptyDataError("there are no rows to evaluate", where="features", found="0 rows", fix="pass rows")
    labels, class_list = _labels(y_true, task, tuple(classes), count)
    groups = _groups("sensitive_features", sensitive_features, count)
    control = _groups("control_features", control_features, count)
    rows = Rows(
        inputs=arrays,
        y_true=labels,
        sensitive_features=groups,
        control_features=control,
        weights=None if weights is None else _weights(weights, count),
        row_ids=tuple(str(row) for row in range(1, count + 1)),
    )
    behind = rows if background is None else _background(background, specs, inputs or {})
    counts = np.bincount(labels, minlength=len(class_list)) if class_list else ()
    facts = DataFacts(
        name=name,
        digests={**{key: _digest(array) for key, array in arrays.items()}, "y_true": _digest(labels)},
        rows=len(rows),
        train_rows=0 if background is None else len(behind),
        target=target,
        positive=class_list[1] if task == "binary-classification" else "",
        outcomes={label: int(number) for label, number in zip(class_list, counts, strict=True)},
        features=tuple(
            FeatureFacts(name=item.name, kind=item.kind, sensitive=item.name in groups) for item in features_of(specs)
        ),
        sensitive=tuple(groups),
        control=tuple(control),
        weights="" if weights is None else "weights",
    )
    return EvaluationData(
        facts=facts,
        task=task,
        classes=class_list,
        inputs=specs,
        background_source="test" if background is None else "train",
        _evaluated=rows,
        _background=behind,
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


def _weights(values: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    weights = np.asarray(values)
    if weights.shape != (rows,) or weights.dtype.kind not in "biuf":
        raise DataError(
            "expected one number a row",
            where="weights",
            found=f"dtype {weights.dtype} of shape {weights.shape}",
            allowed=f"numbers of shape ({rows},)",
        )
    weights = weights.astype(np.float64)
    unfit = ~(np.isfinite(weights) & (weights >= 0))
    if unfit.any() or not weights.any():
        raise DataError(
            "expected weights that are finite and at least 0, and one above 0",
            where="weights",
            found=f"{weights[unfit][0]:g} in {named_rows(unfit, np.arange(1, rows + 1))}" if unfit.any() else "0 alone",
        )
    return weights


def _groups(argument: str, columns: Any, rows: int) -> dict[str, npt.NDArray[np.str_]]:
    groups: dict[str, npt.NDArray[np.str_]] = {}
    for name, column in dict(columns.items() if columns is not None else ()).items():
        values = np.asarray(column, dtype=object)
        if values.shape != (rows,):
            raise DataError(
                "expected one group a row",
                where=f"{argument}[{name!r}]",
                found=f"shape {values.shape}",
                allowed=f"({rows},)",
            )
        texts = [MISSING_GROUP if value is None or value != value else _group_text(value) for value in values.tolist()]
        groups[str(name)] = np.asarray(texts, dtype=np.str_)
    return groups


def _group_text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _background(features: Features, inputs: Mapping[str, ModelInput], declared: Mapping[str, ModelInput]) -> Rows:
    tables = {name: item for name, item in inputs.items() if isinstance(item, TableInput) and name not in declared}
    names = tuple(feature.name for item in tables.values() for feature in item.features)
    given = {name: item for name, item in inputs.items() if name not in tables}
    found, arrays = take_arrays(features, given, names, where="background")
    if found.keys() != inputs.keys():
        raise DataError(
            "expected the inputs of the evaluated rows",
            where="background",
            found=", ".join(repr(name) for name in found),
            allowed=", ".join(repr(name) for name in inputs),
            fix="pass an array for each of them",
        )
    count = len(next(iter(arrays.values())))
    if not count:
        raise EmptyDataError("there are no background rows", where="background", found="0 rows", fix="pass rows")
    return Rows(
        inputs=arrays,
        y_true=np.full(count, np.nan),
        sensitive_features={},
        row_ids=tuple(f"background {row}" for row in range(1, count + 1)),
    )


def _digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
