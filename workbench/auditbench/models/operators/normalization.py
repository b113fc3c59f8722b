"""Normalization as it is after training, by statistics of the row or by those that were learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Versions, unsupported


def _batch(node: GraphNode, values: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    if node.attributes.get("training_mode", 0) or len(node.outputs) > 1:
        raise unsupported(node, "of the batch, as in training")
    if not node.attributes.get("spatial", 1):
        raise unsupported(node, "of each place")
    return F.batch_norm(values, mean, variance, scale, bias, training=False, eps=node.attributes.get("epsilon", 1e-5))


def _kind_of_statistics(node: GraphNode, values: Tensor) -> torch.dtype:
    """float32 for numbers of less precision, unless the node names its own."""
    named = node.attributes.get("stash_type", 1)
    return torch.float32 if named == 1 and values.dtype != torch.float64 else values.dtype


def _layer(node: GraphNode, values: Tensor, scale: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    axes = tuple(range(node.attributes.get("axis", -1) % values.dim(), values.dim()))
    numbers = values.to(_kind_of_statistics(node, values))
    mean = numbers.mean(dim=axes, keepdim=True)
    centered = numbers - mean
    inverse = torch.rsqrt(centered.square().mean(dim=axes, keepdim=True) + node.attributes.get("epsilon", 1e-5))
    found = (centered * inverse).to(values.dtype) * scale
    return (found if bias is None else found + bias), mean, inverse


def _root_mean_square(node: GraphNode, values: Tensor, scale: Tensor) -> Tensor:
    axes = tuple(range(node.attributes.get("axis", -1) % values.dim(), values.dim()))
    numbers = values.to(_kind_of_statistics(node, values))
    inverse = torch.rsqrt(numbers.square().mean(dim=axes, keepdim=True) + node.attributes.get("epsilon", 1e-5))
    return (numbers * inverse).to(values.dtype) * scale


def _instance(node: GraphNode, values: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return _by_channel(_standardized(values, range(2, values.dim()), node), scale, bias)


def _group(node: GraphNode, values: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return _by_channel(_grouped(node, values).reshape(values.shape), scale, bias)


def _group_of_18(node: GraphNode, values: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Before version 21 scale and bias were those of the groups."""
    return _by_channel(_grouped(node, values), scale, bias).reshape(values.shape)


def _grouped(node: GraphNode, values: Tensor) -> Tensor:
    grouped = values.reshape(len(values), node.attributes["num_groups"], -1)
    numbers = grouped.to(_kind_of_statistics(node, values))
    return _standardized(numbers, [2], node).to(values.dtype)


def _standardized(values: Tensor, axes: Sequence[int], node: GraphNode) -> Tensor:
    mean = values.mean(dim=tuple(axes), keepdim=True)
    centered = values - mean
    variance = centered.square().mean(dim=tuple(axes), keepdim=True)
    return centered * torch.rsqrt(variance + node.attributes.get("epsilon", 1e-5))


def _by_channel(values: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    shape = (-1, *([1] * (values.dim() - 2)))
    return values * scale.reshape(shape) + bias.reshape(shape)


def _mean_variance(node: GraphNode, values: Tensor) -> Tensor:
    axes = tuple(node.attributes.get("axes", (0, 2, 3)))
    centered = values - values.mean(dim=axes, keepdim=True)
    length = torch.linalg.vector_norm(centered, dim=axes, keepdim=True)
    places = max(math.prod(values.shape[axis] for axis in axes), 1)
    found: Tensor = centered / (length / math.sqrt(places) + 1e-9)
    return found


def _to_length_one(node: GraphNode, values: Tensor) -> Tensor:
    axis, power = node.attributes.get("axis", -1), node.attributes.get("p", 2)
    length = values.norm(p=power, dim=axis, keepdim=True)
    return torch.where(length == 0, torch.zeros_like(values), values / torch.where(length == 0, 1, length))


def _local_response(node: GraphNode, values: Tensor) -> Tensor:
    """By the squares of the channels around, of which an even number has one more behind."""
    size, given = node.attributes["size"], node.attributes
    squares = values.square().movedim(1, -1)
    around = F.pad(squares, ((size - 1) // 2, size // 2)).unfold(-1, size, 1).sum(dim=-1).movedim(-1, 1)
    factor: Tensor = given.get("bias", 1.0) + given.get("alpha", 1e-4) / size * around
    return values / torch.pow(factor, given.get("beta", 0.75))


def _dropout(
    node: GraphNode, values: Tensor, ratio: Tensor | None = None, drops: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """All of it, as after training."""
    if drops is not None and bool(drops) and (ratio is None or float(ratio) != 0):
        raise unsupported(node, "that drops")
    return values, torch.ones_like(values, dtype=torch.bool)


NORMALIZATION: Mapping[str, Versions] = {
    "BatchNormalization": {7: _batch},
    "Dropout": {7: _dropout},
    "GroupNormalization": {18: _group_of_18, 21: _group},
    "InstanceNormalization": {6: _instance},
    "LRN": {1: _local_response},
    "LayerNormalization": {17: _layer},
    "LpNormalization": {1: _to_length_one},
    "MeanVarianceNormalization": {9: _mean_variance},
    "RMSNormalization": {23: _root_mean_square},
}
