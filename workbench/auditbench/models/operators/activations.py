"""Activations. Those that torch has a layer for are that layer, since DeepLIFT has its rules by layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Built, Versions


class _Flattened(nn.Module):
    """A function over the last axis of a matrix, of a tensor that is flattened to one from an axis on."""

    def __init__(self, axis: int, layer: nn.Module) -> None:
        super().__init__()
        self._axis, self.layer = axis, layer

    def forward(self, values: Tensor) -> Tensor:
        """Shape as given."""
        axis = self._axis % values.dim() if values.dim() else 0
        flat = values.reshape(values.shape[:axis].numel(), -1)
        found: Tensor = self.layer(flat)
        return found.reshape(values.shape)


class _Hardmax(nn.Module):
    """1 at the first of the largest, and 0 elsewhere."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self._axis = axis

    def forward(self, values: Tensor) -> Tensor:
        """Shape as given."""
        largest = values.argmax(dim=self._axis, keepdim=True)
        return torch.zeros_like(values).scatter(self._axis, largest, 1)


def _over_an_axis(layer: type[nn.Module]) -> Versions:
    """Before version 13 over all axes from one on, the second by default; since then over one, the last by default."""
    return {
        1: Built(module=lambda node: _Flattened(node.attributes.get("axis", 1), layer(-1))),
        13: Built(module=lambda node: layer(node.attributes.get("axis", -1))),
    }


def _celu(node: GraphNode, values: Tensor) -> Tensor:
    return F.celu(values, node.attributes.get("alpha", 1.0))


def _gelu(node: GraphNode, values: Tensor) -> Tensor:
    return F.gelu(values, approximate=node.attributes.get("approximate", "none"))


def _hard_sigmoid(node: GraphNode, values: Tensor) -> Tensor:
    slope, offset = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    return torch.clamp(values * slope + offset, 0, 1)


def _hard_swish(_: GraphNode, values: Tensor) -> Tensor:
    return values * torch.clamp(values / 6 + 0.5, 0, 1)


def _mish(_: GraphNode, values: Tensor) -> Tensor:
    return F.mish(values)


def _parametric_relu(_: GraphNode, values: Tensor, slope: Tensor) -> Tensor:
    return torch.where(values > 0, values, values * slope)


def _selu(node: GraphNode, values: Tensor) -> Tensor:
    alpha = node.attributes.get("alpha", 1.6732632423543772)
    gamma = node.attributes.get("gamma", 1.0507009873554805)
    return F.elu(values, alpha) * float(gamma)


def _shrunk(node: GraphNode, values: Tensor) -> Tensor:
    edge, bias = node.attributes.get("lambd", 0.5), node.attributes.get("bias", 0.0)
    outside = torch.where(values < -edge, values + bias, torch.zeros_like(values))
    return torch.where(values > edge, values - bias, outside)


def _softsign(_: GraphNode, values: Tensor) -> Tensor:
    return F.softsign(values)


def _swish(node: GraphNode, values: Tensor) -> Tensor:
    return values * torch.sigmoid(node.attributes.get("alpha", 1.0) * values)


def _thresholded_relu(node: GraphNode, values: Tensor) -> Tensor:
    return torch.where(values > node.attributes.get("alpha", 1.0), values, torch.zeros_like(values))


ACTIVATIONS: Mapping[str, Versions] = {
    "Celu": {12: _celu},
    "Elu": {6: Built(module=lambda node: nn.ELU(node.attributes.get("alpha", 1.0)))},
    "Gelu": {20: _gelu},
    "HardSigmoid": {6: _hard_sigmoid},
    "HardSwish": {14: _hard_swish},
    "Hardmax": _over_an_axis(_Hardmax),
    "LeakyRelu": {6: Built(module=lambda node: nn.LeakyReLU(node.attributes.get("alpha", 0.01)))},
    "LogSoftmax": _over_an_axis(nn.LogSoftmax),
    "Mish": {18: _mish},
    "PRelu": {7: _parametric_relu},
    "Relu": {6: Built(module=lambda _: nn.ReLU())},
    "Selu": {6: _selu},
    "Shrink": {9: _shrunk},
    "Sigmoid": {6: Built(module=lambda _: nn.Sigmoid())},
    "Softmax": _over_an_axis(nn.Softmax),
    "Softplus": {1: Built(module=lambda _: nn.Softplus())},
    "Softsign": {1: _softsign},
    "Swish": {24: _swish},
    "Tanh": {6: Built(module=lambda _: nn.Tanh())},
    "ThresholdedRelu": {10: _thresholded_relu},
}
