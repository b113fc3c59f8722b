"""One network as a file of Keras, a module of torch and a graph of ONNX: the same predictions, the same explanations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from auditbench.data.inputs import ModelInput
from auditbench.models import Interface, ModelUnderTest, Origin, wrap_network
from auditbench.models.graph_choice import choose_network
from auditbench.models.graphs import GraphNetwork
from auditbench.models.opening.onnx import open_graph
from auditbench.run import Task
from auditbench_captum import integrated_gradients
from auditbench_shap import shapley_values
from tests.exported_graphs import export
from tests.keras_networks import INPUTS, OF_KERAS, made, opened, raw_rows, saved

if TYPE_CHECKING:
    import numpy.typing as npt

pytestmark = pytest.mark.filterwarnings(OF_KERAS)


class TorchMlp(nn.Module):
    """The network `mlp` in torch alone."""

    def __init__(self, weights: list[Any]) -> None:
        super().__init__()
        first, shift, gamma, beta, mean, variance, second, bias, last, end = map(torch.tensor, weights)
        self.body = nn.Sequential(
            linear(first, shift), nn.ReLU(), normed(nn.BatchNorm1d(8, eps=1e-3), gamma, beta, mean, variance),
            linear(second, bias), nn.GELU(), linear(last, end), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.body(rows)
        return outputs


class TorchCnn(nn.Module):
    """The network `cnn` in torch alone, which takes channels first and flattens channels last."""

    def __init__(self, weights: list[Any]) -> None:
        super().__init__()
        kernel, bias, gamma, beta, mean, variance, last, end = map(torch.tensor, weights)
        self.convolution = nn.Conv2d(2, 4, 3)
        self.convolution.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
        self.norm = normed(nn.BatchNorm2d(4, eps=1e-3), gamma, beta, mean, variance)
        self.head = linear(last, end)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = functional.max_pool2d(self.norm(torch.relu(self.convolution(rows))), 2)
        return torch.softmax(self.head(rows.permute(0, 2, 3, 1).flatten(1)), dim=1)


def linear(kernel: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(*kernel.shape)
    layer.load_state_dict({"weight": kernel.T, "bias": bias})
    return layer


def normed(layer: nn.Module, gamma: Any, beta: Any, mean: Any, variance: Any) -> nn.Module:
    state = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
    layer.load_state_dict({**layer.state_dict(), **state})
    return layer


def triplets(name: str, folder: Path) -> tuple[ModelUnderTest, ...]:
    """The same network as a file of Keras, as a module of torch, and as a graph of ONNX that torch exported."""
    inputs = INPUTS[name]
    task: Task = "multiclass-classification" if name == "cnn" else "binary-classification"
    of_keras = opened(saved(made(name), folder / "model.keras"), inputs, task=task, outputs=3, output="probability")
    weights = made(name).get_weights()
    module = (TorchCnn(weights) if name == "cnn" else TorchMlp(weights)).eval().requires_grad_(False)
    of_torch = wrap_network(
        module,
        Interface(task=task, classes=of_keras.facts.classes, output="probability", inputs=inputs),
        Origin(name="torch", format="live", architecture="torch", digest=""),
        device="cpu",
        capabilities=("gradients", "hooks", "layers", "black_box"),
    )
    return of_keras, of_torch, graph_of(module, of_torch, folder / "model.onnx")


def graph_of(module: nn.Module, model: ModelUnderTest, path: Path) -> ModelUnderTest:
    """The graph that torch exports of a module, opened as an audit opens it."""
    inputs = model.inputs
    graph = open_graph(export(module, model.encode(raw_rows(inputs, rows=2)), path, "dynamo"))
    box = GraphNetwork(graph, inputs, where=path.name)
    choice = choose_network(graph.content, box.ports, box, inputs, "probability", "cpu")
    assert choice.network is not None, choice.limits
    facts = model.facts
    return wrap_network(
        choice.network,
        Interface(task=facts.task, classes=facts.classes, output=facts.output, inputs=inputs),
        Origin(name="graph", format="onnx", architecture="graph", digest=""),
        device="cpu",
        capabilities=choice.capabilities,
    )


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_same_network_has_the_same_explanations(name: str, tmp_path: Path) -> None:
    models = triplets(name, tmp_path)
    inputs = INPUTS[name]
    rows, background = raw_rows(inputs, rows=4), raw_rows(inputs, rows=6, seed=1)
    predicted = [model.predict(rows) for model in models]
    for found in predicted[1:]:
        np.testing.assert_allclose(found, predicted[0], atol=1e-6)
    encoded, replaced = models[0].encode(rows), models[0].encode(background)
    integrated = [
        integrated_gradients(model.module, encoded, baseline=replaced.mean(dim=0, keepdim=True), steps=32).values
        for model in models
    ]
    groups = None if name == "mlp" else quarters(inputs)
    shapley = [
        shapley_values(model.module, encoded, replaced, groups=groups, rng=np.random.default_rng(0)).values
        for model in models
    ]
    for expected, *others in (integrated, shapley):
        assert np.abs(expected).max() > 0.001
        for found in others:
            np.testing.assert_allclose(found, expected, atol=1e-4)


def quarters(inputs: Any) -> npt.NDArray[np.int64]:
    """Players of an image: its four quarters, with all channels."""
    item: ModelInput = inputs["image"]
    players = np.zeros(item.shape, np.int64)
    players[:, :, 5:] += 1
    players[:, 6:] += 2
    return players
