"""The parts that toy subjects are made of: a module as a model, raw arrays as rows, rows as evaluation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.data import TABULAR_INPUT, EvaluationData, ModelInput, Rows
from auditbench.data.inputs import input_facts, table_features
from auditbench.models import ModelUnderTest
from auditbench.run import DataFacts, FeatureFacts, ModelFacts, OutputScale, Task
from auditbench.testing.toy_inputs import ToyRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn


def model_of(
    module: nn.Module,
    inputs: Mapping[str, ModelInput],
    *,
    architecture: str = "linear",
    task: Task,
    classes: tuple[str, ...],
    output: OutputScale = "logit",
    threshold: float | None = 0.5,
    gradients: bool = True,
) -> ModelUnderTest:
    """A module, in evaluation mode and with frozen parameters, as the model of an audit.

    Args:
        output: Of a classification; a regression gives values.
        gradients: Whether it offers gradients, hooks and layers; otherwise it is a black box.
    """
    from auditbench.data import make_encoder

    regression, binary = task == "regression", task == "binary-classification"
    facts = ModelFacts(
        name="toy",
        format="python",
        architecture=architecture,
        task=task,
        classes=classes,
        output="value" if regression else output,
        threshold=threshold if binary else None,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        capabilities=("gradients", "hooks", "layers", "black_box") if gradients else ("black_box",),
        digest="0" * 64,
    )
    return ModelUnderTest(
        facts=facts,
        module=module,
        encoder=make_encoder(inputs).eval(),
        inputs=inputs,
        target_names=("target",) if regression else classes[1:] if binary else classes,
    )


def drawn_labels(
    model: ModelUnderTest, raw: Mapping[str, npt.NDArray[Any]], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Labels drawn from the probabilities of a model, or its values with noise of standard deviation 0.5."""
    outputs = model.predict(raw)
    if model.facts.task == "regression":
        return outputs[:, 0] + rng.normal(0.0, 0.5, len(outputs))
    cumulative = model.probabilities(outputs).cumsum(axis=1)[:, :-1]
    labels: npt.NDArray[Any] = (rng.random((len(outputs), 1)) > cumulative).sum(axis=1)
    return labels


def rows_of(
    toy: ToyRows,
    part: slice,
    y_true: npt.NDArray[Any],
    sensitive_features: Mapping[str, npt.NDArray[np.str_]],
    prefix: str,
) -> Rows:
    """Some of the raw rows; their ids are the prefix, a hyphen and their place."""
    labels = y_true[part]
    return Rows(
        inputs={name: array[part] for name, array in toy.raw.items()},
        y_true=labels,
        sensitive_features=sensitive_features,
        row_ids=tuple(f"{prefix}-{index}" for index in range(len(labels))),
        texts={name: texts[part] for name, texts in toy.texts.items()},
    )


def data_of(model: ModelUnderTest, evaluated: Rows, background: Rows) -> EvaluationData:
    """Rows to evaluate and to compare with, described as the loading of a file would."""
    import numpy as np

    classes, sensitive = model.facts.classes, tuple(evaluated.sensitive_features)
    raw = evaluated.inputs.get(TABULAR_INPUT)
    outcomes = {name: int((evaluated.y_true == index).sum()) for index, name in enumerate(classes)}
    features = tuple(
        FeatureFacts(
            name=feature.name,
            kind=feature.kind,
            levels=len(feature.categories) or None,
            missing_test=0 if raw is None else int(np.isnan(raw[:, index]).sum()),
            missing_rule="median" if feature.kind == "number" else "own-category",
            sensitive=feature.name in sensitive,
        )
        for index, feature in enumerate(table_features(model.inputs))
    )
    facts = DataFacts(
        name="toy",
        digests={},
        rows=len(evaluated),
        train_rows=len(background),
        target="target",
        positive=classes[1] if len(classes) == 2 else "",
        outcomes=outcomes,
        features=features,
        inputs=input_facts(model.inputs),
        sensitive=sensitive,
        control=tuple(evaluated.control_features),
        weights="" if evaluated.weights is None else "weight",
    )
    return EvaluationData(
        facts=facts,
        task=model.facts.task,
        classes=classes,
        inputs=model.inputs,
        _evaluated=evaluated,
        _background=background,
    )
