"""A live estimator or function as a black box, for the Python interface: it gets rows of the kind that were passed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.evaluation import TABULAR_INPUT
from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ModelInput, TableInput
from auditbench.errors import DataError, ModelError
from auditbench.models.black_box import BlackBoxNetwork, wrap_black_box
from auditbench.models.callables import function_of_rows
from auditbench.models.description import output_count
from auditbench.models.estimators.columns import in_fitted_order
from auditbench.models.estimators.loading import described, numbers_kept
from auditbench.models.estimators.network import EstimatorNetwork
from auditbench.models.estimators.outputs import outputs_of
from auditbench.models.frames import ColumnForm, TableForm, is_missing
from auditbench.models.raw_rows import missing_kept, raw_encoder
from auditbench.models.wrapping import Interface, Origin, check_output

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData
    from auditbench.models.subject import ModelUnderTest

_TRIED_ROWS = 16
_WHERE = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """A table that was passed, as raw rows.

    Attributes:
        inputs: The table as the only input.
        features: Raw rows, shape `(rows, features)`: numbers with NaN, indices of categories; `background` likewise.
        form: How raw rows become a table as it was passed.
    """

    inputs: dict[str, ModelInput]
    features: npt.NDArray[np.float64]
    background: npt.NDArray[np.float64] | None
    form: TableForm


def is_black_box(model: Any) -> bool:
    """Whether a model that is no module can be evaluated: an estimator, or a function of rows."""
    return (
        callable(model) or callable(getattr(model, "predict", None)) or callable(getattr(model, "predict_proba", None))
    )


def live_table(features: Any, background: Any, names: tuple[str, ...]) -> LiveTable | None:
    """The table that was passed; None for anything else.

    Columns of a DataFrame that are no numbers are categories, whose own values the model gets back.

    Raises:
        DataError: Two columns have one name, or the background has other columns.
    """
    frame = hasattr(features, "columns") and hasattr(features, "dtypes")
    if frame and not features.columns.is_unique:
        raise DataError(
            "expected columns of different names",
            where="features",
            found=f"{features.columns[features.columns.duplicated()][0]!r} twice",
            allowed="each name once",
            fix="rename one of the columns",
        )
    if not frame and (isinstance(features, Mapping) or np.ndim(features) != 2):
        return None
    if not frame:
        matrix = _matrix(features)
        found = names or tuple(f"x{place}" for place in range(matrix.shape[1]))
        behind = None if background is None else _matrix(background)
        specs = tuple(_number(name, place, matrix[:, place]) for place, name in enumerate(found))
        form = TableForm(features=specs, names=found, order=tuple(range(len(found))), frame=False)
        return LiveTable(
            inputs={TABULAR_INPUT: TableInput(features=specs)}, features=matrix, background=behind, form=form
        )
    if background is not None and list(getattr(background, "columns", ())) != list(features.columns):
        raise DataError(
            "expected the columns of the evaluated rows",
            where="background",
            found=", ".join(map(repr, getattr(background, "columns", ())))[:200] or "no columns",
            allowed=", ".join(map(repr, features.columns))[:200],
            fix="pass background[X.columns]",
        )
    return _frame_table(features, background)


def wrap_live(
    model: Any, table: LiveTable | None, data: EvaluationData, interface: Interface, *, name: str, declared: bool
) -> ModelUnderTest:
    """A model under test around an estimator or a function itself; it is not copied.

    An estimator's `predict_proba`, or `predict` for regression, is audited, with the columns of a DataFrame in the order
    that it was fitted on; of anything else that is callable, the call.
    Its digest is of its outputs for the evaluated rows, since nothing else of it is known.

    Args:
        table: The table that was passed, if it was one.
        declared: Whether the classes were named in their order.

    Raises:
        ModelError: It gives other outputs than the task has, has other classes, or depends on other rows.
    """
    check_output(interface.task, interface.output)
    rows = data.take(np.arange(min(_TRIED_ROWS, len(data)))).inputs
    estimator = table is not None and hasattr(model, "predict")
    network = (
        _estimator(model, table, interface, declared=declared)
        if table is not None and estimator
        else _function(model, table, interface)
    )
    lacking = _lacking(table)
    if isinstance(network, EstimatorNetwork):
        ((key, item),) = interface.inputs.items()
        lacking = tuple(numbers_kept(network, item, key, rows[key], lacking)) if isinstance(item, TableInput) else ()
    encoder = raw_encoder(interface.inputs, frozenset(lacking))
    shown = described(model) if estimator else getattr(model, "__qualname__", type(model).__qualname__)
    origin = Origin(
        name=name or shown,
        format="estimator" if estimator else "callable",
        architecture=shown,
        digest="",
    )
    found = wrap_black_box(network, interface, origin, encoder, rows, limits=missing_kept(lacking), where=_WHERE)
    return dataclasses.replace(found, facts=dataclasses.replace(found.facts, digest=_digest(found, data)))


def _estimator(model: Any, table: LiveTable, interface: Interface, *, declared: bool) -> EstimatorNetwork:
    import torch

    if interface.output == "logit":
        raise ModelError(
            "an estimator gives probabilities",
            where="output",
            found="'logit'",
            allowed="probability",
            fix="pass output='probability', or a function that gives logits",
        )
    outputs = outputs_of(
        model,
        None,
        task=interface.task,
        classes=interface.classes,
        numbered=interface.numbered,
        declared=declared,
        threads=torch.get_num_threads(),
        where=_WHERE,
    )
    count = output_count(interface.task, interface.classes)
    form = in_fitted_order(table.form, model, where=_WHERE)
    return EstimatorNetwork(model, form, outputs, count=count, where=_WHERE)


def _function(model: Any, table: LiveTable | None, interface: Interface) -> BlackBoxNetwork:
    function: Callable[[Any], Any] = model if callable(model) else model.predict
    called = function_of_rows(function, interface.inputs)
    if table is not None:
        form = table.form

        def called(rows: Any) -> Any:
            return function(form.table(rows))

    return BlackBoxNetwork(
        called,
        outputs=output_count(interface.task, interface.classes),
        where=_WHERE,
        logits=interface.output == "logit" if interface.task == "binary-classification" else None,
    )


def _frame_table(features: Any, background: Any) -> LiveTable:
    frames = [features] if background is None else [features, background]
    specs: list[FeatureSpec] = []
    forms: dict[str, ColumnForm] = {}
    columns: list[list[npt.NDArray[np.float64]]] = [[] for _ in frames]
    for place, column in enumerate(features.columns):
        name = str(column)
        cells = [frame[column] for frame in frames]
        if getattr(cells[0].dtype, "kind", "O") in "biuf":
            coded = [one.to_numpy(dtype=np.float64, na_value=np.nan) for one in cells]
            specs.append(_number(name, place, np.concatenate(coded)))
        else:
            forms[name], texts = _categories(cells)
            codes = {value: index for index, value in enumerate(forms[name].values)}
            coded = [
                np.asarray(
                    [len(codes) if is_missing(value) else codes[value] for value in one.tolist()], dtype=np.float64
                )
                for one in cells
            ]
            specs.append(FeatureSpec(name=name, kind="category", categories=texts, start=place, stop=place + 1))
        for found, part in zip(columns, coded, strict=True):
            found.append(part)
    matrices = [np.stack(found, axis=1) for found in columns]
    form = TableForm(
        features=tuple(specs),
        names=tuple(features.columns),
        order=tuple(range(len(specs))),
        forms=forms,
    )
    return LiveTable(
        inputs={TABULAR_INPUT: TableInput(features=tuple(specs))},
        features=matrices[0],
        background=None if background is None else matrices[1],
        form=form,
    )


def _categories(cells: list[Any]) -> tuple[ColumnForm, tuple[str, ...]]:
    """Values of a column of categories, in the order of their texts, and these texts."""
    kind = cells[0].dtype
    dictionary = hasattr(kind, "categories")
    every = [value for one in cells for value in one.tolist()]
    found = {value for value in every if not is_missing(value)}
    values = list(kind.categories) if dictionary else sorted(found, key=str)
    values += sorted(found - set(values), key=str)
    form = ColumnForm(
        values=tuple(values),
        dictionary=dictionary,
        missing=next((value for value in every if is_missing(value)), np.nan),
        dtype=kind,
    )
    return form, tuple(map(str, values))


def _number(name: str, place: int, values: npt.NDArray[np.float64]) -> FeatureSpec:
    present = values[~np.isnan(values)]
    fill = float(np.median(present)) if len(present) else 0.0
    return FeatureSpec(name=name, kind="number", start=place, stop=place + 1, fill=fill)


def _matrix(values: Any) -> npt.NDArray[np.float64]:
    array = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DataError(
            "expected numbers",
            where="features",
            found=f"dtype {array.dtype}",
            allowed="numbers, or a DataFrame, whose other columns are categories",
            fix="pass a DataFrame with named columns",
        )
    return array.astype(np.float64)


def _lacking(table: LiveTable | None) -> tuple[str, ...]:
    if table is None:
        return ()
    parts = [table.features, *([] if table.background is None else [table.background])]
    return tuple(
        feature.name
        for place, feature in enumerate(table.form.features)
        if feature.kind == "number" and any(np.isnan(part[:, place]).any() for part in parts)
    )


def _digest(model: ModelUnderTest, data: EvaluationData) -> str:
    facts = model.facts
    digest = hashlib.sha256(f"{facts.architecture} {facts.task} {facts.classes} {facts.output}".encode())
    for rows in data.batches(1024):
        digest.update(model.predict(rows.inputs).tobytes())
    return digest.hexdigest()
