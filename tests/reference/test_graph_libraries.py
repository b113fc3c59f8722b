"""Graphs that Keras and transformers networks were exported to: outputs of onnxruntime, gradients of the original."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.data import ModelInput
from auditbench.models.graph_choice import choose_network
from auditbench.models.graph_network import InterpretedGraph
from auditbench.models.graphs import GraphNetwork
from auditbench.models.opening.onnx import open_graph
from tests.exported_graphs import EXPORTERS, Exporter, export
from tests.keras_networks import image, keras, series, table, words

TOKENS, STEPS, WIDTH = 50, 9, 16


class Scores(nn.Module):
    """A transformers network that takes token ids, 0 for padding, or embeddings, and gives scores."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        named = {"inputs_embeds": given} if given.is_floating_point() else {"input_ids": given}
        mask = None if given.is_floating_point() else (given != 0).long()
        scores: torch.Tensor = self.network(**named, attention_mask=mask).logits
        return scores


def tiny_bert() -> Scores:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=TOKENS,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=STEPS,
        num_labels=3,
    )
    return Scores(BertForSequenceClassification(config).eval()).eval()


def chosen(path: Path, inputs: Mapping[str, ModelInput]) -> tuple[InterpretedGraph, GraphNetwork, tuple[str, ...]]:
    graph = open_graph(path)
    box = GraphNetwork(graph, inputs, where=str(path))
    choice = choose_network(graph.content, box.ports, box, inputs, "logit", "cpu")
    assert choice.network is not None, choice.limits
    assert choice.limits == ()
    return choice.network, box, choice.capabilities


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_tiny_bert_gives_what_onnxruntime_gives(exporter: Exporter, tmp_path: Path) -> None:
    network = tiny_bert()
    ids = torch.randint(1, TOKENS, (4, STEPS))
    ids[1, 5:] = 0
    path = export(network, ids[:3], tmp_path / "bert.onnx", exporter)
    found, box, _ = chosen(path, {"text": words(TOKENS, STEPS)})
    with torch.no_grad():
        assert torch.allclose(found(ids), box(ids), atol=1e-5)
        assert torch.allclose(found(ids), network(ids), atol=1e-5)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_gradients_of_tiny_bert_at_its_embeddings_are_those_of_torch(exporter: Exporter, tmp_path: Path) -> None:
    network = tiny_bert()
    vectors = torch.randn(4, STEPS, WIDTH, requires_grad=True)
    path = export(network, vectors[:3].detach(), tmp_path / "bert.onnx", exporter)
    graph = open_graph(path)
    steps = InterpretedGraph(graph.content, box_ports(graph, path))
    slopes = [torch.autograd.grad(model(vectors)[:, 0].sum(), vectors)[0] for model in (steps, network)]
    assert torch.allclose(*slopes, atol=1e-5)
    assert slopes[0].abs().max() > 1e-4


def box_ports(graph: Any, path: Path) -> Any:
    return GraphNetwork(graph, {"vectors": series(STEPS, WIDTH)}, where=str(path)).ports


def keras_network(kind: str) -> tuple[Any, Mapping[str, ModelInput]]:
    layers, inputs = keras().layers, keras().layers.Input
    keras().utils.set_random_seed(1)
    if kind == "mlp":
        stack = [inputs((5,)), layers.Dense(8, "relu"), layers.Dense(3)]
        return keras().Sequential(stack), {"features": table(5)}
    if kind == "cnn":
        stack = [
            *(inputs((12, 10, 2)), layers.Conv2D(4, 3, activation="relu", padding="same"), layers.BatchNormalization()),
            *(layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3)),
        ]
        return keras().Sequential(stack), {"image": image(2, 12, 10)}
    return keras().Sequential([inputs((7, 4)), layers.LSTM(6), layers.Dense(3)]), {"series": series(4, 7)}


@pytest.mark.parametrize("kind", ["mlp", "cnn", "lstm"])
def test_a_keras_export_gives_what_onnxruntime_and_keras_give(kind: str, tmp_path: Path) -> None:
    network, inputs = keras_network(kind)
    (item,) = inputs.values()
    rows = torch.randn(4, *item.shape, requires_grad=True)
    turned = rows if kind == "mlp" else rows.movedim(1, -1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():  # of torch's exporter and of what Keras does with numpy 2
        warnings.simplefilter("ignore")
        expected = network(turned)
        network.export(str(tmp_path / "keras.onnx"), format="onnx", verbose=False)
    found, box, capabilities = chosen(tmp_path / "keras.onnx", inputs)
    assert capabilities[:4] == ("gradients", "hooks", "layers", "black_box")
    assert ("channels_last" in capabilities) == (kind != "mlp")
    outputs = found(rows)
    assert torch.allclose(outputs, expected, atol=1e-5)
    assert torch.allclose(outputs, box(rows), atol=1e-5)
    slopes = [torch.autograd.grad(one[:, 1].sum(), rows, retain_graph=True)[0] for one in (outputs, expected)]
    assert torch.allclose(*slopes, atol=1e-5)
    assert np.abs(slopes[0].numpy()).max() > 1e-4
