"""Operations that pick numbers by their places, put numbers into places, or find places."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Versions, bounded, unsupported, whole_numbers

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _from_the_front(places: Tensor, size: int) -> Tensor:
    """Indices from 0 on.

    Raises:
        IndexError: One is outside; torch on a graphics card would end the process.
    """
    places = places.to(torch.int64)
    counted = torch.where(places < 0, places + size, places)
    if counted.numel() and (int(counted.min()) < 0 or int(counted.max()) >= size):
        raise IndexError(f"expected indices from {-size} to {size - 1}, got {int(places.min())} to {int(places.max())}")
    return counted


def _gathered(node: GraphNode, values: Tensor, indices: Tensor) -> Tensor:
    axis = node.attributes.get("axis", 0) % values.dim()
    bounded([*values.shape[:axis], *indices.shape, *values.shape[axis + 1 :]])
    places = _from_the_front(indices, values.shape[axis])
    picked = values.index_select(axis, places.reshape(-1))
    return picked.reshape(values.shape[:axis] + indices.shape + values.shape[axis + 1 :])


def _gathered_elements(node: GraphNode, values: Tensor, indices: Tensor) -> Tensor:
    axis = node.attributes.get("axis", 0)
    return values.gather(axis, _from_the_front(indices, values.shape[axis]))


def _gathered_parts(node: GraphNode, values: Tensor, indices: Tensor) -> Tensor:
    """`GatherND`: the last axis of the indices names a part of the values."""
    batch = node.attributes.get("batch_dims", 0)
    together = values.shape[:batch]
    flat = values.reshape(together.numel(), *values.shape[batch:])
    named = indices.reshape(together.numel(), -1, indices.shape[-1])
    places = [_from_the_front(named[..., axis], flat.shape[axis + 1]) for axis in range(named.shape[-1])]
    rows = torch.arange(len(flat), device=values.device)[:, None].expand(named.shape[:2])
    picked = flat[(rows, *places)]
    return picked.reshape(indices.shape[:-1] + values.shape[batch + indices.shape[-1] :])


def _scattered_elements(node: GraphNode, values: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    axis, reduction = node.attributes.get("axis", 0), node.attributes.get("reduction", "none")
    places = _from_the_front(indices, values.shape[axis])
    if reduction == "none":
        return values.scatter(axis, places, updates)
    return values.scatter_reduce(axis, places, updates, _REDUCTIONS[reduction])


def _scattered_parts(node: GraphNode, values: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """`ScatterND`: as with one row of places a part, flattened to one axis."""
    depth, reduction = indices.shape[-1], node.attributes.get("reduction", "none")
    inner = values.shape[depth:].numel()
    places = torch.zeros(indices.shape[:-1], dtype=torch.int64, device=values.device)
    for axis in range(depth):
        places = places * values.shape[axis] + _from_the_front(indices[..., axis], values.shape[axis])
    flat = values.reshape(-1, inner)
    rows = places.reshape(-1, 1).expand(-1, inner)
    new = updates.reshape(-1, inner)
    if reduction == "none":
        return flat.scatter(0, rows, new).reshape(values.shape)
    return flat.scatter_reduce(0, rows, new, _REDUCTIONS[reduction]).reshape(values.shape)


def _one_hot(node: GraphNode, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    (count,) = bounded([int(depth.reshape(()))])
    bounded([*indices.shape, count])
    axis = node.attributes.get("axis", -1)
    places = indices.to(torch.int64)
    places = torch.where(places < 0, places + count, places)
    hot = places.unsqueeze(-1) == torch.arange(count, device=indices.device)
    return torch.where(hot.movedim(-1, axis), values[1], values[0])


def _top(node: GraphNode, values: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The largest in order; of equal ones those in front."""
    axis, largest = node.attributes.get("axis", -1), bool(node.attributes.get("largest", 1))
    kept = int(count.reshape(()))
    wide = values.to(torch.int64) if values.dtype in (torch.uint16, torch.uint32, torch.uint64) else values
    _, places = torch.sort(wide, dim=axis, descending=largest, stable=True)
    places = places.narrow(axis, 0, kept)
    return wide.gather(axis, places).to(values.dtype), places


def _places(_: GraphNode, values: Tensor) -> Tensor:
    return values.nonzero().T.contiguous()


def _compressed(node: GraphNode, values: Tensor, condition: Tensor) -> Tensor:
    kept = condition.to(torch.bool).nonzero()[:, 0]
    axis = node.attributes.get("axis")
    return values.reshape(-1).index_select(0, kept) if axis is None else values.index_select(axis, kept)


def _reversed_rows(node: GraphNode, values: Tensor, lengths: Tensor) -> Tensor:
    """`ReverseSequence`: of each row of the batch, the first so many steps the other way round."""
    time, batch = node.attributes.get("time_axis", 0), node.attributes.get("batch_axis", 1)
    steps = torch.arange(values.shape[time], device=values.device)[:, None]
    places = torch.where(steps < lengths, lengths - 1 - steps, steps)
    moved = values.movedim((time, batch), (0, 1))
    rows = torch.arange(moved.shape[1], device=values.device)[None].expand_as(places)
    return moved[places, rows].movedim((0, 1), (time, batch))


def _put_into_rows(node: GraphNode, past: Tensor, update: Tensor, starts: Tensor | None = None) -> Tensor:
    """`TensorScatter`: new steps in the place of old ones, from a step on that each row names."""
    axis = node.attributes.get("axis", -2) % past.dim()
    mode, length, new = node.attributes.get("mode", "linear"), past.shape[axis], update.shape[axis]
    begin = torch.zeros(len(past), dtype=torch.int64, device=past.device) if starts is None else starts.to(torch.int64)
    places = begin[:, None] + torch.arange(new, device=past.device)
    if mode == "circular":
        places = places % length
    elif mode != "linear":
        raise unsupported(node, f"with mode {mode!r}")
    shape = [len(past), *([1] * (past.dim() - 1))]
    shape[axis] = new
    return past.scatter(axis, _from_the_front(places, length).reshape(shape).expand_as(update), update)


def _padded_or_cropped(node: GraphNode, values: Tensor, shape: Tensor) -> Tensor:
    sizes = bounded(whole_numbers(shape))
    axes = node.attributes.get("axes", range(values.dim()))
    pads = [0] * (2 * values.dim())
    for axis, size in zip(axes, sizes, strict=True):
        more, place = size - values.shape[axis], values.dim() - 1 - axis % values.dim()
        before = more // 2 if more >= 0 else -((-more) // 2)
        pads[2 * place : 2 * place + 2] = [before, more - before]
    return F.pad(values, pads)


INDEXING: Mapping[str, Versions] = {
    "CenterCropPad": {18: _padded_or_cropped},
    "Compress": {9: _compressed},
    "Gather": {1: _gathered},
    "GatherElements": {11: _gathered_elements},
    "GatherND": {11: _gathered_parts},
    "NonZero": {9: _places},
    "OneHot": {9: _one_hot},
    "ReverseSequence": {10: _reversed_rows},
    "Scatter": {9: _scattered_elements},
    "ScatterElements": {11: _scattered_elements},
    "ScatterND": {11: _scattered_parts},
    "TensorScatter": {24: _put_into_rows},
    "TopK": {10: _top},
}
