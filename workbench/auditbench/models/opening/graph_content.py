"""What an ONNX graph consists of, as plain data: nodes in order, constant arrays, names of what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.models.opening.files import Damage

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_DEPTH = 16
"""Of graphs within graphs: branches of branches."""
STANDARD = ("", "ai.onnx")
"""The two names of the domain of standard operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """One operation of a graph.

    Attributes:
        operation: `Gemm`; with its domain in front, `com.microsoft.FusedGemm`, where that is not the standard one.
        opset: Version of the set of operations that says what it means; 0 where the graph does not say.
        inputs: Names of values; empty for one that is left out, as in `outputs`.
        attributes: Numbers, texts, tuples of them, arrays, and graphs.
    """

    operation: str
    opset: int
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphContent:
    """A graph, or one within a node of another.

    Attributes:
        constants: Arrays that stand in the file, by name.
        inputs: What is given from outside, in order; no constants.
    """

    nodes: tuple[GraphNode, ...]
    constants: Mapping[str, npt.NDArray[Any]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def graph_content(model: Any, external: Mapping[str, bytes]) -> GraphContent:
    """The content of a model whose functions are written out in place; see `read_node` for what is read.

    Args:
        model: A `ModelProto` whose sizes and external data were checked.
        external: The files that tensors lie in, by the name that the graph gives them.

    Raises:
        Damage: A tensor has other numbers than its shape, graphs lie too deep within each other, or an attribute has no value.
    """
    from onnx import inliner

    if model.functions:
        model = inliner.inline_local_functions(model)
    versions = {"" if item.domain in STANDARD else item.domain: item.version for item in model.opset_import}
    return _content(model.graph, versions, _array_reader(external), depth=0)


_Reader = Callable[[Any], "npt.NDArray[Any]"]


def _content(graph: Any, versions: Mapping[str, int], read: _Reader, *, depth: int) -> GraphContent:
    if depth > MAX_DEPTH:
        raise Damage(
            "has graphs within graphs, too many levels deep",
            found=f"more than {MAX_DEPTH}",
            allowed=f"at most {MAX_DEPTH} levels",
        )
    constants = {tensor.name: read(tensor) for tensor in graph.initializer}
    for sparse in graph.sparse_initializer:
        constants[sparse.values.name] = _dense(sparse, read)
    return GraphContent(
        nodes=tuple(_node(node, versions, read, depth) for node in graph.node),
        constants=constants,
        inputs=tuple(port.name for port in graph.input if port.name not in constants),
        outputs=tuple(port.name for port in graph.output),
    )


def _node(node: Any, versions: Mapping[str, int], read: _Reader, depth: int) -> GraphNode:
    domain = "" if node.domain in STANDARD else node.domain
    return GraphNode(
        operation=f"{domain}.{node.op_type}" if domain else node.op_type,
        opset=versions.get(domain, 0),
        name=node.name,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={item.name: _attribute(item, versions, read, depth) for item in node.attribute},
    )


def _attribute(attribute: Any, versions: Mapping[str, int], read: _Reader, depth: int) -> Any:
    from onnx import AttributeProto

    kind = attribute.type
    if kind in (AttributeProto.FLOAT, AttributeProto.INT):
        return attribute.f if kind == AttributeProto.FLOAT else attribute.i
    if kind == AttributeProto.STRING:
        return attribute.s.decode("utf-8", "replace")
    if kind == AttributeProto.TENSOR:
        return read(attribute.t)
    if kind == AttributeProto.SPARSE_TENSOR:
        return _dense(attribute.sparse_tensor, read)
    if kind == AttributeProto.GRAPH:
        return _content(attribute.g, versions, read, depth=depth + 1)
    if kind in (AttributeProto.FLOATS, AttributeProto.INTS):
        return tuple(attribute.floats if kind == AttributeProto.FLOATS else attribute.ints)
    if kind == AttributeProto.STRINGS:
        return tuple(item.decode("utf-8", "replace") for item in attribute.strings)
    return None


def _array_reader(external: Mapping[str, bytes]) -> _Reader:
    from onnx import TensorProto, numpy_helper

    def read(tensor: Any) -> npt.NDArray[Any]:
        if tensor.data_location == TensorProto.EXTERNAL:
            told = {entry.key: entry.value for entry in tensor.external_data}
            data, offset = external[told["location"]], int(told.get("offset") or 0)
            length = int(told.get("length") or len(data) - offset)
            held = TensorProto()
            held.CopyFrom(tensor)
            held.ClearField("external_data")
            held.data_location = TensorProto.DEFAULT
            held.raw_data = data[offset : offset + length]
            tensor = held
        try:
            if min(tensor.dims, default=0) < 0:
                raise ValueError("expected sizes of at least 0")
            return numpy_helper.to_array(tensor)
        except (TypeError, ValueError) as error:
            raise Damage(
                "has a tensor that its numbers do not fill",
                found=f"{tensor.name[:80]!r} of shape {tuple(tensor.dims)}: {error}"[:200],
                allowed="as many numbers as the shape has",
            ) from error

    return read


def _dense(sparse: Any, read: _Reader) -> npt.NDArray[Any]:
    """A sparse tensor with its zeros; its indices count from the front, or are rows of coordinates."""
    import math

    import numpy as np

    from auditbench.models.opening.graph_size import MOST_MADE

    values, indices, shape = read(sparse.values), read(sparse.indices), tuple(sparse.dims)
    if min(shape, default=0) < 0 or math.prod(shape) > MOST_MADE:
        raise Damage("has a sparse tensor that is too large", found=str(shape)[:100], allowed=f"{MOST_MADE:,} numbers")
    dense = np.zeros(shape, dtype=values.dtype)
    try:
        if indices.ndim == 2:
            dense[tuple(indices.T)] = values
        else:
            dense.reshape(-1)[indices] = values
    except (IndexError, ValueError) as error:
        raise Damage(
            "has a sparse tensor whose places are not in it", found=str(error)[:200], allowed=f"places within {shape}"
        ) from error
    return dense
