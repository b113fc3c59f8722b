"""What an operator is here: a module for a node, most often one function of the node and its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.opening.graph_size import MOST_MADE

Function: TypeAlias = Callable[..., Any]
"""Takes the node and a tensor for each of its inputs, None for one left out; gives one tensor or a tuple."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An operator that is a module of its own, which it makes of the node."""

    module: Callable[[GraphNode], nn.Module]


Versions: TypeAlias = Mapping[int, "Function | Built"]
"""By the version of the standard operations from which on they mean this."""

MOST_STEPS = 100_000
"""Of a sequence whose steps are computed one after the other."""
_NOT_SIGNED = frozenset({torch.uint16, torch.uint32, torch.uint64})


class UnsupportedOperationError(Exception):
    """A node, or a way of it, that is not interpreted."""


class Operation(nn.Module):
    """A node that a function computes."""

    def __init__(self, node: GraphNode, function: Function) -> None:
        super().__init__()
        self._node, self._function = node, function
        self.original_name = node.operation  # as torch calls the class that a scripted module was made of

    def forward(self, *inputs: torch.Tensor | None) -> Any:
        """The outputs that the node names: one tensor, or a tuple."""
        found = self._function(self._node, *inputs)
        return outputs_of(self._node, found)

    def extra_repr(self) -> str:
        """The name of the operation."""
        return self._node.operation


def outputs_of(node: GraphNode, found: Any) -> Any:
    """Of what was computed, as many as the node names; a single one without a tuple."""
    if not isinstance(found, tuple):
        return found
    return found[0] if len(node.outputs) == 1 else found[: len(node.outputs)]


def unsupported(node: GraphNode, what: str) -> UnsupportedOperationError:
    """The error for a way of an operation that is not interpreted."""
    return UnsupportedOperationError(f"{node.operation} {what}")


def bounded(shape: Iterable[int]) -> list[int]:
    """The shape of a tensor to make.

    Raises:
        ValueError: It has more numbers than may be made, or a size below 0.
    """
    sizes = list(shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) > MOST_MADE:
        raise ValueError(f"expected a shape of at most {MOST_MADE:,} numbers, got {sizes[:8]}")
    return sizes


def refuse_huge_broadcast(*tensors: torch.Tensor) -> None:
    """Refuse tensors that are small, and large together: a row and a column.

    Raises:
        ValueError: Their common shape has more numbers than may be made.
    """
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        common_shape(*(tensor.shape for tensor in tensors))


def common_shape(*shapes: Sequence[int]) -> list[int]:
    """The shape that tensors of these have together.

    Raises:
        ValueError: They do not fit, or it has more numbers than may be made.
    """
    rank = max(len(shape) for shape in shapes)
    columns = zip(*([1] * (rank - len(shape)) + list(shape) for shape in shapes), strict=True)
    found = [{size for size in column if size != 1} or {1} for column in columns]
    if any(len(sizes) > 1 for sizes in found):
        raise ValueError(f"expected shapes that go together, got {', '.join(str(tuple(shape)) for shape in shapes)}")
    return bounded(size for sizes in found for size in sizes)


def whole_numbers(tensor: torch.Tensor) -> list[int]:
    """The numbers of a tensor of a shape, of axes or of pads."""
    return [int(number) for number in tensor.reshape(-1).tolist()]


def widened(function: Function) -> Function:
    """The same for unsigned integers of 16 to 64 bits, which torch computes little with: in int64 and back."""

    def computed(node: GraphNode, *inputs: torch.Tensor | None) -> Any:
        kind = next((item.dtype for item in inputs if item is not None and item.dtype in _NOT_SIGNED), None)
        if kind is None:
            return function(node, *inputs)
        wide = [item.to(torch.int64) if item is not None and item.dtype in _NOT_SIGNED else item for item in inputs]
        found = function(node, *wide)
        parts = found if isinstance(found, tuple) else (found,)
        narrow = tuple(part.to(kind) if part.dtype == torch.int64 else part for part in parts)
        return narrow if isinstance(found, tuple) else narrow[0]

    return computed


def in_float(function: Function) -> Function:
    """The same for integers, in float64 and back."""

    def computed(node: GraphNode, *inputs: torch.Tensor | None) -> Any:
        first = inputs[0]
        if first is None or first.is_floating_point():
            return function(node, *inputs)
        return function(node, first.double(), *inputs[1:]).to(first.dtype)

    return computed
