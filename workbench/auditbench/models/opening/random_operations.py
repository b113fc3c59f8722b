"""Operations of an ONNX graph that draw random numbers: other outputs each time, so that no audit can stand on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from auditbench.models.opening.files import Damage

_RANDOM = frozenset(
    {
        *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"),
        "Sampling",
    }
)
_DROPPING = {"Dropout": 2, "BitmaskDropout": 2, "BiasDropout": 4, "BitmaskBiasDropout": 4}
"""Where each of them takes whether it drops."""
_DOMAINS = ("", "ai.onnx", "com.microsoft")


def refuse_random(model: Any) -> None:
    """Refuse a graph that may draw random numbers, also in its subgraphs and functions.

    A dropout is let through where it cannot drop: it is not asked to, or a constant says that it should not.

    Raises:
        Damage: It has such an operation.
    """
    nodes = list(_nodes(model))
    never = _never_true(model, nodes)
    drawing = [node for node in nodes if node.domain in _DOMAINS and (node.op_type in _RANDOM or _drops(node, never))]
    if drawing:
        names = sorted({node.op_type for node in drawing})
        raise Damage(
            "draws random numbers, so that its outputs are other ones each time",
            found=f"{', '.join(names)}, in {len(drawing):,} {'place' if len(drawing) == 1 else 'places'}",
            allowed="operations that give the same outputs for the same rows; dropout only where a constant turns it off",
            fix="export the model in evaluation mode: model.eval() before the export",
        )


def _drops(node: Any, never: frozenset[str]) -> bool:
    place = _DROPPING.get(node.op_type)
    return place is not None and len(node.input) > place and node.input[place] not in {"", *never}


def _never_true(model: Any, nodes: list[Any]) -> frozenset[str]:
    """Names that stand for a constant false wherever they are, since a name may mean another thing in a function."""
    found: dict[str, set[bool]] = defaultdict(set)
    for graph in _graphs(model.graph, nodes):
        constants = {tensor.name: _is_false(tensor) for tensor in graph.initializer}
        for name, false in constants.items():
            found[name].add(false)
        for port in graph.input:
            if port.name not in constants:
                found[port.name].add(False)
    for function in model.functions:
        for name in function.input:
            found[name].add(False)
    for node in nodes:
        for name in node.output:
            found[name].add(
                node.op_type == "Constant" and any(_is_false(item.t) for item in node.attribute if _has(item))
            )
    return frozenset(name for name, falses in found.items() if falses == {True})


def _has(attribute: Any) -> bool:
    return bool(attribute.name == "value" and attribute.HasField("t"))


def _is_false(tensor: Any) -> bool:
    """Whether a tensor of the file itself holds nothing but zeros."""
    from onnx import TensorProto

    return (
        tensor.data_type == TensorProto.BOOL
        and tensor.data_location != TensorProto.EXTERNAL
        and not any(tensor.raw_data)
        and not any(tensor.int32_data)
    )


def _graphs(graph: Any, nodes: list[Any]) -> Iterator[Any]:
    yield graph
    for node in nodes:
        yield from _subgraphs(node)


def _nodes(model: Any) -> Iterator[Any]:
    """Every node that may be computed, those of subgraphs and functions included."""
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for graph in _subgraphs(node):
            waiting += graph.node


def _subgraphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
