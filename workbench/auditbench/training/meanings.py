"""Whether weights of a bundle mean the same on other training rows: inputs and classes, compared by what decides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.data.subwords import tokens_digest
from auditbench.errors import TrainingError
from auditbench.models.description import BundleDescription


def inputs_of_bundle(
    description: BundleDescription, fitted: Mapping[str, ModelInput], classes: tuple[str, ...]
) -> dict[str, ModelInput]:
    """The fitted inputs with the means and scales of the bundle that training begins with.

    Raises:
        TrainingError: A vocabulary, categories, features, channels or classes differ, or their order does.
    """
    for what, found, here in _compared(description, fitted, classes):
        if found != here:
            raise TrainingError(
                f"{what} of the bundle differ from those of the training rows, so that its weights mean something else",
                where="train.init_from",
                found=_first_difference(found, here),
                allowed="the same in the same order",
                fix="train on rows and settings that give the same, or name a file with the tensors alone that keep their meaning",
            )
    return {name: _scaled_as(description.inputs[name], item) for name, item in fitted.items()}


def _compared(
    description: BundleDescription, fitted: Mapping[str, ModelInput], classes: tuple[str, ...]
) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
    yield "the inputs", _kinds(description.inputs), _kinds(fitted)
    for name, item in fitted.items():
        there, here = _meanings(description.inputs[name]), _meanings(item)
        for what, meaning in here.items():
            yield f"{what} of the input {name!r}", there[what], meaning
    yield "the classes", description.classes, classes


def _kinds(inputs: Mapping[str, ModelInput]) -> tuple[Any, ...]:
    return tuple(sorted((name, item.modality) for name, item in inputs.items()))


def _meanings(item: ModelInput) -> dict[str, tuple[Any, ...]]:
    if isinstance(item, TableInput):
        features = {"the features": tuple((each.name, each.kind) for each in item.features)}
        return features | {f"the categories of {each.name!r}": each.categories for each in item.features}
    if isinstance(item, TextInput):
        return {
            "the units": (item.unit,),
            "the tokens of the vocabulary": item.vocabulary,
            "the tokenizer": (tokens_digest(item),),
        }
    return {"the channels": (item.channels,) if isinstance(item, ImageInput) else item.channels}


def _scaled_as(there: ModelInput, fitted: ModelInput) -> ModelInput:
    if isinstance(fitted, TableInput):
        return there
    if isinstance(fitted, ImageInput | SeriesInput) and isinstance(there, ImageInput | SeriesInput):
        return replace(fitted, mean=there.mean, scale=there.scale)
    return fitted


def _first_difference(found: tuple[Any, ...], here: tuple[Any, ...]) -> str:
    place = next((i for i, (a, b) in enumerate(zip(found, here, strict=False)) if a != b), min(len(found), len(here)))
    shown = [repr(each[place]) if place < len(each) else "none" for each in (found, here)]
    return f"{shown[0]} in the bundle, {shown[1]} here, in place {place + 1}"[:200]
