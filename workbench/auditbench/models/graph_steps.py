"""The nodes of a graph as modules, which are computed in order; values are let go after their last use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from auditbench.models.opening.graph_content import GraphContent, GraphNode
from auditbench.models.operators import CONTROL, UnsupportedOperationError, is_known, operator_module
from auditbench.models.operators.tensors import tensor_of

_NOT_IN_NAMES = re.compile(r"\W+")
_CONSTANTS = "constants"


def missing_operations(content: GraphContent) -> Mapping[str, int]:
    """How many nodes each operation has that is not interpreted, by name; those of graphs within included."""
    return Counter(node.operation for node in _nodes(content) if not is_known(node))


def has_operation(content: GraphContent, operations: Iterable[str]) -> bool:
    """Whether a node is one of these operations."""
    named = frozenset(operations)
    return any(node.operation in named for node in _nodes(content))


class GraphSteps(nn.Module):
    """The nodes of a graph, each a child of its name; `constants` holds the arrays of the file.

    An array of floating point is a parameter, which does not learn, and any other a buffer; both have their names of the
    file, with `_` for what no name of torch may have.
    """

    def __init__(self, content: GraphContent, around: Iterable[str] = ()) -> None:
        """Make a module of each node.

        Args:
            around: Names of values that come from outside, beside the inputs of the graph.

        Raises:
            UnsupportedOperationError: An operation, a way of it, or a type of tensor is not interpreted, a node takes a
                value that none before it gives, or a name is given twice.
        """
        super().__init__()
        self._outputs = content.outputs
        self._constants = _hold_constants(self, content)
        known = {*around, *content.inputs, *content.constants}
        steps: list[tuple[str, GraphNode, tuple[str, ...]]] = []
        tried: Counter[str] = Counter()
        for place, node in enumerate(content.nodes):
            _check_names(node, known)
            module, taken = _node_module(node, known)
            name = _free_name(self, node.name or f"{node.operation}_{place}", tried)
            self.add_module(name, module)
            steps.append((name, node, taken))
            known.update(filter(None, node.outputs))
        if lost := [name for name in content.outputs if name not in known]:
            raise UnsupportedOperationError(f"no node gives the output {lost[0]!r}")
        self._steps = tuple(
            (name, taken, node.outputs, let_go)
            for (name, node, taken), let_go in zip(steps, _last_uses(steps, content.outputs), strict=True)
        )
        self.eval()

    def computed(self, values: Mapping[str, torch.Tensor]) -> tuple[Any, ...]:
        """The outputs of the graph, from its inputs and what comes from outside, by name."""
        held: dict[str, Any] = {**values, **{name: self._constant(place) for name, place in self._constants.items()}}
        for name, taken, given, let_go in self._steps:
            try:
                found = self._modules[name](*[held[item] if item else None for item in taken])  # type: ignore[misc]
            except Exception as error:
                error.add_note(name)
                raise
            parts = found if isinstance(found, tuple) else (found,)
            held.update(zip(given, parts, strict=False))
            for item in let_go:
                held.pop(item, None)
        return tuple(held[name] for name in self._outputs)

    def _constant(self, place: str) -> torch.Tensor:
        tensor: torch.Tensor = getattr(self._modules[_CONSTANTS], place)
        return tensor


class GraphBody(GraphSteps):
    """A graph within a node of another."""

    def forward(self, values: Mapping[str, torch.Tensor]) -> tuple[Any, ...]:
        """The outputs, from the values around it and its inputs, by name."""
        return self.computed(values)


def _nodes(content: GraphContent) -> Iterator[GraphNode]:
    for node in content.nodes:
        yield node
        for inner in _within(node).values():
            yield from _nodes(inner)


def _within(node: GraphNode) -> dict[str, GraphContent]:
    return {name: value for name, value in node.attributes.items() if isinstance(value, GraphContent)}


def _check_names(node: GraphNode, known: set[str]) -> None:
    for name in node.inputs:
        if name and name not in known:
            raise UnsupportedOperationError(f"{node.operation} takes {name[:80]!r}, which no node before it gives")
    for name in node.outputs:
        if name and name in known:
            raise UnsupportedOperationError(f"{node.operation} gives {name[:80]!r}, which is there already")


def _node_module(node: GraphNode, known: set[str]) -> tuple[nn.Module, tuple[str, ...]]:
    """The module, and the names of what it takes: what graphs within it use of the values around comes last."""
    if node.operation not in CONTROL:
        return operator_module(node), node.inputs
    if not is_known(node):
        raise UnsupportedOperationError(f"{node.operation} of version {node.opset}")
    inner = _within(node)
    around = tuple(sorted({name for content in inner.values() for name in _taken_from_outside(content)} & known))
    bodies = {name: GraphBody(content, around) for name, content in inner.items()}
    return CONTROL[node.operation][1](node, bodies, around), (*node.inputs, *around)


def _taken_from_outside(content: GraphContent) -> set[str]:
    own = {*content.inputs, *content.constants, *(name for node in content.nodes for name in node.outputs)}
    taken = {*content.outputs, *(name for node in content.nodes for name in node.inputs)}
    for node in content.nodes:
        for inner in _within(node).values():
            taken |= _taken_from_outside(inner)
    return taken - own - {""}


def _last_uses(
    steps: Sequence[tuple[str, GraphNode, tuple[str, ...]]], outputs: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """By node, the values that nothing takes after it."""
    last: dict[str, int] = {}
    for place, (_, node, taken) in enumerate(steps):
        for name in (*node.outputs, *taken):
            last[name] = place
    gone: list[list[str]] = [[] for _ in steps]
    for name, place in last.items():
        if name and name not in outputs:
            gone[place].append(name)
    return [tuple(names) for names in gone]


def _hold_constants(module: nn.Module, content: GraphContent) -> dict[str, str]:
    """Put the arrays of the file into the module; the name that each has there, by its own."""
    holder, tried = nn.Module(), Counter[str]()
    places = {}
    for name, array in content.constants.items():
        place = _free_name(holder, name, tried)
        tensor = tensor_of(array)
        if tensor.is_floating_point():
            holder.register_parameter(place, nn.Parameter(tensor, requires_grad=False))
        else:
            holder.register_buffer(place, tensor)
        places[name] = place
    module.add_module(_CONSTANTS, holder)
    return places


def _free_name(module: nn.Module, wanted: str, tried: Counter[str]) -> str:
    """A name that the module has nothing of yet, of letters, digits and `_`.

    Args:
        tried: How often each name was wanted before; counted on.
    """
    name = start = _NOT_IN_NAMES.sub("_", wanted).strip("_")[:100] or "node"
    while hasattr(module, name):
        tried[start] += 1
        name = f"{start}_{tried[start] + 1}"
    return name
