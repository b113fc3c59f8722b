"""Convolutions, also those of integers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Versions, bounded, unsupported
from auditbench.models.operators.windows import padded, windows_of

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def convolved(node: GraphNode, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution over one to three axes."""
    rank = values.dim() - 2
    if rank not in _CONVOLUTIONS:
        raise unsupported(node, f"over {rank} axes")
    windows = windows_of(node, values.shape[2:], weight.shape[2:])
    bounded([len(values), len(weight), *windows.count])
    function, groups = _CONVOLUTIONS[rank], node.attributes.get("group", 1)
    if windows.even:
        return function(values, weight, bias, windows.strides, windows.before, windows.dilations, groups)
    return function(padded(values, windows, 0.0), weight, bias, windows.strides, 0, windows.dilations, groups)


def _transposed(node: GraphNode, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank, given = values.dim() - 2, node.attributes
    if rank not in _TRANSPOSED:
        raise unsupported(node, f"over {rank} axes")
    strides, dilations = given.get("strides", (1,) * rank), given.get("dilations", (1,) * rank)
    extra = given.get("output_padding", (0,) * rank)
    full = [
        stride * (size - 1) + gap * (kernel - 1) + 1
        for size, stride, gap, kernel in zip(values.shape[2:], strides, dilations, weight.shape[2:], strict=True)
    ]
    bounded([*values.shape[:1], weight.shape[1], *full])
    whole = _TRANSPOSED[rank](values, weight, None, strides, 0, 0, given.get("group", 1), dilations)
    pads: list[int] = []
    for front, behind, more in reversed(
        list(zip(*_cropping(node, values.shape[2:], full, strides, extra), strict=True))
    ):
        pads += [-front, more - behind]
    bounded([1, *(max(size + pad, 0) for size, pad in zip(full, pads[1::2][::-1], strict=True))])
    cut = F.pad(whole, pads)
    return cut if bias is None else cut + bias.reshape(-1, *([1] * rank))


def _cropping(
    node: GraphNode, sizes: torch.Size, full: list[int], strides: tuple[int, ...], extra: tuple[int, ...]
) -> tuple[list[int], list[int], tuple[int, ...]]:
    """Of the whole output, how much is cut in front and behind each axis, and how much is put behind."""
    rank, given, kind = len(sizes), node.attributes, node.attributes.get("auto_pad", "NOTSET")
    if "output_shape" in given or kind in ("SAME_UPPER", "SAME_LOWER"):
        wanted = given.get("output_shape", [size * stride for size, stride in zip(sizes, strides, strict=True)])
        totals = [size + more - target for size, more, target in zip(full, extra, list(wanted)[-rank:], strict=True)]
        less, rest = [total // 2 for total in totals], [total - total // 2 for total in totals]
        return (less, rest, extra) if kind == "SAME_UPPER" else (rest, less, extra)
    pads = list(given.get("pads", (0,) * (2 * rank))) if kind in ("NOTSET", "") else [0] * (2 * rank)
    return pads[:rank], pads[rank:], extra


def without_zero_point(values: Tensor, zero_point: Tensor | None, axis: int | None = None) -> Tensor:
    """Integers less their zero point, in float64, which holds sums of their products exactly.

    Args:
        axis: That the zero points of several belong to.
    """
    if zero_point is None:
        return values.double()
    if axis is not None and zero_point.numel() > 1:
        zero_point = zero_point.reshape([-1 if place == axis % values.dim() else 1 for place in range(values.dim())])
    elif zero_point.numel() == 1:
        zero_point = zero_point.reshape(())
    return values.double() - zero_point.double()


def _of_integers(
    node: GraphNode, values: Tensor, weight: Tensor, zero: Tensor | None = None, weight_zero: Tensor | None = None
) -> Tensor:
    found = convolved(node, without_zero_point(values, zero), without_zero_point(weight, weight_zero, 0))
    return found.to(torch.int32)


CONVOLUTION: Mapping[str, Versions] = {
    "Conv": {1: convolved},
    "ConvInteger": {10: _of_integers},
    "ConvTranspose": {1: _transposed},
}
