"""Graphs of torch's exporters, interpreted: outputs of onnxruntime, gradients and layers of the original in torch."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import DeepLift, LayerActivation, LayerGradCam, LayerIntegratedGradients
from torch import nn

from auditbench.models.graph_network import InterpretedGraph
from auditbench.models.graph_ports import GraphPorts
from auditbench.models.opening.onnx import OpenedGraph, open_graph
from auditbench_captum import integrated_gradients
from tests.exported_graphs import EXPORTERS, Exporter, Original, export, originals

KINDS = ("mlp", "cnn", "lstm", "gru", "transformer")
LAYERS = {
    ("mlp", "dynamo"): "node_relu",
    ("mlp", "torchscript"): "1_Relu",
    ("cnn", "dynamo"): "node_conv2d_1",
    ("cnn", "torchscript"): "4_Conv",
    ("gru", "dynamo"): "node_linear",
    ("gru", "torchscript"): "head_Gemm",
    ("lstm", "dynamo"): "node_linear",
    ("lstm", "torchscript"): "head_Gemm",
    ("transformer", "dynamo"): "node_linear_8",
    ("transformer", "torchscript"): "head_Gemm",
}
"""The node that computes what the module `Original.layer` does."""


@functools.cache
def networks() -> dict[str, Original]:
    return dict(originals())


@functools.cache
def opened(kind: str, exporter: Exporter) -> OpenedGraph:
    original = networks()[kind]
    with tempfile.TemporaryDirectory() as folder:
        return open_graph(
            export(original.network, torch.randn(3, *original.shape), Path(folder) / "net.onnx", exporter)
        )


def interpreted(kind: str, exporter: Exporter) -> InterpretedGraph:
    graph = opened(kind, exporter)
    return InterpretedGraph(
        graph.content, GraphPorts(by_input={"x": graph.inputs[0]}, one_row=False, channels_last=frozenset())
    )


def rows_of(kind: str, count: int) -> torch.Tensor:
    return torch.randn((count, *networks()[kind].shape), generator=torch.Generator().manual_seed(count))


both = pytest.mark.parametrize("exporter", EXPORTERS)
each = pytest.mark.parametrize("kind", KINDS)


@both
@each
def test_outputs_are_those_of_onnxruntime_and_gradients_those_of_torch(kind: str, exporter: Exporter) -> None:
    network = interpreted(kind, exporter)
    for count in (1, 2, 5):
        rows = rows_of(kind, count).requires_grad_()
        (expected,) = opened(kind, exporter).session.run(None, {"x": rows.detach().numpy()})
        found, original = network(rows), networks()[kind].network(rows)
        assert np.allclose(found.detach().numpy(), expected, atol=1e-5)
        for output in range(3):
            slopes = [
                torch.autograd.grad(one[:, output].sum(), rows, retain_graph=True)[0] for one in (found, original)
            ]
            assert torch.allclose(*slopes, atol=1e-5)
            assert slopes[0].abs().max() > 1e-4


@both
@each
def test_integrated_gradients_are_complete_and_those_of_the_original(kind: str, exporter: Exporter) -> None:
    rows, network = rows_of(kind, 3), interpreted(kind, exporter)
    baseline = rows_of(kind, 9)[8]  # at a row of zeros, normalization has a kink
    found = integrated_gradients(network, rows, baseline=baseline, target=0, steps=64)
    expected = integrated_gradients(networks()[kind].network, rows, baseline=baseline, target=0, steps=64)
    assert np.allclose(found.values, expected.values, atol=1e-5)
    with torch.no_grad():
        difference = (network(rows) - network(baseline[None]))[:, 0].numpy()
    total = np.asarray(found.values).reshape(3, -1).sum(axis=1)
    assert np.allclose(total, difference, atol=1e-2 if kind in ("mlp", "cnn") else 1e-5)


@both
@each
def test_layer_methods_of_captum_agree_at_the_same_layer(kind: str, exporter: Exporter) -> None:
    rows, network = rows_of(kind, 3), interpreted(kind, exporter)
    original = networks()[kind]
    layers = network.get_submodule(LAYERS[kind, exporter]), original.network.get_submodule(original.layer)
    models = network, original.network
    activations = [LayerActivation(*pair).attribute(rows) for pair in zip(models, layers, strict=True)]
    assert torch.allclose(*activations, atol=1e-5)
    shares = [
        LayerIntegratedGradients(*pair).attribute(rows, torch.zeros_like(rows), target=1, n_steps=20)
        for pair in zip(models, layers, strict=True)
    ]
    assert torch.allclose(*shares, atol=1e-5)
    assert shares[0].abs().max() > 1e-4


@both
def test_grad_cam_at_a_convolution_is_that_of_the_original(exporter: Exporter) -> None:
    rows, network, original = rows_of("cnn", 2), interpreted("cnn", exporter), networks()["cnn"].network
    maps = [
        LayerGradCam(model, model.get_submodule(layer)).attribute(rows, target=0)
        for model, layer in ((network, LAYERS["cnn", exporter]), (original, "4"))
    ]
    assert torch.allclose(*maps, atol=1e-5)


@both
def test_deep_lift_has_its_rules_at_the_nodes(exporter: Exporter) -> None:
    rows = rows_of("mlp", 4).requires_grad_()
    found, expected = (
        DeepLift(model).attribute(rows, torch.zeros_like(rows), target=2)
        for model in (interpreted("mlp", exporter), networks()["mlp"].network)
    )
    assert torch.allclose(found, expected, atol=1e-5)


@both
@each
def test_a_hook_at_a_node_sees_and_changes_what_it_gives(kind: str, exporter: Exporter) -> None:
    rows, network = rows_of(kind, 3), interpreted(kind, exporter)
    seen: list[torch.Tensor] = []

    def doubled(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
        seen.append(output)
        return output * 0

    with torch.no_grad():
        before = network(rows)
        handle = network.get_submodule(LAYERS[kind, exporter]).register_forward_hook(doubled)
        changed = network(rows)
        handle.remove()
        after = network(rows)
    assert len(seen) == 1
    assert torch.equal(before, after)
    assert not torch.allclose(before, changed)


@pytest.mark.parametrize("kind", ["mlp", "lstm"])
def test_parameters_have_the_names_of_the_file_and_do_not_learn(kind: str) -> None:
    network = interpreted(kind, "dynamo")
    names = {name.removeprefix("constants.").replace("_", ".") for name, _ in network.named_parameters()}
    if kind == "mlp":
        assert names == {name.replace("_", ".") for name, _ in networks()["mlp"].network.named_parameters()}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


@pytest.mark.gpu
@each
def test_on_a_graphics_card_it_gives_the_same(kind: str) -> None:
    rows = rows_of(kind, 5)
    with torch.no_grad():
        expected = interpreted(kind, "dynamo")(rows)
        found = interpreted(kind, "dynamo").to("cuda")(rows.cuda()).cpu()
    assert torch.allclose(found, expected, atol=1e-4)
