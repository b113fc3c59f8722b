"""The model to compare with, and whether it answers the same question on the same rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.contracts import model_name_problem
from auditbench.data import ImageInput, ModelInput, TableInput, TextInput
from auditbench.errors import AnalyzerNotPossible, ConfigError

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.models import ModelUnderTest


def reference_model(context: AuditContext, name: str) -> ModelUnderTest:
    """The further model of that name, or the only one.

    Raises:
        AnalyzerNotPossible: There is none, or it takes other rows or answers another question.
        ConfigError: There is none of that name, or none is named and there are several.
    """
    models = context.models
    if not models:
        raise AnalyzerNotPossible(
            "there is no model to compare with",
            where="models",
            found="no [models.NAME] table",
            fix="add one with the keys of [model]",
        )
    problem = model_name_problem(name, models, where="analyzers.parity.with_model")
    if problem is not None:
        raise ConfigError(problem.message, problems=(problem,))
    model = models[name] if name else next(iter(models.values()))
    _refuse_other_question(context.model, model)
    return model


def first_difference(audited: Mapping[str, ModelInput], other: Mapping[str, ModelInput]) -> str | None:
    """The first thing in which the raw rows of two models differ, in words; None where both take the same rows.

    Means and scales may differ: each model encodes its rows itself.
    """
    if set(audited) != set(other):
        return f"inputs {', '.join(audited)} and {', '.join(other)}"
    for name, item in audited.items():
        one, another = _raw_form(item), _raw_form(other[name])
        if one != another:
            place = next((key for key in one if one[key] != another.get(key)), "modality")
            return f"{place} of the input {name!r}: {one[place]} and {another.get(place, another['modality'])}"[:300]
    return None


def _refuse_other_question(audited: ModelUnderTest, other: ModelUnderTest) -> None:
    one, another = audited.facts, other.facts
    if one.task != another.task:
        raise AnalyzerNotPossible("the two models have other tasks", found=f"{one.task} and {another.task}")
    if one.classes != another.classes:
        found = f"{', '.join(one.classes)} and {', '.join(another.classes)}"[:300]
        raise AnalyzerNotPossible("the two models have other classes", found=found)
    if other.facts.format == "predictions":
        return  # its outputs are found by the number of the row
    if (difference := first_difference(audited.inputs, other.inputs)) is not None:
        raise AnalyzerNotPossible("the two models take other rows", found=difference)


def _raw_form(item: ModelInput) -> dict[str, Any]:
    """What decides how rows of files become raw arrays."""
    form: dict[str, Any] = {"modality": item.modality}
    if isinstance(item, TableInput):
        return form | {"features": [(one.name, one.kind, one.categories) for one in item.features]}
    if isinstance(item, ImageInput):
        return form | {"shape": item.shape, "full brightness": item.largest}
    if isinstance(item, TextInput):
        return (
            form
            | {"unit": item.unit, "length": item.length, "kept": item.kept, "vocabulary": item.vocabulary}
            | ({"tokenizer": hashlib.sha256(item.tokenizer.encode()).hexdigest()[:16]} if item.tokenizer else {})
        )
    return form | {"channels": item.channels, "steps": item.steps}
