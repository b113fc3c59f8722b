"""ONNX files alone: what they take and give by their own word, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from auditbench.data import FeatureSpec, ImageInput, ModelInput, TableInput, TextInput
from auditbench.errors import MissingDependencyError, ModelError
from auditbench.models.graphs import GraphNetwork
from auditbench.models.opening import onnx as opening
from auditbench.models.opening import packages
from auditbench.models.opening.onnx import open_graph

WEIGHT = np.array([[1.0], [-2.0], [0.5]], dtype=np.float32)
BIAS = np.array([0.25], dtype=np.float32)
TABLE = {
    "features": TableInput(
        features=tuple(
            FeatureSpec(name=name, kind="number", start=index, stop=index + 1) for index, name in enumerate("abc")
        )
    )
}
NARROW = {"features": TableInput(features=TABLE["features"].features[:2])}
TEXT = {"text": TextInput(unit="words", vocabulary=("w",), length=3)}


def gemm(rows: int | str = "rows", kind: int = TensorProto.FLOAT) -> Any:
    """`features @ WEIGHT + BIAS`, behind a cast where the input is not float32."""
    nodes = [helper.make_node("Gemm", ["cast", "weight", "bias"], ["outputs"])]
    nodes.insert(0, helper.make_node("Cast", ["features"], ["cast"], to=TensorProto.FLOAT))
    return model_of(
        nodes,
        [helper.make_tensor_value_info("features", kind, [rows, 3])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, [rows, 1])],
    )


def model_of(nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> Any:
    constants = [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializer=constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def written(folder: Path, model: Any, name: str = "net.onnx") -> Path:
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def network(path: Path, inputs: dict[str, ModelInput]) -> GraphNetwork:
    return GraphNetwork(open_graph(path), inputs, where=str(path))


def rows(count: int) -> torch.Tensor:
    return torch.randn((count, 3), generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("count", [1, 2, 57])
def test_outputs_are_those_of_the_formula(tmp_path: Path, count: int) -> None:
    given = rows(count)
    found = network(written(tmp_path, gemm()), TABLE)(given)
    assert found.dtype == torch.float32
    assert torch.allclose(found, given @ torch.from_numpy(WEIGHT) + torch.from_numpy(BIAS), atol=1e-6)


def test_a_graph_says_what_it_is(tmp_path: Path) -> None:
    graph = open_graph(written(tmp_path, gemm()))
    assert (graph.numbers, graph.opset) == (4, 20)
    assert [(port.name, port.kind, port.shape) for port in graph.inputs] == [("features", "tensor(float)", (None, 3))]


def test_a_graph_for_one_row_is_computed_row_by_row(tmp_path: Path) -> None:
    one, any_number = network(written(tmp_path, gemm(1)), TABLE), network(written(tmp_path, gemm(), "any.onnx"), TABLE)
    assert one.row_by_row
    assert not any_number.row_by_row
    assert torch.equal(one(rows(5)), any_number(rows(5)))


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.FLOAT], ids=["int64", "float32"])
def test_token_ids_are_given_in_the_type_that_the_graph_declares(tmp_path: Path, kind: int) -> None:
    ids = torch.tensor([[2, 1, 0], [1, 1, 2]])
    found = network(written(tmp_path, gemm(kind=kind)), dict(TEXT))(ids)
    assert torch.allclose(found, ids.float() @ torch.from_numpy(WEIGHT) + torch.from_numpy(BIAS))


def test_several_inputs_are_found_by_name(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("b", "a")]
    model = model_of(
        [helper.make_node("Sub", ["a", "b"], ["outputs"])],
        inputs,
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["rows", 3])],
    )
    named = {"a": TABLE["features"], "b": TABLE["features"]}
    found = network(written(tmp_path, model), dict(named))({"a": rows(4), "b": rows(5)[:4]})
    assert torch.equal(found, rows(4) - rows(5)[:4])


@pytest.mark.parametrize(
    ("model", "inputs", "told"),
    [
        pytest.param(gemm(4), TABLE, ("takes 4 rows at a time", "features tensor(float) (4, 3)"), id="fixed-rows"),
        pytest.param(gemm(), NARROW, ("takes rows of another shape", "2 columns in the data: a, b"), id="width"),
        pytest.param(
            gemm(),
            {"image": ImageInput(channels=1, height=3, width=1, mean=(0.0,), scale=(1.0,))},
            ("takes rows of another shape", "(1, 3, 1)"),
            id="rank",
        ),
        pytest.param(
            gemm(kind=TensorProto.INT64), TABLE, ("takes numbers of a type", "allowed: tensor(float)"), id="integers"
        ),
        pytest.param(gemm(kind=TensorProto.DOUBLE), TABLE, ("takes numbers of a type", "tensor(double)"), id="doubles"),
        pytest.param(
            model_of(
                [helper.make_node("Sub", ["a", "b"], ["outputs"])],
                [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in "ab"],
                [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["rows", 3])],
            ),
            TABLE,
            ("has other inputs", "a tensor(float) (any, 3); b", "[data.inputs.NAME]"),
            id="two-inputs",
        ),
        pytest.param(
            model_of(
                [helper.make_node(kind, ["features"], [kind]) for kind in ("Abs", "Neg")],
                [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 3])],
                [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("Abs", "Neg")],
            ),
            TABLE,
            ("has other outputs", "Abs tensor(float) (any, 3); Neg"),
            id="two-outputs",
        ),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(
    tmp_path: Path, model: Any, inputs: dict[str, ModelInput], told: tuple[str, ...]
) -> None:
    path = written(tmp_path, model)
    with pytest.raises(ModelError) as refused:
        network(path, inputs)
    text = refused.value.describe()
    assert str(path) in text
    assert all(part in text for part in told), text
    assert "fix: " in text


def with_external(location: str, *, offset: int = 0, length: int | None = 12, where: str = "graph") -> Any:
    """A graph whose weight lies in another file."""
    model = gemm()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": offset, "length": length}.items():
        if value is not None:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
    if where == "subgraph":
        inner = helper.make_graph([], "inner", [], [], initializer=[tensor])
        model = gemm()
        model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner))
    return model


def test_external_data_beside_the_graph_are_read_and_hashed(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    path = written(tmp_path, with_external("weights.bin"))
    first = open_graph(path)
    found = GraphNetwork(first, dict(TABLE), where="")(rows(4))
    assert torch.allclose(found, rows(4) @ torch.from_numpy(WEIGHT) + torch.from_numpy(BIAS), atol=1e-6)
    (tmp_path / "weights.bin").write_bytes((WEIGHT * 2).tobytes())
    assert open_graph(path).sha256 != first.sha256


@pytest.mark.parametrize("where", ["graph", "subgraph"])
@pytest.mark.parametrize("location", ["/etc/hostname", "../secret.bin", "folder/weights.bin", "..", "", "a\\b"])
def test_external_data_elsewhere_are_refused(tmp_path: Path, location: str, where: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(12))
    (tmp_path / "home").mkdir()
    path = written(tmp_path / "home", with_external(location, where=where))
    with pytest.raises(ModelError, match="names external data that do not lie beside it") as refused:
        open_graph(path)
    assert repr(location) in refused.value.problems[0].found


def test_a_link_is_no_external_data(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").symlink_to("/etc/hostname")
    with pytest.raises(ModelError, match="not a regular file"):
        open_graph(written(tmp_path, with_external("weights.bin")))


@pytest.mark.parametrize(("offset", "length"), [(4, 12), (0, 13), (-1, 4), (0, -1), (99, None)])
def test_external_data_beyond_their_file_are_refused(tmp_path: Path, offset: int, length: int | None) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    with pytest.raises(ModelError, match="names external data that its file does not have"):
        open_graph(written(tmp_path, with_external("weights.bin", offset=offset, length=length)))


def test_operations_of_nobody_are_refused(tmp_path: Path) -> None:
    model = gemm()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Launder", "custom.example"
    model.opset_import.append(helper.make_opsetid("custom.example", 1))
    with pytest.raises(ModelError, match="cannot be computed by onnxruntime") as refused:
        open_graph(written(tmp_path, model))
    assert "Launder" in refused.value.problems[0].found


FLAGS = {
    "false": numpy_helper.from_array(np.array(False), "flag"),
    "true": numpy_helper.from_array(np.array(True), "flag"),
}


def random_graph(*nodes: Any, place: str = "graph", flag: str = "") -> Any:
    """A graph with these nodes behind its input, in the graph itself, in both branches of an `If`, or in a function."""
    model = gemm()
    found = [helper.make_node("Cast", ["features"], ["given"], to=TensorProto.FLOAT), *nodes]
    if place == "function":
        imports = [helper.make_opsetid("", 20)]
        model.functions.append(helper.make_function("own", "Own", ["features"], ["drawn"], found, imports))
        model.opset_import.append(helper.make_opsetid("own", 1))
        found = [helper.make_node("Own", ["features"], ["drawn"], domain="own")]
    if place == "branch":
        out = [helper.make_tensor_value_info("drawn", TensorProto.FLOAT, None)]
        inner = helper.make_graph(found, "inner", [], out)
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "condition"))
        found = [helper.make_node("If", ["condition"], ["chosen"], then_branch=inner, else_branch=inner)]
    if flag:
        model.graph.initializer.append(FLAGS[flag])
    model.graph.node.extend(found)
    return model


RATIO = helper.make_node("Constant", [], ["ratio"], value=numpy_helper.from_array(np.float32(0.5)))
DROPOUT = helper.make_node("Dropout", ["given", "ratio", "flag"], ["drawn"])


@pytest.mark.parametrize("place", ["graph", "branch", "function"])
@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("RandomNormalLike", ["given"], ["drawn"]),
        helper.make_node("RandomUniformLike", ["given"], ["drawn"], seed=1.0),
        helper.make_node("RandomNormal", [], ["drawn"], shape=[1]),
        helper.make_node("RandomUniform", [], ["drawn"], shape=[1]),
        helper.make_node("Bernoulli", ["given"], ["drawn"]),
        helper.make_node("Multinomial", ["given"], ["drawn"]),
    ],
    ids=lambda node: node.op_type,
)
def test_a_graph_that_draws_random_numbers_is_refused(tmp_path: Path, node: Any, place: str) -> None:
    with pytest.raises(ModelError, match="draws random numbers") as refused:
        open_graph(written(tmp_path, random_graph(node, place=place)))
    (problem,) = refused.value.problems
    assert problem.found.startswith(node.op_type)
    assert "model.eval()" in problem.fix


@pytest.mark.parametrize("place", ["graph", "branch"])
@pytest.mark.parametrize("flag", ["true", "false"])
def test_dropout_is_refused_where_it_drops(tmp_path: Path, place: str, flag: str) -> None:
    path = written(tmp_path, random_graph(RATIO, DROPOUT, place=place, flag=flag))
    if flag == "true":
        with pytest.raises(ModelError, match="draws random numbers"):
            open_graph(path)
    else:
        open_graph(path)


@pytest.mark.parametrize("value", [True, False])
def test_dropout_by_a_constant_in_a_function(tmp_path: Path, value: bool) -> None:
    constant = helper.make_node("Constant", [], ["flag"], value=numpy_helper.from_array(np.array(value)))
    path = written(tmp_path, random_graph(RATIO, constant, DROPOUT, place="function"))
    if value:
        with pytest.raises(ModelError, match="draws random numbers"):
            open_graph(path)
    else:
        open_graph(path)


def test_dropout_by_what_is_computed_or_means_two_things_is_refused(tmp_path: Path) -> None:
    negated = helper.make_node("Not", ["other"], ["flag"])
    other = helper.make_node("Constant", [], ["other"], value=numpy_helper.from_array(np.array(False)))
    with pytest.raises(ModelError, match="draws random numbers"):
        open_graph(written(tmp_path, random_graph(other, negated, RATIO, DROPOUT)))
    model = random_graph(RATIO, DROPOUT, place="function", flag="false")
    model.functions[0].input.append("flag")
    with pytest.raises(ModelError, match="draws random numbers"):
        open_graph(written(tmp_path, model))


def test_dropout_that_is_not_asked_to_drop_is_computed(tmp_path: Path) -> None:
    dropped = random_graph(helper.make_node("Dropout", ["given"], ["drawn"]))
    assert open_graph(written(tmp_path, dropped)).numbers == open_graph(written(tmp_path, gemm())).numbers


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_part_of_a_file_is_refused(tmp_path: Path, keep: float) -> None:
    content = gemm().SerializeToString()
    with pytest.raises(ModelError):
        open_graph(written(tmp_path, content[: math.floor(len(content) * keep)]))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is of another kind than"):
        open_graph(written(tmp_path, b"<html></html>"))


def test_a_file_larger_than_its_format_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_GRAPH_BYTES", 10)
    with pytest.raises(ModelError, match="is too large"):
        open_graph(written(tmp_path, gemm()))


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == absent else object())
    with pytest.raises(MissingDependencyError) as refused:
        open_graph(written(tmp_path, gemm()))
    assert absent in refused.value.args[0]
    assert "pip install 'auditbench[onnx]'" in refused.value.describe()


def test_equal_rows_give_equal_bits_whatever_the_batch(tmp_path: Path) -> None:
    found = network(written(tmp_path, gemm()), TABLE)
    given = rows(300)
    whole = found(given)
    for size in (1, 7, 32, 64):
        assert torch.equal(torch.cat([found(given[start : start + size]) for start in range(0, 300, size)]), whole)
