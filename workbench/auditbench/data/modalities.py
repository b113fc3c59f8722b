"""Inputs of every modality: how each is fitted on the training rows, and how rows are coded by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from auditbench.data.coding import code_columns
from auditbench.data.evaluation import TABULAR_INPUT
from auditbench.data.fitting import fit_features
from auditbench.data.images import code_images, fit_images
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.data.series import code_series, fit_series
from auditbench.data.stored import StoredArray
from auditbench.data.table import TablePart, TableSource
from auditbench.data.texts import code_texts, fit_texts
from auditbench.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import DataTable

    RawInputs: TypeAlias = Mapping[str, npt.NDArray[Any] | StoredArray]

_FIT: Mapping[str, Callable[..., ModelInput]] = {"image": fit_images, "series": fit_series}


def fit_inputs(source: TableSource) -> dict[str, ModelInput]:
    """What the training rows say about each input; the test rows, when there are no training rows.

    Raises:
        DataError: The rows do not give an input, such as images of several sizes where none is asked for.
    """
    part = source.train if source.train is not None and len(source.train) else source.test
    if not source.table.inputs:
        return {TABULAR_INPUT: TableInput(features=fit_features(source))}
    return {name: _fitted(source, part, name) for name in source.table.inputs}


def code_inputs(part: TablePart, inputs: Mapping[str, ModelInput], table: DataTable) -> RawInputs:
    """Raw rows as `ModelInput` says, by name of the input; images, texts and series stay stored until they are taken.

    Raises:
        ModelError: The data lack an input of the model, or have it as another modality.
        DataError: As `code_columns`; or the rows have another shape than the model takes.
    """
    coded: dict[str, npt.NDArray[Any] | StoredArray] = {}
    for name, item in inputs.items():
        if isinstance(item, TableInput):
            coded[name] = code_columns(part, item.features, table)
            continue
        declared = table.inputs.get(name)
        if declared is None or declared.modality != item.modality:
            raise ModelError(
                f"the model takes {item.modality}s as its input {name!r}, and the data have none",
                where=f"data.inputs.{name}",
                found="nothing" if declared is None else f'modality = "{declared.modality}"',
                allowed=f'modality = "{item.modality}"',
                fix=f"add a [data.inputs.{name}] table that names the column or array",
            )
        coded[name] = _coded(part.inputs[name], item, part.file)
    return coded


def texts_of(part: TablePart, inputs: Mapping[str, ModelInput]) -> dict[str, Any]:
    """The texts behind token ids, by name of the input, still stored."""
    return {name: part.inputs[name] for name, item in inputs.items() if isinstance(item, TextInput)}


def _fitted(source: TableSource, part: TablePart, name: str) -> ModelInput:
    table, where = source.table.inputs[name], f"data.inputs.{name}"
    if table.modality == "tabular":
        return TableInput(features=fit_features(source))
    if table.modality == "text":
        return fit_texts(part.inputs[name], table, where=where, tokens=source.tokens.get(name, ""))
    return _FIT[table.modality](part.inputs[name], table, where=where)


def _coded(raw: StoredArray, item: ImageInput | TextInput | SeriesInput, shown: str) -> StoredArray:
    if isinstance(item, ImageInput):
        return code_images(raw, item, shown=shown)
    if isinstance(item, TextInput):
        return code_texts(raw, item)
    return code_series(raw, item, shown=shown)
