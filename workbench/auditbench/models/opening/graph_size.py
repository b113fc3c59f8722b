"""How large a graph becomes where a few bytes may ask for much: functions that call functions, and tensors made from
their shape alone. Checked before anything makes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from auditbench.models.opening.files import Damage

MAX_NODES = 200_000
"""Nodes of a graph whose functions are written out; a transformer of 100 layers has 10,000."""
MOST_MADE = 2**30
"""Numbers of a tensor that is made from its shape: 4 GiB in float32."""
_SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}
"""Operations that make a tensor of any size, and which input says the size."""


def refuse_inflation(model: Any) -> None:
    """Refuse a model that becomes far larger than its file.

    Raises:
        Damage: Its functions call each other without end, it has more nodes with them written out than a model, or it
            has a constant shape of more numbers than may be made.
    """
    count = _nodes_written_out(model)
    if count > MAX_NODES:
        raise Damage(
            "has more operations than a model once its functions are written out",
            found=f"more than {MAX_NODES:,}",
            allowed=f"at most {MAX_NODES:,}",
        )
    for nodes, tensors in _bodies(model):
        _refuse_huge(nodes, tensors)


def _nodes_written_out(model: Any) -> int:
    functions = {(item.domain, item.name): item for item in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[Any], above: frozenset[tuple[str, str]]) -> int:
        total = 0
        for node in _deep(nodes):
            key = (node.domain, node.op_type)
            total += 1
            if key in functions:
                if key in above:
                    raise Damage(
                        "has a function that calls itself",
                        found=node.op_type[:80],
                        allowed="functions that come to an end",
                    )
                if key not in sizes:
                    sizes[key] = size(functions[key].node, above | {key})
                total += sizes[key]
            if total > MAX_NODES:
                return total
        return total

    try:
        return size(model.graph.node, frozenset())
    except RecursionError as error:
        raise Damage(
            "has functions that call each other, too many levels deep", found="hundreds", allowed="a few levels"
        ) from error


def _deep(nodes: Iterable[Any]) -> Iterator[Any]:
    """These nodes and those of graphs within them."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for graph in _within(node):
            waiting += graph.node


def _within(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _bodies(model: Any) -> Iterator[tuple[Any, Any]]:
    """Nodes and constant tensors of each graph and function."""
    waiting = [(model.graph.node, model.graph.initializer), *((function.node, ()) for function in model.functions)]
    while waiting:
        nodes, tensors = waiting.pop()
        yield nodes, tensors
        for node in nodes:
            waiting += [(graph.node, graph.initializer) for graph in _within(node)]


def _refuse_huge(nodes: Any, tensors: Any) -> None:
    from onnx import TensorProto

    shapes = {tensor.name: tensor for tensor in tensors}
    for node in nodes:
        if node.op_type == "Constant" and node.output:
            shapes.update((node.output[0], item.t) for item in node.attribute if item.name == "value")
    for node in nodes:
        place = _SHAPED.get(node.op_type)
        tensor = shapes.get(node.input[place]) if place is not None and len(node.input) > place else None
        if tensor is None or tensor.data_type != TensorProto.INT64 or tensor.data_location == TensorProto.EXTERNAL:
            continue
        numbers = math.prod(_whole_numbers(tensor))
        if numbers > MOST_MADE:
            raise Damage(
                "makes a tensor that is too large",
                found=f"{node.op_type} of {numbers:,} numbers"[:120],
                allowed=f"at most {MOST_MADE:,} numbers",
                fix="export the model again",
            )


def _whole_numbers(tensor: Any) -> list[int]:
    raw = tensor.raw_data
    stored = [int.from_bytes(raw[at : at + 8], "little", signed=True) for at in range(0, min(len(raw), 512), 8)]
    return [max(size, 1) for size in (*stored, *list(tensor.int64_data)[:64])]
