"""The scale of outputs is told by the operation that a model ends with, and by nothing less."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from auditbench.models.opening.content import content_kind
from auditbench.models.opening.last_operation import scale_by_last_operation


def graph(*operations: str, domain: str = "", outputs: int = 1) -> bytes:
    """A chain of operations; the last value is given, and with it others where more outputs are asked for."""
    nodes = [
        helper.make_node(name, [f"v{index}"], [f"v{index + 1}"], domain=domain) for index, name in enumerate(operations)
    ]
    given_names = [f"v{len(operations) - place}" for place in range(outputs)]
    model = helper.make_model(
        helper.make_graph(
            [*nodes[1:], *nodes[:1]],
            "main",
            [helper.make_tensor_value_info("v0", TensorProto.FLOAT, ["n", 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in given_names],
            [helper.make_tensor("w", TensorProto.FLOAT, [4], [0.0] * 4)],
        )
    )
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("content", "scale"),
    [
        pytest.param(graph("Gemm", "Sigmoid"), "probability", id="sigmoid"),
        pytest.param(graph("Gemm", "Softmax", "Squeeze", "Identity"), "probability", id="softmax-in-another-shape"),
        pytest.param(graph("Sigmoid", "Gemm"), "logit", id="a-layer"),
        pytest.param(graph("Gemm", "Relu"), "", id="neither"),
        pytest.param(graph("Sigmoid", domain="com.example"), "", id="of-another-domain"),
        pytest.param(graph("Gemm", "Sigmoid", outputs=2), "", id="two-outputs"),
        pytest.param(graph("Identity"), "", id="none"),
    ],
)
def test_of_a_graph(content: bytes, scale: str) -> None:
    assert content_kind(content) == "onnx"
    assert scale_by_last_operation(content, "onnx") == scale


@given(st.binary(max_size=60), st.integers(0, 200))
def test_damaged_graphs_tell_nothing_or_what_is_left(noise: bytes, at: int) -> None:
    whole = graph("Gemm", "Sigmoid")
    assert scale_by_last_operation(whole[:at] + noise + whole[at + len(noise) :], "onnx") in (
        "probability",
        "logit",
        "",
    )
    assert scale_by_last_operation(noise, "keras") == ""


def layer(name: str, activation: Any, kind: str = "Dense") -> dict[str, Any]:
    return {"class_name": kind, "name": name, "config": {"name": name, "activation": activation}}


def keras(kind: str, layers: list[dict[str, Any]], **config: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": kind, "config": {"layers": layers, **config}}))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", b"")
    return buffer.getvalue()


LAYERS = [layer("a", "sigmoid"), layer("b", "linear")]


@pytest.mark.parametrize(
    ("content", "scale"),
    [
        pytest.param(keras("Sequential", LAYERS), "logit", id="last-of-a-sequence"),
        pytest.param(keras("Sequential", LAYERS[::-1]), "probability", id="sigmoid"),
        pytest.param(keras("Sequential", [layer("s", "", "Softmax")]), "probability", id="layer-of-softmax"),
        pytest.param(keras("Sequential", [layer("a", "relu")]), "", id="neither"),
        pytest.param(keras("Sequential", [layer("a", {"class_name": "Own"})]), "", id="no-name"),
        pytest.param(keras("Sequential", []), "", id="no-layer"),
        pytest.param(keras("Functional", LAYERS, output_layers=["a", 0, 0]), "probability", id="output-of-a-network"),
        pytest.param(keras("Functional", LAYERS, output_layers=[["b", 0, 0]]), "logit", id="in-a-list"),
        pytest.param(keras("Functional", LAYERS, output_layers=[["a", 0, 0], ["b", 0, 0]]), "", id="two-outputs"),
        pytest.param(keras("Functional", LAYERS, output_layers=["c", 0, 0]), "", id="no-such-layer"),
    ],
)
def test_of_a_keras_network(content: bytes, scale: str) -> None:
    assert content_kind(content) == "keras"
    assert scale_by_last_operation(content, "keras") == scale


def test_of_other_kinds_nothing_is_told() -> None:
    assert scale_by_last_operation(graph("Gemm", "Sigmoid"), "state-dict") == ""


def test_networks_of_the_onnx_wheel() -> None:
    files = Path(onnx.__file__).parent / "backend/test/data/light"
    told = {path.stem: scale_by_last_operation(path.read_bytes(), "onnx") for path in files.glob("light_*.onnx")}
    assert told.pop("light_densenet121") == ""  # ends with a convolution
    assert set(told.values()) == {"probability"}
    assert len(told) == 8
