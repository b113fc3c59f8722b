"""ONNX graphs made by hand, of three numbers a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from auditbench.data import FeatureSpec, ModelInput, TableInput
from auditbench.models.graph_choice import GraphChoice, choose_network
from auditbench.models.graphs import GraphNetwork
from auditbench.models.opening.onnx import open_graph

WEIGHT = np.array([[1.0, 0.5], [-2.0, 1.5], [0.5, -1.0]], dtype=np.float32)
NUMBERS: Mapping[str, ModelInput] = {
    "features": TableInput(
        features=tuple(FeatureSpec(name=name, kind="number", start=at, stop=at + 1) for at, name in enumerate("abc"))
    )
}

node = helper.make_node


def made(
    *nodes: Any,
    constants: Mapping[str, Any] | None = None,
    rows: int | str = "rows",
    functions: Sequence[Any] = (),
    domains: Sequence[str] = (),
    opset: int = 20,
) -> Any:
    """A model from `x`, of shape `(rows, 3)`, to `y`; `w` is `WEIGHT`."""
    arrays = {"w": WEIGHT, **(constants or {})}
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 2])],
        initializer=[numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=9)


def chosen(model: Any, folder: Path) -> tuple[GraphChoice, GraphNetwork]:
    """What computes a model, and the black box that it was compared with."""
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    graph = open_graph(path)
    box = GraphNetwork(graph, NUMBERS, where=str(path))
    return choose_network(graph.content, box.ports, box, NUMBERS, "logit", "cpu"), box
