"""Estimators of scikit-learn that are a network of the product: linear models and perceptrons, behind a scaler or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditbench.data.inputs import TableInput
from auditbench.models.estimators.network import EstimatorNetwork
from auditbench.models.exporting.matching import Matched

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models.subject import ModelUnderTest

_LINEAR = frozenset({"LinearRegression", "Ridge", "Lasso", "ElasticNet", "LogisticRegression"})
_PERCEPTRONS = frozenset({"MLPClassifier", "MLPRegressor"})
_ACTIVATIONS: Mapping[str, str] = {"relu": "relu", "tanh": "tanh"}
CONVERTIBLE = (
    "LinearRegression, Ridge, Lasso, ElasticNet, LogisticRegression, MLPClassifier and MLPRegressor with relu or tanh"
)


def match_estimator(model: ModelUnderTest) -> Matched | None:
    """The network that an estimator is by what it learned, in float32; None for any other estimator.

    Whether its outputs are those of the estimator is not looked at here: a linear classifier may make its probabilities in
    another way.
    """
    network = next((part for part in model.module.modules() if isinstance(part, EstimatorNetwork)), None)
    ((name, item),) = model.inputs.items()
    if network is None or not isinstance(item, TableInput) or any(one.kind != "number" for one in item.features):
        return None
    estimator, scaler = _parts(network.estimator)
    if estimator is None or not type(estimator).__module__.startswith("sklearn."):
        return None
    kind, count = type(estimator).__name__, len(item.features)
    if kind in _LINEAR:
        weights, architecture, parameters = _of_linear(estimator, count), "linear", {}
    elif kind in _PERCEPTRONS and estimator.activation in _ACTIVATIONS and len(estimator.coefs_) > 1:
        weights, architecture = list(zip(estimator.coefs_, estimator.intercepts_, strict=True)), "mlp"
        hidden = [len(bias) for _, bias in weights[:-1]]
        parameters = {"hidden": hidden, "activation": _ACTIVATIONS[estimator.activation]}
    else:
        return None
    order = list(network.form.order)
    first = np.empty_like(weights[0][0])
    first[order] = weights[0][0]  # rows of the estimator's columns, to those of the data
    weights[0] = (first, weights[0][1])
    weights[-1] = _in_order_of_classes(*weights[-1], list(network.classes))
    return Matched(
        architecture=architecture,
        parameters=parameters,
        tensors=dict(_tensors(weights)),
        inputs={name: _scaled(item, scaler, order)},
        output="value" if model.facts.task == "regression" else "logit",
    )


def _parts(estimator: Any) -> tuple[Any, Any]:
    """The estimator at the end, and the scaler before it or None; neither where another step stands before it."""
    steps = [step for _, step in getattr(estimator, "steps", ((None, estimator),)) if step not in (None, "passthrough")]
    before = steps[:-1]
    if len(before) > 1 or any(type(step).__name__ != "StandardScaler" for step in before):
        return None, None
    return steps[-1], before[0] if before else None


def _of_linear(estimator: Any, count: int) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    weight = np.asarray(estimator.coef_, dtype=np.float64).reshape(-1, count)
    bias = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64).reshape(-1), (len(weight),))
    return [(weight.T, bias)]


def _in_order_of_classes(
    weight: npt.NDArray[Any], bias: npt.NDArray[Any], classes: list[int]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The last layer with its outputs in the order that the data have; one output is that of the second class."""
    if len(bias) == 1:
        sign = -1.0 if classes == [1, 0] else 1.0
        return weight * sign, bias * sign
    return (weight[:, classes], bias[classes]) if classes else (weight, bias)


def _scaled(item: TableInput, scaler: Any, order: list[int]) -> TableInput:
    """The table, brought to the scale of the estimator."""
    mean = getattr(scaler, "mean_", None) if getattr(scaler, "with_mean", False) else None
    scale = getattr(scaler, "scale_", None)
    features = list(item.features)
    for place, index in enumerate(order):
        features[index] = dataclasses.replace(
            features[index],
            mean=0.0 if mean is None else float(mean[place]),
            scale=1.0 if scale is None else float(scale[place]),
        )
    return TableInput(features=tuple(features))


def _tensors(weights: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Iterator[tuple[str, torch.Tensor]]:
    for index, (weight, bias) in enumerate(weights):
        yield f"{2 * index}.weight", torch.tensor(np.ascontiguousarray(weight.T), dtype=torch.float32)
        yield f"{2 * index}.bias", torch.tensor(np.array(bias), dtype=torch.float32)
