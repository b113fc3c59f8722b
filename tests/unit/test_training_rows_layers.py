"""The last linear layer of every architecture, and what a gradient by its weights is made of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.data import Rows
from auditbench.models import ModelUnderTest
from auditbench.models.description import OutputScaling
from auditbench.models.network import ScaledOutput
from auditbench.testing import toy_subject
from auditbench_training_rows.last_layer import find_last_linear, last_layer
from auditbench_training_rows.losses import row_losses
from auditbench_training_rows.studied import studied
from tests.small_networks import NETWORKS, OUTPUTS, encoded, made

ROWS = 7
CLASSIFIERS = [name for name in NETWORKS if not name.startswith("decoder")]


class Given(nn.Module):
    """Rows that are encoded already."""

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return inputs["rows"]


def model_of(module: nn.Module, kind: Any = "multiclass") -> ModelUnderTest:
    subject = toy_subject(kind)
    names = subject.model.target_names if kind != "multiclass" else tuple(map(str, range(OUTPUTS)))
    return dataclasses.replace(
        subject.model, module=module.requires_grad_(False), encoder=Given(), target_names=names, batch_rows=4
    )


def rows_of(inputs: torch.Tensor, y_true: Any) -> Rows:
    return Rows(
        inputs={"rows": inputs.numpy()},
        y_true=np.asarray(y_true),
        sensitive_features={},
        row_ids=tuple(map(str, range(len(inputs)))),
    )


def by_autograd(model: ModelUnderTest, rows: Rows, layer: nn.Module) -> list[np.ndarray[Any, Any]]:
    """The gradient of each row's loss by weight and bias, joined, row by row."""
    found = []
    for at in range(len(rows)):
        parameters = list(layer.parameters())
        for parameter in parameters:
            parameter.requires_grad_(True)
        losses = row_losses(
            model.module(torch.from_numpy(rows.inputs["rows"][at : at + 1])),
            torch.from_numpy(rows.y_true[at : at + 1]),
            task=model.facts.task,
            output=model.facts.output,
        )
        slopes = torch.autograd.grad(losses.sum(), parameters)
        layer.requires_grad_(False)
        found.append(
            torch.cat([slope.flatten(1) if slope.ndim == 2 else slope[:, None] for slope in slopes], 1).numpy()
        )
    return found


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_factors_give_the_gradient_of_each_row(name: str) -> None:
    module = made(name)
    model = model_of(module)
    rows = rows_of(encoded(NETWORKS[name][2], ROWS), np.arange(ROWS) % OUTPUTS)
    linear = find_last_linear(model, rows)
    assert linear.reason is None
    found = last_layer(model, linear.name, rows, rows.y_true)  # in two batches
    layer = module.get_submodule(linear.name)
    assert isinstance(layer, nn.Linear)
    assert found.gradients.shape == (ROWS, OUTPUTS)
    assert found.activations.shape == (ROWS, layer.in_features + 1)
    for at, expected in enumerate(by_autograd(model, rows, layer)):
        np.testing.assert_allclose(np.outer(found.gradients[at], found.activations[at]), expected, rtol=1e-4, atol=1e-6)


def test_outputs_in_the_unit_of_the_target_are_part_of_the_gradient() -> None:
    """A regression is computed in other units within: the scale behind the last layer belongs to its slope."""
    module = ScaledOutput(made("mlp-series", outputs=1), OutputScaling(mean=200.0, scale=30.0)).eval()
    model = model_of(module, "regression")
    rows = rows_of(encoded(NETWORKS["mlp-series"][2], ROWS), np.linspace(100.0, 300.0, ROWS))
    linear = find_last_linear(model, rows)
    found = last_layer(model, linear.name, rows, rows.y_true)
    errors = model.predict(rows.inputs)[:, 0] - rows.y_true
    np.testing.assert_allclose(found.gradients[:, 0], 2 * errors * 30.0, rtol=1e-4)


def test_what_follows_the_layer_may_work_in_place() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(39, OUTPUTS), nn.ReLU(inplace=True)).eval()
    model = model_of(module)
    rows = rows_of(encoded(NETWORKS["mlp-series"][2], ROWS), np.arange(ROWS) % OUTPUTS)
    linear = find_last_linear(model, rows)
    found = last_layer(model, linear.name, rows, rows.y_true)
    for at, expected in enumerate(by_autograd(model, rows, module[1])):
        np.testing.assert_allclose(np.outer(found.gradients[at], found.activations[at]), expected, rtol=1e-4, atol=1e-6)


class ByName(nn.Module):
    """Names what it gives to its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(39, OUTPUTS)
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layer(input=encoded.flatten(1))
        return outputs


def test_layer_may_be_called_by_name() -> None:
    model = model_of(ByName())
    rows = rows_of(encoded(NETWORKS["mlp-series"][2], ROWS), np.arange(ROWS) % OUTPUTS)
    linear = find_last_linear(model, rows)
    assert linear.name == "layer"
    found = last_layer(model, linear.name, rows, rows.y_true)
    np.testing.assert_array_equal(found.activations[:, :-1], rows.inputs["rows"].reshape(ROWS, -1))


def test_a_layer_whose_weight_is_normed_is_one() -> None:
    network = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.utils.parametrizations.weight_norm(nn.Linear(4, OUTPUTS)))
    model = model_of(network.double().eval())
    inputs = torch.randn(ROWS, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = rows_of(inputs, np.arange(ROWS) % OUTPUTS)
    assert find_last_linear(model, rows).name == "2"
    found = studied(model, rows, find_last_linear(model, rows), "last")
    np.testing.assert_allclose(found.places, torch.tanh(network[0](inputs)).numpy(), atol=1e-6)


def test_outputs_that_no_gradient_reaches_have_no_influence() -> None:
    class Decided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(5, OUTPUTS)

        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            return (self.linear(encoded) > 0).float()

    rows = rows_of(torch.randn(ROWS, 5), np.zeros(ROWS, dtype=np.int64))
    found = find_last_linear(model_of(Decided().eval()), rows)
    assert (found.name, found.reason.key if found.reason else "") == ("", "training-rows.no_influence.not_used")
