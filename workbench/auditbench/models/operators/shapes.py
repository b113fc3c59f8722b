"""Operations that give the same numbers another shape or order, and those that make a tensor of a shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import (
    Built,
    Versions,
    bounded,
    common_shape,
    unsupported,
    whole_numbers,
)
from auditbench.models.operators.tensors import dtype_of, tensor_of


class Constant(nn.Module):
    """A tensor that stands in the graph; it moves with the network."""

    value: Tensor

    def __init__(self, node: GraphNode) -> None:
        super().__init__()
        self.register_buffer("value", _constant(node), persistent=False)

    def forward(self) -> Tensor:
        """The tensor."""
        return self.value


def _constant(node: GraphNode) -> Tensor:
    given = node.attributes
    if "value" in given:
        return tensor_of(given["value"])
    if "sparse_value" in given:
        return tensor_of(given["sparse_value"])
    for name, kind in (("value_float", np.float32), ("value_floats", np.float32)):
        if name in given:
            return tensor_of(np.asarray(given[name], dtype=kind))
    for name in ("value_int", "value_ints"):
        if name in given:
            return tensor_of(np.asarray(given[name], dtype=np.int64))
    raise unsupported(node, "of texts")


class ConstantOfShape(nn.Module):
    """A tensor of one number, of the shape that is given."""

    value: Tensor

    def __init__(self, node: GraphNode) -> None:
        super().__init__()
        value = node.attributes.get("value", np.zeros(1, np.float32))
        self.register_buffer("value", tensor_of(value).reshape(()), persistent=False)

    def forward(self, shape: Tensor) -> Tensor:
        """The tensor, whose numbers share one place in memory."""
        return self.value.expand(bounded(whole_numbers(shape)))


def _reshaped(node: GraphNode, values: Tensor, shape: Tensor) -> Tensor:
    sizes = whole_numbers(shape)
    if not node.attributes.get("allowzero", 0):
        sizes = [values.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    if -1 in sizes and 0 in sizes:
        sizes[sizes.index(-1)] = 0
    return values.reshape(sizes)


def _flattened(node: GraphNode, values: Tensor) -> Tensor:
    axis = node.attributes.get("axis", 1)
    axis += values.dim() if axis < 0 else 0
    return values.reshape(math.prod(values.shape[:axis]), math.prod(values.shape[axis:]))


def _squeezed(node: GraphNode, values: Tensor, axes: Tensor | None = None) -> Tensor:
    named = node.attributes.get("axes") if axes is None else whole_numbers(axes)
    if named is None:
        return values.squeeze()
    places = {axis % values.dim() for axis in named}
    if any(values.shape[axis] != 1 for axis in places):
        raise ValueError(f"expected axes {sorted(places)} of size 1, got shape {tuple(values.shape)}")
    return values.reshape([size for axis, size in enumerate(values.shape) if axis not in places])


def _unsqueezed(node: GraphNode, values: Tensor, axes: Tensor | None = None) -> Tensor:
    named = node.attributes["axes"] if axes is None else whole_numbers(axes)
    rank = values.dim() + len(named)
    for axis in sorted(axis % rank for axis in named):
        values = values.unsqueeze(axis)
    return values


def _transposed(node: GraphNode, values: Tensor) -> Tensor:
    return values.permute(node.attributes.get("perm", tuple(reversed(range(values.dim())))))


def _joined(node: GraphNode, *values: Tensor) -> Tensor:
    bounded([sum(one.numel() for one in values)])
    return torch.cat(values, dim=node.attributes["axis"])


def _split(node: GraphNode, values: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis, length = node.attributes.get("axis", 0), values.shape[node.attributes.get("axis", 0)]
    named = node.attributes.get("split") if sizes is None else whole_numbers(sizes)
    if named is None:
        parts = len(node.outputs)
        size = math.ceil(length / parts)
        named = [max(0, min(size, length - size * part)) for part in range(parts)]
    return torch.split(values, list(named), dim=axis)


def _sliced_by_attributes(node: GraphNode, values: Tensor) -> Tensor:
    starts, ends = node.attributes["starts"], node.attributes["ends"]
    return _cut(values, starts, ends, node.attributes.get("axes", range(len(starts))), [1] * len(starts))


def _sliced(
    _: GraphNode, values: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    begin = whole_numbers(starts)
    return _cut(
        values,
        begin,
        whole_numbers(ends),
        range(len(begin)) if axes is None else whole_numbers(axes),
        [1] * len(begin) if steps is None else whole_numbers(steps),
    )


def _cut(
    values: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]
) -> Tensor:
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = values.shape[axis]
        first, past, _ = slice(start, end if step > 0 or end >= -size else None, step).indices(size)
        first = max(first, min(size - 1, 0))  # backwards from in front of all, the standard begins with the first
        if step > 0:
            values = values.narrow(axis, min(first, size), max(past - first, 0))
            values = (
                values if step == 1 else values[(slice(None),) * (axis % values.dim()) + (slice(None, None, step),)]
            )
        else:
            values = values.index_select(axis, torch.arange(first, min(past, first), step, device=values.device))
    return values


def _expanded(_: GraphNode, values: Tensor, shape: Tensor) -> Tensor:
    return values.expand(common_shape(values.shape, whole_numbers(shape)))


def _tiled(_: GraphNode, values: Tensor, repeats: Tensor) -> Tensor:
    times = whole_numbers(repeats)
    bounded(size * count for size, count in zip(values.shape, times, strict=True))
    return values.repeat(times)


def _shape(node: GraphNode, values: Tensor) -> Tensor:
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return torch.tensor(list(values.shape)[start:end], dtype=torch.int64, device=values.device)


def _size(_: GraphNode, values: Tensor) -> Tensor:
    return torch.tensor(values.numel(), dtype=torch.int64, device=values.device)


def _deep_to_wide(node: GraphNode, values: Tensor) -> Tensor:
    size, (rows, channels, height, width) = node.attributes["blocksize"], values.shape
    depth = channels // size**2
    if node.attributes.get("mode", "DCR") == "DCR":
        blocks = values.reshape(rows, size, size, depth, height, width).permute(0, 3, 4, 1, 5, 2)
    else:
        blocks = values.reshape(rows, depth, size, size, height, width).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(rows, depth, height * size, width * size)


def _wide_to_deep(node: GraphNode, values: Tensor) -> Tensor:
    size, (rows, channels, height, width) = node.attributes["blocksize"], values.shape
    blocks = values.reshape(rows, channels, height // size, size, width // size, size)
    if node.attributes.get("mode", "DCR") == "DCR":
        blocks = blocks.permute(0, 3, 5, 1, 2, 4)
    else:
        blocks = blocks.permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(rows, channels * size**2, height // size, width // size)


def _triangle(node: GraphNode, values: Tensor, diagonal: Tensor | None = None) -> Tensor:
    offset = 0 if diagonal is None else max(-(2**31), min(2**31, int(diagonal)))
    return torch.triu(values, offset) if node.attributes.get("upper", 1) else torch.tril(values, offset)


def _range(_: GraphNode, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    first, last, step = start.item(), limit.item(), delta.item()
    (count,) = bounded([max(math.ceil((last - first) / step), 0)])
    places = torch.arange(count, device=start.device, dtype=torch.int64 if isinstance(first, int) else torch.float64)
    return (places * step + first).to(start.dtype)


def _identity_matrix(node: GraphNode, like: Tensor) -> Tensor:
    kind = dtype_of(node.attributes["dtype"]) if "dtype" in node.attributes else like.dtype
    rows, columns = bounded(like.shape)
    offset = torch.arange(columns, device=like.device) - torch.arange(rows, device=like.device)[:, None]
    on_it = offset == int(node.attributes.get("k", 0))
    return on_it.to(kind)


def _identity(_: GraphNode, values: Tensor) -> Tensor:
    return values


SHAPES: Mapping[str, Versions] = {
    "Concat": {4: _joined},
    "Constant": {1: Built(module=Constant)},
    "ConstantOfShape": {9: Built(module=ConstantOfShape)},
    "DepthToSpace": {1: _deep_to_wide},
    "Expand": {8: _expanded},
    "EyeLike": {9: _identity_matrix},
    "Flatten": {1: _flattened},
    "Identity": {1: _identity},
    "Range": {11: _range},
    "Reshape": {5: _reshaped},
    "Shape": {1: _shape},
    "Size": {1: _size},
    "Slice": {1: _sliced_by_attributes, 10: _sliced},
    "SpaceToDepth": {1: _wide_to_deep},
    "Split": {2: _split},
    "Squeeze": {1: _squeezed},
    "Tile": {6: _tiled},
    "Transpose": {1: _transposed},
    "Trilu": {14: _triangle},
    "Unsqueeze": {1: _unsqueezed},
}
