"""Pooling over windows, and over all places."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Built, Operation, Versions, bounded, whole_numbers
from auditbench.models.operators.windows import padded, unfolded, windows_of

_LAYERS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _max_pool(node: GraphNode) -> nn.Module:
    """torch's layer where it can do the same, since DeepLIFT has its rule by layer."""
    kernel, given = node.attributes["kernel_shape"], node.attributes
    rank = len(kernel)
    pads = given.get("pads", (0,) * (2 * rank))
    simple = (
        rank in _LAYERS
        and len(node.outputs) == 1
        and given.get("auto_pad", "NOTSET") in ("NOTSET", "", "VALID")
        and not given.get("ceil_mode", 0)
        and tuple(pads[:rank]) == tuple(pads[rank:])
        and all(2 * pad <= size for pad, size in zip(pads, kernel, strict=False))
    )
    if not simple:
        return Operation(node, _largest_of_windows)
    return MaxPool(
        _LAYERS[rank](
            tuple(kernel),
            stride=tuple(given.get("strides", (1,) * rank)),
            padding=(0,) * rank if given.get("auto_pad") == "VALID" else tuple(pads[:rank]),
            dilation=tuple(given.get("dilations", (1,) * rank)),
        )
    )


class MaxPool(nn.Module):
    """A layer of floating point that gets integers of 8 bits as well."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor) -> Tensor:
        """In the type that is given."""
        found: Tensor = self.layer(values if values.is_floating_point() else values.float())
        return found if values.is_floating_point() else found.to(values.dtype)


def _largest_of_windows(node: GraphNode, values: Tensor) -> tuple[Tensor, Tensor]:
    """The largest numbers and their places in the tensor, counted from its first number."""
    windows = windows_of(node, values.shape[2:], node.attributes["kernel_shape"])
    number = values if values.is_floating_point() else values.double()
    held = unfolded(padded(number, windows, -math.inf, whole=True), windows)
    largest, chosen = held.max(dim=-1)
    counted = torch.arange(values.numel(), device=values.device)
    if node.attributes.get("storage_order", 0):
        spatial = range(2, values.dim())
        turned = counted.reshape(*values.shape[:2], *reversed(values.shape[2:]))
        places = turned.permute(0, 1, *(values.dim() + 1 - axis for axis in spatial))
    else:
        places = counted.reshape(values.shape)
    spread = unfolded(padded(places, windows, 0, whole=True), windows)
    return largest.to(values.dtype), spread.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)


def _averaged(node: GraphNode, values: Tensor) -> Tensor:
    """Padding counts where the node says so; what lies behind it, under a last window that is cut off, never does."""
    windows, all_count = windows_of(node, values.shape[2:], node.attributes["kernel_shape"]), _counts_padding(node)
    rank = len(windows.kernel)
    plain = (
        windows.even and rank in _AVERAGES and set(windows.dilations) == {1} and not node.attributes.get("ceil_mode", 0)
    )
    if plain and all(2 * pad <= size for pad, size in zip(windows.before, windows.kernel, strict=True)):
        average = _AVERAGES[rank]
        return average(values, windows.kernel, windows.strides, windows.before, count_include_pad=all_count)
    counted = torch.ones((1, 1, *values.shape[2:]), dtype=values.dtype, device=values.device)
    bare = dataclasses.replace(windows, before=(0,) * rank, after=(0,) * rank)
    counted = padded(padded(counted, windows, float(all_count)), bare, 0.0, whole=True)
    held = unfolded(padded(values, windows, 0.0, whole=True), windows)
    return held.sum(dim=-1) / unfolded(counted, windows).sum(dim=-1)


def _counts_padding(node: GraphNode) -> bool:
    return bool(node.attributes.get("count_include_pad", 0))


def _norm_of_windows(node: GraphNode, values: Tensor) -> Tensor:
    windows, power = windows_of(node, values.shape[2:], node.attributes["kernel_shape"]), node.attributes.get("p", 2)
    held = unfolded(padded(values, windows, 0.0, whole=True), windows)
    length: Tensor = torch.linalg.vector_norm(held, ord=power, dim=-1)
    return length


def _average_of_all(_: GraphNode, values: Tensor) -> Tensor:
    return values.mean(dim=tuple(range(2, values.dim())), keepdim=True)


def _largest_of_all(_: GraphNode, values: Tensor) -> Tensor:
    return values.amax(dim=tuple(range(2, values.dim())), keepdim=True)


def _norm_of_all(node: GraphNode, values: Tensor) -> Tensor:
    power, places = node.attributes.get("p", 2), tuple(range(2, values.dim()))
    length: Tensor = torch.linalg.vector_norm(values, ord=power, dim=places, keepdim=True)
    return length


def _unpooled(node: GraphNode, values: Tensor, places: Tensor, shape: Tensor | None = None) -> Tensor:
    """`MaxUnpool`: numbers back in their places, and zeros elsewhere."""
    kernel, rank = node.attributes["kernel_shape"], values.dim() - 2
    strides, pads = node.attributes.get("strides", (1,) * rank), node.attributes.get("pads", (0,) * (2 * rank))
    inferred = [
        (size - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[rank + axis]
        for axis, size in enumerate(values.shape[2:])
    ]
    small = bounded([*values.shape[:2], *inferred])
    if shape is None or math.prod(whole_numbers(shape)) == math.prod(small):
        flat = values.new_zeros(math.prod(small)).scatter(0, places.reshape(-1), values.reshape(-1))
        return flat.reshape(small)
    large = bounded(whole_numbers(shape))
    coordinates = torch.unravel_index(places.reshape(-1), small)
    empty = values.new_zeros(large)
    return empty.index_put(tuple(coordinates), values.reshape(-1))


POOLING: Mapping[str, Versions] = {
    "AveragePool": {1: _averaged},
    "GlobalAveragePool": {1: _average_of_all},
    "GlobalLpPool": {2: _norm_of_all},
    "GlobalMaxPool": {1: _largest_of_all},
    "LpPool": {2: _norm_of_windows},
    "MaxPool": {1: Built(module=_max_pool)},
    "MaxUnpool": {9: _unpooled},
}
