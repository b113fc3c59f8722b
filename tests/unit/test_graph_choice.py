"""Which graphs torch computes, and which ones stay with onnxruntime and why."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from auditbench.data import ImageInput
from auditbench.models import operators
from auditbench.models.graph_choice import choose_network
from auditbench.models.graph_ports import fit_ports
from auditbench.models.graph_steps import GraphSteps
from auditbench.models.graphs import GraphNetwork
from auditbench.models.opening.graph_content import graph_content
from auditbench.models.opening.onnx import GraphPort, OpenedGraph, open_graph
from auditbench.models.operators import UnsupportedOperationError
from auditbench.models.packing import UnpackedNetwork
from tests.made_graphs import NUMBERS, WEIGHT, chosen, made, node

ALL = ("gradients", "hooks", "layers", "black_box")
PLAIN = made(node("MatMul", ["x", "w"], ["m"]), node("Relu", ["m"], ["y"]))


def rows(count: int) -> torch.Tensor:
    return torch.randn((count, 3), generator=torch.Generator().manual_seed(count))


def test_a_graph_of_known_operations_is_computed_by_torch(tmp_path: Path) -> None:
    choice, box = chosen(PLAIN, tmp_path)
    assert choice.network is not None
    assert (choice.capabilities, choice.limits) == (ALL, ())
    given = rows(4).requires_grad_()
    found = choice.network(given)
    assert torch.allclose(found, box(given), atol=1e-6)
    (slope,) = torch.autograd.grad(found[:, 0].sum(), given)
    active = (given.detach() @ torch.from_numpy(WEIGHT))[:, :1] > 0
    assert torch.equal(slope, active * torch.from_numpy(WEIGHT[:, 0]))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        pytest.param(
            made(node("MatMul", ["x", "w"], ["m"]), node("Gelu", ["m"], ["y"], domain="com.microsoft"),
                 domains=["com.microsoft"]),
            "com.microsoft.Gelu", id="of-another-domain",
        ),
        pytest.param(
            made(node("Unique", ["x"], ["u"]), node("Size", ["u"], ["n"]), node("Cast", ["n"], ["f"], to=1),
                 node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "f"], ["y"])),
            "Unique", id="unknown",
        ),
        pytest.param(
            made(node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "k"], ["y"], name="sum"),
                 node("StringConcat", ["t", "t"], ["s"]), node("Identity", ["s"], ["q"]),
                 constants={"k": np.ones(2, np.float32), "t": np.array(["a"], dtype=object)}),
            "StringConcat", id="texts",
        ),
    ],
)  # fmt: skip
def test_an_operation_that_is_missing_is_named(model: Any, told: str, tmp_path: Path) -> None:
    choice, box = chosen(model, tmp_path)
    assert choice.network is None
    assert choice.capabilities == ("black_box",)
    (limit,) = choice.limits
    assert limit.key == "core.model_graph_operation_missing"
    assert limit.values["operations"] == told
    assert box(rows(2)).shape == (2, 2)


def test_an_operation_that_computes_something_else_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**operators.OPERATORS, "MatMul": {1: lambda _, first, second: 1.0001 * (first @ second)}}
    monkeypatch.setattr(operators, "OPERATORS", wrong)
    choice, _ = chosen(PLAIN, tmp_path)
    assert choice.network is None
    (limit,) = choice.limits
    assert limit.key == "core.model_graph_differs"
    assert limit.values["difference"] == pytest.approx(1e-4, rel=0.1)
    assert limit.values["tolerance"] == 1e-5


def test_an_operation_that_fails_is_named_with_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("nothing works\nat all")

    monkeypatch.setattr(operators, "OPERATORS", {**operators.OPERATORS, "MatMul": {1: failing}})
    choice, _ = chosen(made(node("MatMul", ["x", "w"], ["y"], name="/net/product")), tmp_path)
    assert choice.network is None
    (limit,) = choice.limits
    assert (limit.key, dict(limit.values)) == (
        "core.model_graph_fails",
        {"node": "net_product", "error": "nothing works"},
    )


def test_an_output_of_another_shape_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**operators.OPERATORS, "MatMul": {1: lambda _, first, second: (first @ second)[:, :1]}}
    monkeypatch.setattr(operators, "OPERATORS", wrong)
    choice, _ = chosen(PLAIN, tmp_path)
    assert [limit.key for limit in choice.limits] == ["core.model_graph_differs_in_shape"]


def test_a_graph_that_onnxruntime_cannot_compute_stays_with_it(tmp_path: Path) -> None:
    model = made(
        node("Reshape", ["x", "s"], ["r"]), node("MatMul", ["r", "w"], ["y"]), constants={"s": np.array([2, 3])}
    )
    choice, box = chosen(model, tmp_path)
    assert (choice.network, choice.capabilities) == (None, ("black_box",))
    (limit,) = choice.limits
    assert limit.key == "core.model_graph_not_compared"
    assert "Reshape" in str(limit.values["error"])
    assert box(rows(2)).shape == (2, 2)


def test_a_graph_for_one_row_takes_batches_where_that_is_the_same(tmp_path: Path) -> None:
    choice, box = chosen(made(node("MatMul", ["x", "w"], ["y"]), rows=1), tmp_path)
    assert box.row_by_row
    assert choice.network is not None
    assert not choice.network.row_by_row
    assert (choice.capabilities, choice.limits) == (ALL, ())
    assert torch.allclose(choice.network(rows(5)), box(rows(5)), atol=1e-6)


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([node("Reshape", ["x", "s"], ["r"]), node("MatMul", ["r", "w"], ["y"])], id="refuses-batches"),
        pytest.param(
            [
                node("ReduceMean", ["x"], ["r"], axes=[0]),
                node("MatMul", ["r", "w"], ["m"]),
                node("Add", ["m", "z"], ["y"]),
            ],
            id="mixes-rows",
        ),
    ],
)
def test_a_graph_for_one_row_is_else_computed_row_by_row(nodes: list[Any], tmp_path: Path) -> None:
    constants = {"s": np.array([1, 3]), "z": np.zeros((1, 2), np.float32)}
    choice, box = chosen(made(*nodes, constants=constants, rows=1, opset=17), tmp_path)
    assert choice.network is not None
    assert choice.network.row_by_row
    assert choice.capabilities == ("gradients", "black_box")
    assert [limit.key for limit in choice.limits] == ["core.model_graph_row_by_row"]
    given = rows(4).requires_grad_()
    found = choice.network(given)
    assert torch.allclose(found, box(given), atol=1e-6)
    (slope,) = torch.autograd.grad(found[:, 1].sum(), given)
    assert torch.allclose(slope, torch.from_numpy(WEIGHT[:, 1]).expand(4, 3))


def test_a_graph_that_rounds_offers_no_gradients(tmp_path: Path) -> None:
    model = made(
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("MatMul", ["d", "w"], ["y"]),
        constants={"s": np.float32(0.05), "z": np.int8(0)},
    )
    choice, _ = chosen(model, tmp_path)
    assert choice.network is not None
    assert choice.capabilities == ("hooks", "layers", "black_box")
    assert [limit.key for limit in choice.limits] == ["core.model_graph_rounds"]


def test_weights_of_8_bits_leave_the_gradients(tmp_path: Path) -> None:
    model = made(
        node("DequantizeLinear", ["q", "s"], ["d"]),
        node("MatMul", ["x", "d"], ["y"]),
        constants={"s": np.float32(0.05), "q": np.array([[1, 2], [-3, 4], [5, -6]], np.int8)},
    )
    choice, _ = chosen(model, tmp_path)
    assert choice.capabilities == ALL


def test_functions_of_the_file_are_written_out(tmp_path: Path) -> None:
    own = helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    model = made(
        node("MatMul", ["x", "w"], ["m"]), node("Twice", ["m"], ["y"], domain="own"), functions=[own], domains=["own"]
    )
    choice, _ = chosen(model, tmp_path)
    assert choice.capabilities == ALL
    assert choice.network is not None
    assert torch.allclose(choice.network(rows(3)), 2 * rows(3) @ torch.from_numpy(WEIGHT), atol=1e-6)


@pytest.mark.parametrize("positive", [True, False])
def test_a_branch_uses_values_around_it(positive: bool, tmp_path: Path) -> None:
    def branch(operation: str) -> Any:
        out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
        return helper.make_graph([node(operation, ["m"], ["b"])], operation, [], [out])

    model = made(
        node("MatMul", ["x", "w"], ["m"]),
        node("ReduceSum", ["x"], ["t"], keepdims=0),
        node("Greater" if positive else "Less", ["t", "t"], ["c"]),
        node("Not", ["c"], ["n"]),
        node("If", ["n" if positive else "c"], ["y"], then_branch=branch("Neg"), else_branch=branch("Exp")),
    )
    choice, _ = chosen(model, tmp_path)
    assert choice.network is not None
    outputs = rows(2) @ torch.from_numpy(WEIGHT)
    assert torch.allclose(choice.network(rows(2)), -outputs if positive else outputs.exp(), atol=1e-6)


def test_layers_have_names_of_their_own(tmp_path: Path) -> None:
    model = made(
        node("MatMul", ["x", "w"], ["a"], name="forward"),
        node("Relu", ["a"], ["b"], name="/block.0/act"),
        node("Relu", ["b"], ["c"], name="block_0_act"),
        node("Relu", ["c"], ["d"]),
        node("Relu", ["d"], ["y"], name="constants"),
    )
    choice, _ = chosen(model, tmp_path)
    assert choice.network is not None
    names = [name for name, _ in choice.network.named_children()]
    assert names == ["constants", "forward_2", "block_0_act", "block_0_act_2", "Relu_3", "constants_2"]


def test_a_node_may_have_the_name_of_an_attribute(tmp_path: Path) -> None:
    choice, _ = chosen(made(node("MatMul", ["x", "w"], ["y"], name="row_by_row")), tmp_path)
    assert choice.capabilities == ALL


def test_several_inputs_are_interpreted_as_one_matrix_outside(tmp_path: Path) -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("b", "a")]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3])]
    graph = helper.make_graph([node("Mul", ["a", "b"], ["m"]), node("Sub", ["m", "b"], ["y"])], "graph", ports, outputs)
    path = tmp_path / "two.onnx"
    imports = [helper.make_opsetid("", 20)]
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())
    inputs = {"a": NUMBERS["features"], "b": NUMBERS["features"]}
    opened = open_graph(path)
    box = GraphNetwork(opened, inputs, where=str(path))
    choice = choose_network(opened.content, box.ports, box, inputs, "logit", "cpu")
    assert choice.network is not None
    packed = torch.randn(4, 6, requires_grad=True)
    found = UnpackedNetwork(copy.deepcopy(choice.network), inputs)(packed)
    assert torch.allclose(found, packed[:, :3] * packed[:, 3:] - packed[:, 3:])
    (slope,) = torch.autograd.grad(found.sum(), packed)
    assert torch.allclose(slope, torch.cat([packed[:, 3:], packed[:, :3] - 1], dim=1))


def test_values_are_let_go_after_their_last_use(tmp_path: Path) -> None:
    choice, _ = chosen(PLAIN, tmp_path)
    assert choice.network is not None
    gone = [let_go for *_, let_go in choice.network._steps]
    assert [set(names) for names in gone] == [{"x", "w"}, {"m"}]


def test_constants_of_a_graph_within_are_held_once() -> None:
    out = [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    own = numpy_helper.from_array(WEIGHT, "own")
    branch = helper.make_graph([node("MatMul", ["x", "own"], ["b"])], "branch", [], out, initializer=[own])
    choice = node("If", ["c"], ["y"], then_branch=branch, else_branch=branch, name="choice")
    steps = GraphSteps(graph_content(made(choice, constants={"c": np.array(True)}), {}))
    assert torch.equal(steps.computed({"x": rows(2)})[0], rows(2) @ torch.from_numpy(WEIGHT))
    assert dict(steps.get_submodule("choice")._node.attributes) == {}  # type: ignore[union-attr]
    assert sum(tensor.numel() for tensor in steps.parameters()) == 3 * WEIGHT.size


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([node("Relu", ["nowhere"], ["y"])], "takes 'nowhere'"),
        ([node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["a"]), node("MatMul", ["x", "w"], ["y"])], "takes 'a'"),
        ([node("MatMul", ["x", "w"], ["y"]), node("Relu", ["y"], ["y"])], "gives 'y'"),
        ([node("Relu", ["x"], ["z"])], "no node gives the output 'y'"),
    ],
    ids=["missing", "cycle", "twice", "no-output"],
)
def test_names_that_lead_nowhere_are_not_interpreted(nodes: list[Any], told: str) -> None:
    with pytest.raises(UnsupportedOperationError, match=told):
        GraphSteps(graph_content(made(*nodes), {}))


def test_channels_are_moved_behind_where_the_graph_wants_them_there() -> None:
    image = ImageInput(channels=3, height=4, width=5, mean=(0.0,) * 3, scale=(1.0,) * 3)
    for shape, last in (((None, 4, 5, 3), True), ((None, None, None, 3), True), ((None, 3, 4, 5), False)):
        graph = OpenedGraph(
            session=None,
            content=None,  # type: ignore[arg-type]
            inputs=(GraphPort(name="x", kind="tensor(float)", shape=shape),),
            outputs=(GraphPort(name="y", kind="tensor(float)", shape=(None, 2)),),
            sha256="",
            numbers=0,
            opset=20,
        )
        ports = fit_ports(graph, {"image": image}, where="net.onnx")
        assert (ports.channels_last == {"image"}) is last
        given = torch.randn(2, 3, 4, 5)
        expected = given.permute(0, 2, 3, 1) if last else given
        assert torch.equal(ports.feeds(given)["x"], expected)
