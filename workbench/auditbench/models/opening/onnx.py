"""ONNX files: a graph of operations that onnxruntime computes, in a session that gives the same bits each time.

A graph that draws random numbers is refused, since no setting of a session makes those the same. The bytes that are hashed
are the bytes that are computed, those of external data included. No operations but those of onnxruntime are registered.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditbench.models.opening.content import content_kind, refuse_other_kind
from auditbench.models.opening.files import Damage, read_file, refusing, sha256_of
from auditbench.models.opening.graph_content import GraphContent, graph_content
from auditbench.models.opening.graph_size import refuse_inflation
from auditbench.models.opening.limits import MAX_GRAPH_BYTES, MAX_TENSORS
from auditbench.models.opening.packages import require_for
from auditbench.models.opening.random_operations import refuse_random
from auditbench.models.opening.runtime import ERRORS_ALONE, imported_runtime
from auditbench.models.threads import suitable_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPort:
    """An input or output of a graph.

    Attributes:
        kind: As onnxruntime names it: `tensor(float)`, `tensor(int64)`.
        shape: A whole number where a size is fixed, None where it is not.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedGraph:
    """A graph that can be computed.

    Attributes:
        session: onnxruntime's `InferenceSession`.
        content: Its nodes and constants, for whoever computes it otherwise.
        sha256: Over the file and its external data.
        numbers: Numbers in its constant tensors of floating point: a measure of its size, and no count of what was
            learned, since weights may stand there as integers, and constants that nobody learned beside them.
        opset: Version of the standard operations that it is made of.
    """

    session: Any
    content: GraphContent
    inputs: tuple[GraphPort, ...]
    outputs: tuple[GraphPort, ...]
    sha256: str
    numbers: int
    opset: int


def open_graph(path: Path) -> OpenedGraph:
    """A session for the graph in a file.

    It computes on the CPU, one operation after the other, with threads by the size of the network and torch's own
    number, by the ways of computing that give the same bits each time.

    Raises:
        MissingDependencyError: onnx or onnxruntime is not installed.
        ModelError: It is no ONNX file, is damaged, larger than its format allows, names external data that are not
            beside it, draws random numbers, becomes far larger than its file, or has operations that onnxruntime does not know.
    """
    require_for("onnx", where=str(path))
    content = read_file(path, most=MAX_GRAPH_BYTES)
    with refusing(path):
        refuse_other_kind(path, content_kind(content), "onnx")
        model = _parsed(content)
        refuse_random(model)
        refuse_inflation(model)
        tensors = list(_tensors(model))
        external = _external_files(tensors, path.parent)
        numbers = sum(math.prod(tensor.dims) for tensor in tensors if tensor.data_type in _floating_types())
        session = _session(content, external, numbers)
        return OpenedGraph(
            session=session,
            content=graph_content(model, external),
            inputs=tuple(map(_port, session.get_inputs())),
            outputs=tuple(map(_port, session.get_outputs())),
            sha256=_digest(content, external),
            numbers=numbers,
            opset=max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0),
        )


def _parsed(content: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(content)
    except DecodeError as error:
        raise Damage(
            "is not a complete ONNX file", found=str(error)[:200], allowed="a file that was copied completely"
        ) from error


def _tensors(model: Any) -> Iterator[Any]:
    """Every constant tensor, those of subgraphs, functions and training included."""
    graphs = [model.graph]
    for training in model.training_info:
        graphs += [training.initialization, training.algorithm]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes += graph.node
            continue
        for attribute in nodes.pop().attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (
                *attribute.sparse_tensors,
                *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
            ):
                yield from (sparse.values, sparse.indices)
            graphs += attribute.graphs
            if attribute.HasField("g"):
                graphs.append(attribute.g)


def _floating_types() -> frozenset[int]:
    from onnx import TensorProto

    return frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16})


def _external_files(tensors: list[Any], folder: Path) -> dict[str, bytes]:
    """The files that tensors lie in, by the name that the graph gives them.

    Raises:
        Damage: A name leads out of the folder, or a tensor lies beyond the end of its file.
        ModelError: There is no such file.
    """
    from onnx import TensorProto

    if len(tensors) > MAX_TENSORS:
        raise Damage("has more tensors than a model", found=f"{len(tensors):,}", allowed=f"at most {MAX_TENSORS:,}")
    files: dict[str, bytes] = {}
    for tensor in tensors:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        told = {entry.key: entry.value for entry in tensor.external_data}
        name = told.get("location", "")
        if name in ("", ".", "..") or "\\" in name or "\0" in name or Path(name).name != name:
            raise Damage(
                "names external data that do not lie beside it",
                found=repr(name)[:160],
                allowed="the plain name of a file in the folder of the graph",
                fix="write the graph with its data in one file: onnx.save_model(model, FILE)",
            )
        if name not in files:
            files[name] = read_file(folder / name, fix="copy the external data into the folder of the graph")
        _check_place(told, tensor, len(files[name]))
    return files


def _check_place(told: Mapping[str, str], tensor: Any, size: int) -> None:
    try:
        offset = int(told.get("offset") or 0)
        length = int(told.get("length") or size - offset)
    except ValueError:
        offset, length = -1, 0
    if offset < 0 or length < 0 or offset + length > size:
        raise Damage(
            "names external data that its file does not have",
            found=f"{tensor.name[:80]!r} at byte {told.get('offset', 0)}, {told.get('length', 'all')} bytes long"[:200],
            allowed=f"a place within the {size:,} bytes of the file",
        )


def _session(content: bytes, external: Mapping[str, bytes], numbers: int) -> Any:
    import torch

    onnxruntime = imported_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = suitable_threads(numbers, torch.get_num_threads())
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = ERRORS_ALONE
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights of 8 bits are multiplied in float32, as the graph says; left alone, rows are rounded to 8 bits as well.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    if external:
        options.add_external_initializers_from_files_in_memory(
            list(external), list(external.values()), [len(data) for data in external.values()]
        )
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common class that it names
        raise Damage(
            "cannot be computed by onnxruntime",
            found=" ".join(str(error).split())[:300],
            allowed="a valid graph of operations that onnxruntime has itself; no others are registered",
            fix="export the model again, with operations of the standard alone",
        ) from error


def _port(argument: Any) -> GraphPort:
    shape = tuple(size if isinstance(size, int) else None for size in argument.shape)
    return GraphPort(name=argument.name, kind=argument.type, shape=shape)


def _digest(content: bytes, external: Mapping[str, bytes]) -> str:
    if not external:
        return sha256_of(content)
    parts = [sha256_of(content), *(f"{name} {sha256_of(data)}" for name, data in sorted(external.items()))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
