"""Graphs that ask for more than a file of their size may: refused when they are opened, or left to onnxruntime's limits."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from auditbench.errors import ModelError
from auditbench.models.graph_steps import GraphSteps
from auditbench.models.opening import graph_content as content_of
from auditbench.models.opening.files import Damage
from auditbench.models.opening.graph_content import graph_content
from auditbench.models.opening.onnx import OpenedGraph, open_graph
from tests.made_graphs import WEIGHT, chosen, made, node

TERA = 2**40
END = node("MatMul", ["x", "w"], ["y"])


@contextmanager
def at_most(mebibytes: int) -> Iterator[None]:
    """Show that the peak memory of this process grows by no more."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < mebibytes * 1024


def opened(model: Any, folder: Path) -> OpenedGraph:
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return open_graph(path)


def constant(*numbers: int) -> Any:
    return node("Constant", [], ["size"], value=numpy_helper.from_array(np.array(numbers, np.int64)))


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([constant(TERA), node("ConstantOfShape", ["size"], ["h"])], id="constant-of-shape"),
        pytest.param([constant(2**20, 2**20), node("ConstantOfShape", ["size"], ["h"])], id="product"),
        pytest.param([constant(TERA, 1, 3), node("Expand", ["x", "size"], ["h"])], id="expand"),
        pytest.param([constant(TERA, 1), node("Tile", ["x", "size"], ["h"])], id="tile"),
    ],
)
@pytest.mark.parametrize("place", ["graph", "branch", "function"])
def test_a_tensor_of_terabytes_is_refused_before_it_is_made(nodes: list[Any], place: str, tmp_path: Path) -> None:
    model = made(END)
    if place == "graph":
        model = made(*nodes, END)
    if place == "branch":
        out = [helper.make_tensor_value_info("h", TensorProto.FLOAT, None)]
        inner = helper.make_graph(nodes, "inner", [], out)
        model = made(
            node("If", ["c"], ["z"], then_branch=inner, else_branch=inner), END, constants={"c": np.array(True)}
        )
    if place == "function":
        own = helper.make_function("own", "Huge", ["x"], ["h"], nodes, [helper.make_opsetid("", 20)])
        model = made(node("Huge", ["x"], ["h"], domain="own"), END, functions=[own], domains=["own"])
    with at_most(50), pytest.raises(ModelError, match="makes a tensor that is too large"):
        opened(model, tmp_path)


def doubling(levels: int) -> Any:
    """A function that calls another twice, which calls another twice, and so on."""
    functions = []
    for level in range(levels):
        inner = (
            [node("Add", ["a", "a"], ["b"])]
            if level == 0
            else [
                node(f"F{level - 1}", ["a"], ["m"], domain="own"),
                node(f"F{level - 1}", ["m"], ["b"], domain="own"),
            ]
        )
        imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
        functions.append(helper.make_function("own", f"F{level}", ["a"], ["b"], inner, imports))
    return made(node(f"F{levels - 1}", ["x"], ["h"], domain="own"), END, functions=functions, domains=["own"])


def test_functions_that_double_forty_times_are_refused(tmp_path: Path) -> None:
    with (
        at_most(50),
        pytest.raises(ModelError, match="more operations than a model once its functions are written out"),
    ):
        opened(doubling(40), tmp_path)


def test_functions_that_call_each_other_a_few_times_are_opened(tmp_path: Path) -> None:
    assert len(opened(doubling(5), tmp_path).content.nodes) == 2**4 + 1


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    own = helper.make_function("own", "F", ["a"], ["b"], [node("F", ["a"], ["b"], domain="own")], imports)
    model = made(node("F", ["x"], ["h"], domain="own"), END, functions=[own], domains=["own"])
    with pytest.raises(ModelError, match="has a function that calls itself"):
        opened(model, tmp_path)


def test_functions_within_a_thousand_others_are_refused_or_opened_without_a_crash(tmp_path: Path) -> None:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    functions = [
        helper.make_function(
            "own", f"F{level}", ["a"], ["b"], [node(f"F{level + 1}", ["a"], ["b"], domain="own")], imports
        )
        for level in range(3000)
    ]
    functions.append(helper.make_function("own", "F3000", ["a"], ["b"], [node("Neg", ["a"], ["b"])], imports))
    model = made(node("F0", ["x"], ["h"], domain="own"), END, functions=functions, domains=["own"])
    with pytest.raises(ModelError, match="too many levels deep"):
        opened(model, tmp_path)


def test_graphs_within_graphs_are_read_to_a_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    def nested(levels: int) -> Any:
        out = [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
        graph = helper.make_graph([node("Neg", ["x"], ["b"])], "inner", [], out)
        for _ in range(levels):
            graph = helper.make_graph(
                [node("If", ["c"], ["b"], then_branch=graph, else_branch=graph)], "outer", [], out
            )
        return made(*graph.node, END, constants={"c": np.array(True)})

    monkeypatch.setattr(content_of, "MAX_DEPTH", 3)
    graph_content(nested(3), {})
    with pytest.raises(Damage, match="too many levels deep"):
        graph_content(nested(4), {})


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([node("ConstantOfShape", ["s"], ["y"])], id="constant-of-shape"),
        pytest.param([node("Expand", ["x", "e"], ["y"])], id="expand"),
        pytest.param([node("Tile", ["x", "s"], ["y"])], id="tile"),
        pytest.param([node("Range", ["zero", "tera", "one"], ["y"])], id="range"),
        pytest.param([node("Pad", ["x", "p"], ["y"])], id="pad"),
        pytest.param([node("Resize", ["x", "", "", "s"], ["y"])], id="resize"),
        pytest.param([node("OneHot", ["zero", "tera", "pair"], ["y"])], id="one-hot"),
        pytest.param([node("CenterCropPad", ["x", "s"], ["y"])], id="center-crop-pad"),
        pytest.param(
            [node("Range", ["zero", "mega", "one"], ["r"]), node("Unsqueeze", ["r", "one1"], ["c"]),
             node("Add", ["r", "c"], ["y"])],
            id="row-and-column",
        ),
        pytest.param(
            [node("Range", ["zero", "mega", "one"], ["r"]), node("Unsqueeze", ["r", "one1"], ["c"]),
             node("Where", ["t", "r", "c"], ["y"])],
            id="where",
        ),
        pytest.param(
            [node("Range", ["zero", "mega", "one"], ["r"]), node("Unsqueeze", ["r", "one1"], ["c"]),
             node("Unsqueeze", ["r", "none"], ["d"]), node("MatMul", ["c", "d"], ["y"])],
            id="outer-product",
        ),
        pytest.param([node("Range", ["zero", "mega", "one"], ["r"]), node("Einsum", ["r", "r"], ["y"], equation="i, j -> ij")],
                     id="einsum"),
        pytest.param([node("Range", ["zero", "mega", "one"], ["r"]),
                      node("Einsum", ["r", "r", "r", "r"], ["y"], equation="i,j,i,j->")], id="einsum-on-the-way"),
        pytest.param([node("Range", ["zero", "mega", "one"], ["r"]), node("Unsqueeze", ["r", "one1"], ["c"]),
                      node("Einsum", ["r", "c"], ["y"], equation="...,...")], id="einsum-of-dots"),
        pytest.param([node("ConstantOfShape", ["half"], ["h"]), node("Concat", ["h", "h", "h"], ["y"], axis=0)], id="concat"),
        pytest.param([node("Reshape", ["x", "four"], ["i"]), node("AveragePool", ["i"], ["y"], kernel_shape=[1, 1],
                                                                  pads=[0, 2**20, 0, 2**30])], id="pads-of-pooling"),
        pytest.param([node("Reshape", ["x", "four"], ["i"]), node("Conv", ["i", "i"], ["y"], pads=[2**20] * 4)],
                     id="pads-of-a-convolution"),
    ],
)  # fmt: skip
def test_sizes_that_are_computed_are_bounded_before_memory_is_taken(nodes: list[Any]) -> None:
    constants = {
        "s": np.array([2**20, 2**20]),
        "e": np.array([2**30, 2, 3]),
        "p": np.array([0, 0, 2**20, 2**30]),
        "zero": np.int64(0),
        "one": np.int64(1),
        "one1": np.array([1]),
        "mega": np.int64(2**20),
        "tera": np.int64(TERA),
        "pair": np.array([0.0, 1.0], np.float32),
        "t": np.array(True),
        "none": np.array([0]),
        "half": np.array([2**29]),
        "four": np.array([1, 1, 2, 3]),
    }
    steps = GraphSteps(graph_content(made(*nodes, constants=constants), {}))
    with at_most(100), torch.no_grad(), pytest.raises(ValueError, match=r"at most 1,073,741,824 numbers"):
        steps.computed({"x": torch.zeros(2, 3)})


def loop(rounds: int | None, goes_on: Any) -> Any:
    """A network that turns the sign of its rows again and again, as long as a node says, and multiplies them."""
    ports = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
    ]
    out = [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("n", TensorProto.FLOAT, None),
    ]
    body = helper.make_graph([goes_on, node("Neg", ["v"], ["n"])], "body", ports, out)
    again = node("Loop", ["m" if rounds else "", "t", "x"], ["l"], body=body)
    constants = {"m": np.int64(rounds or 0), "t": np.array(True), "two": np.int64(2)}
    return made(again, node("MatMul", ["l", "w"], ["y"]), constants=constants)


@pytest.mark.parametrize("rounds", [None, 2**60, 20_000])
def test_a_loop_without_end_ends(rounds: int | None) -> None:
    steps = GraphSteps(graph_content(loop(rounds, node("Identity", ["go"], ["on"])), {}))
    with pytest.raises(ValueError, match="at most 10,000 rounds"):
        steps.computed({"x": torch.zeros(2, 3)})


@pytest.mark.parametrize("rounds", [None, 2**60])
def test_a_loop_without_end_is_refused_before_onnxruntime_computes_it(rounds: int | None, tmp_path: Path) -> None:
    with pytest.raises(Damage, match="has a loop that does not end"):
        chosen(loop(rounds, node("Identity", ["go"], ["on"])), tmp_path)


@pytest.mark.parametrize("rounds", [None, 2**60])
def test_a_loop_that_its_condition_ends_is_computed(rounds: int | None, tmp_path: Path) -> None:
    choice, _ = chosen(loop(rounds, node("Less", ["i", "two"], ["on"])), tmp_path)
    assert choice.network is not None
    assert torch.equal(choice.network(torch.ones(1, 3)), -torch.from_numpy(WEIGHT).sum(0)[None])


def test_nodes_of_one_name_are_told_apart_one_by_one() -> None:
    nodes = [node("Neg", ["x" if at == 0 else f"v{at - 1}"], [f"v{at}"], name="n") for at in range(20_000)]
    steps = GraphSteps(graph_content(made(*nodes, END), {}))
    assert list(dict(steps.named_children()))[-2] == "n_20000"


def test_a_recurrent_layer_of_a_billion_steps_ends() -> None:
    nodes = [node("Expand", ["k", "s"], ["e"]), node("RNN", ["e", "a", "a"], ["y"], hidden_size=1)]
    constants = {"k": np.ones((1, 1, 1), np.float32), "s": np.array([2**29, 1, 1]), "a": np.ones((1, 1, 1), np.float32)}
    steps = GraphSteps(graph_content(made(*nodes, constants=constants), {}))
    with at_most(100), pytest.raises(ValueError, match="at most 100,000 steps"):
        steps.computed({"x": torch.zeros(2, 3)})


@pytest.mark.parametrize("dims", [[3, 3], [-1, 2], [2**40, 2**40], [2]])
def test_a_tensor_with_other_numbers_than_its_shape_is_refused(dims: list[int], tmp_path: Path) -> None:
    model = made(END)
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises(ModelError):
        opened(model, tmp_path)
    with pytest.raises(Damage, match="has a tensor that its numbers do not fill"):
        graph_content(model, {})


def test_a_sparse_tensor_of_terabytes_is_refused() -> None:
    model = made(END)
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "sparse"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))
    sparse.dims.extend([2**20, 2**20])
    with pytest.raises(Damage, match="has a sparse tensor that is too large"):
        graph_content(model, {})


def test_indices_outside_are_an_error_and_read_nothing() -> None:
    steps = GraphSteps(graph_content(made(node("Gather", ["w", "i"], ["y"]), constants={"i": np.array([7])}), {}))
    with pytest.raises(IndexError, match="expected indices from -3 to 2, got 7 to 7"):
        steps.computed({"x": torch.zeros(1, 3)})
