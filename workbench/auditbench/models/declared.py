"""What the config and the training rows say about a model whose file does not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.building import class_names
from auditbench.data.inputs import ImageInput, SeriesInput, TableInput
from auditbench.data.modalities import fit_inputs
from auditbench.data.moments import declared_moments
from auditbench.errors import ModelError
from auditbench.models.bundle import other_task, read_bundle_description
from auditbench.models.formats import EXPORTS
from auditbench.models.trained_rows import refuse_other_rows
from auditbench.models.wrapping import Interface, check_output
from auditbench.paths import is_folder_there

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditbench.data.inputs import ModelInput
    from auditbench.data.table import TableSource
    from auditbench.models.formats import ModelRequest


def interface_of(request: ModelRequest) -> Interface:
    """What the model.json of an export says; of a file alone, what the config and the training rows say.

    Raises:
        DataError: The rows do not give features or classes.
        ModelError: model.json cannot be read or is of another task, the scale is missing or does not fit the task, or the
            model was trained on other rows than `data.held_out` leaves.
    """
    if request.table.format in EXPORTS and is_folder_there(request.path):
        return _described_interface(request)
    return declared_interface(request)


def declared_interface(request: ModelRequest) -> Interface:
    """Features from the training rows, classes as training would name them, and the scale that `model.output` declares.

    Numbers reach the model as they are, unless `model.inputs` is `standardized`: then less the mean and divided by the
    standard deviation of the training rows. An input that declares a `mean` and a `scale` takes these. A missing number
    becomes the median of the training rows either way.

    Raises:
        DataError: The rows do not give features or classes.
        ModelError: The scale is missing or does not fit the task.
    """
    table, source = request.table, request.source
    if table.output is None:
        raise ModelError(
            "what the model gives is not declared",
            where="model.output",
            found="nothing",
            allowed="logit, probability, value",
            fix="say what the model gives; it is never guessed",
        )
    check_output(table.task, table.output, where="model.output")
    fitted = fit_inputs(source)
    return Interface(
        task=table.task,
        classes=class_names(source, fitted, table.task),
        output=table.output,
        inputs={
            name: item if table.inputs == "standardized" or _is_declared(source, name) else _as_it_is(item)
            for name, item in fitted.items()
        },
        threshold=table.threshold,
        target=source.table.target,
        declared=tuple(source.table.classes),
    )


def refuse_other_scaling(inputs: Mapping[str, ModelInput], source: TableSource) -> None:
    """Refuse a `mean` and a `scale` that the config declares, where the model says others itself.

    Raises:
        DataError: They are of another number of channels.
        ModelError: Naming both.
    """
    for name, item in inputs.items():
        table, where = source.table.inputs.get(name), f"data.inputs.{name}"
        if table is None or not isinstance(item, (ImageInput, SeriesInput)):
            continue
        wanted, own = declared_moments(table, item.shape[0], where=where), (item.mean, item.scale)
        if wanted is not None and not np.allclose(wanted, own, rtol=1e-6, atol=0):
            raise ModelError(
                "the model was made with another mean or scale than the config declares",
                where=f"{where}.mean",
                found=_scaling(*wanted),
                allowed=_scaling(*own),
                fix="remove `mean` and `scale`, which the model.json of the model says, or name the model that was made with these",
            )


def _scaling(mean: Sequence[float], scale: Sequence[float]) -> str:
    return f"mean = {[float(f'{one:.6g}') for one in mean]}, scale = {[float(f'{one:.6g}') for one in scale]}"


def _described_interface(request: ModelRequest) -> Interface:
    """The program of an export has the output scaling of its bundle within, so that nothing is left to do with it."""
    table = request.table
    description = read_bundle_description(request.path)
    if description.task != table.task:
        raise other_task(table, description)
    refuse_other_rows(description.training, request.source)
    refuse_other_scaling(description.inputs, request.source)
    return Interface(
        task=description.task,
        classes=description.classes,
        output=description.output,
        inputs=description.inputs,
        threshold=table.threshold,
        target=description.target,
    )


def _is_declared(source: TableSource, name: str) -> bool:
    """Whether the config says itself how this input is brought to the scale of the model."""
    table = source.table.inputs.get(name)
    return table is not None and table.mean is not None


def _as_it_is(item: ModelInput) -> ModelInput:
    """The same input without a mean and a scale; images still run from 0 to 1."""
    if isinstance(item, TableInput):
        return TableInput(features=tuple(dataclasses.replace(one, mean=0.0, scale=1.0) for one in item.features))
    if isinstance(item, (ImageInput, SeriesInput)):
        channels = item.shape[0]
        return dataclasses.replace(item, mean=(0.0,) * channels, scale=(1.0,) * channels)
    return item
