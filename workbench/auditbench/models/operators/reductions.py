"""Operations that bring axes down to one number, and sums along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Function, Versions, whole_numbers, widened

_Reduction = Callable[[Tensor, Sequence[int], bool], Tensor]


def _over_axes(reduce: _Reduction) -> Function:
    """The axes are an attribute of older versions, and an input of newer ones; none are all, or none where the node says so."""

    def computed(node: GraphNode, values: Tensor, axes: Tensor | None = None) -> Tensor:
        named = node.attributes.get("axes", ()) if axes is None else whole_numbers(axes)
        if not named and node.attributes.get("noop_with_empty_axes", 0):
            return reduce(values.unsqueeze(0), [0], False)
        over = sorted({axis % values.dim() for axis in named} if named else range(values.dim()))
        if not values.dim():
            return reduce(values.reshape(1), [0], False)
        return reduce(values, over, bool(node.attributes.get("keepdims", 1)))

    return widened(computed)


def _largest(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    return _extreme(values, axes, keep, torch.amax, -1)


def _smallest(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    return _extreme(values, axes, keep, torch.amin, 1)


def _extreme(values: Tensor, axes: Sequence[int], keep: bool, function: Callable[..., Tensor], sign: int) -> Tensor:
    """That of nothing is the infinity, or the end of the integers, that any number would replace."""
    if not any(values.shape[axis] == 0 for axis in axes):
        return function(values, dim=list(axes), keepdim=keep)
    shape = [1 if axis in axes else size for axis, size in enumerate(values.shape) if keep or axis not in axes]
    if values.dtype == torch.bool:
        return torch.full(shape, sign > 0, device=values.device)
    if values.is_floating_point():
        return torch.full(shape, sign * math.inf, dtype=values.dtype, device=values.device)
    ends = torch.iinfo(values.dtype)
    return torch.full(shape, ends.max if sign > 0 else ends.min, dtype=values.dtype, device=values.device)


def _sum(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    return torch.sum(values, dim=list(axes), keepdim=keep, dtype=values.dtype)


def _mean(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    if values.is_floating_point():
        return torch.mean(values, dim=list(axes), keepdim=keep)
    return torch.mean(values.double(), dim=list(axes), keepdim=keep).to(values.dtype)


def _product(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        values = torch.prod(values, dim=axis, keepdim=keep, dtype=values.dtype)
    return values


def _through_float(function: _Reduction) -> _Reduction:
    def computed(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
        if values.is_floating_point():
            return function(values, axes, keep)
        found = function(values.double(), axes, keep)
        return found.to(values.dtype)

    return computed


def _length(values: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(values, dim=list(axes), keepdim=keep)
    return length


def _best(*, smallest: bool) -> Function:
    def computed(node: GraphNode, values: Tensor) -> Tensor:
        axis, keep = node.attributes.get("axis", 0), bool(node.attributes.get("keepdims", 1))
        last = bool(node.attributes.get("select_last_index", 0))
        searched = values.flip(axis) if last else values
        if values.dtype in (torch.uint16, torch.uint32, torch.uint64):
            searched = searched.to(torch.int64)
        found = (torch.argmin if smallest else torch.argmax)(searched, dim=axis, keepdim=keep)
        return values.shape[axis] - 1 - found if last else found

    return computed


def _along(function: Callable[..., Tensor], start: int) -> Function:
    """Sums or products of what stands up to each place, with or without it, from the front or the back."""

    def computed(node: GraphNode, values: Tensor, axis: Tensor) -> Tensor:
        along = int(axis.reshape(()))
        turned = values.flip(along) if node.attributes.get("reverse", 0) else values
        if node.attributes.get("exclusive", 0):
            length = values.shape[along]
            first = torch.full_like(turned.narrow(along, 0, min(length, 1)), start)
            turned = torch.cat([first, turned.narrow(along, 0, max(length - 1, 0))], dim=along)
        found = function(turned, dim=along, dtype=values.dtype)
        return found.flip(along) if node.attributes.get("reverse", 0) else found

    return widened(computed)


REDUCTIONS: Mapping[str, Versions] = {
    "ArgMax": {1: _best(smallest=False)},
    "ArgMin": {1: _best(smallest=True)},
    "CumProd": {26: _along(torch.cumprod, 1)},
    "CumSum": {11: _along(torch.cumsum, 0)},
    "ReduceL1": {1: _over_axes(lambda values, axes, keep: _sum(values.abs(), axes, keep))},
    "ReduceL2": {1: _over_axes(_through_float(_length))},
    "ReduceLogSum": {1: _over_axes(_through_float(lambda values, axes, keep: _sum(values, axes, keep).log()))},
    "ReduceLogSumExp": {
        1: _over_axes(_through_float(lambda values, axes, keep: torch.logsumexp(values, list(axes), keep)))
    },
    "ReduceMax": {1: _over_axes(_largest)},
    "ReduceMean": {1: _over_axes(_mean)},
    "ReduceMin": {1: _over_axes(_smallest)},
    "ReduceProd": {1: _over_axes(_product)},
    "ReduceSum": {1: _over_axes(_sum)},
    "ReduceSumSquare": {1: _over_axes(lambda values, axes, keep: _sum(values * values, axes, keep))},
}
