"""Operations of ONNX in torch give what the onnx package says that they give, in each of its backend tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from auditbench.models.graph_steps import GraphSteps, missing_operations
from auditbench.models.opening.graph_content import graph_content
from auditbench.models.opening.runtime import imported_runtime
from auditbench.models.operators import CONTROL, OPERATORS, UnsupportedOperationError
from tests.onnx_cases import as_array, as_tensor, assert_equal, cases_by_operation

EXCLUDED = {
    r"tensors of (float8|float4|u?int[24])": "torch computes nothing with numbers of 8 bits with a point, 4 and 2 bits",
    r"type (1[7-9]|2[0-9]) of tensors": "the same, where a cast asks for them",
    r"tensors of (object|<U)": "texts",
    r"that drops|as in training": "what a network does in training alone, where it draws numbers or changes itself",
}
"""Cases that are refused, by what the refusal says, and why that is right."""
WITHOUT_CASE = {
    "ConcatFromSequence": "test_sequence_model of the packaged models",
    "GlobalLpPool": "test_norms_over_all_places below",
    "SequenceAt": "test_sequence_model of the packaged models",
    "SequenceConstruct": "test_sequence_model of the packaged models",
    "SequenceEmpty": "test_sequence_model of the packaged models",
    "SequenceErase": "test_a_part_of_a_sequence_is_taken_out below",
    "SequenceLength": "test_a_part_of_a_sequence_is_taken_out below",
}
"""Operations that no backend test ends with, and what tests them."""
PACKAGED = Path(onnx.__file__).parent / "backend" / "test" / "data"
OLDER = "operations of versions below 7, which onnxruntime does not promise to compute"


def computed(model: Any, inputs: list[Any]) -> tuple[Any, ...]:
    content = graph_content(model, {})
    with torch.no_grad():
        return GraphSteps(content).computed(dict(zip(content.inputs, map(as_tensor, inputs), strict=False)))


def computed_or_refused(model: Any, inputs: list[Any]) -> tuple[tuple[Any, ...], str]:
    try:
        return computed(model, inputs), ""
    except UnsupportedOperationError as error:
        return (), str(error)


@pytest.mark.parametrize("operation", sorted({*OPERATORS, *CONTROL}))
def test_an_operation_gives_what_the_backend_tests_expect(operation: str) -> None:
    passed = 0
    for case in cases_by_operation()[operation]:
        if missing_operations(graph_content(case.model, {})):
            continue
        for inputs, outputs in case.data_sets:
            found, refused = computed_or_refused(case.model, inputs)
            if refused:
                assert any(re.search(pattern, refused) for pattern in EXCLUDED), f"{case.name}: {refused}"
                continue
            for one, other in zip(found, outputs, strict=True):
                with named(case.name):
                    assert_equal(one, as_array(other), rtol=case.rtol, atol=case.atol)
            passed += 1
    assert bool(passed) == (operation not in WITHOUT_CASE)


def test_hardly_a_case_of_what_is_interpreted_is_left_out() -> None:
    known = {*OPERATORS, *CONTROL}
    cases = [case for name, found in cases_by_operation().items() if name in known for case in found]
    left_out = [case.name for case in cases if missing_operations(graph_content(case.model, {}))]
    assert len(cases) > 1600
    assert len(left_out) < 60, left_out


@pytest.mark.parametrize("folder", sorted(PACKAGED.glob("*/test_*/model.onnx")), ids=lambda path: path.parent.name)
def test_a_packaged_model_gives_its_outputs(folder: Path) -> None:
    model = onnx.ModelProto.FromString(folder.read_bytes())
    if missing := missing_operations(graph_content(model, {})):
        strange = {"StringNormalizer", "ai.onnx.preview.training.Gradient"} & set(missing)
        assert strange or model.opset_import[0].version < 7, f"{missing}: neither text nor training, and no {OLDER}"
        return
    for data in folder.parent.glob("test_data_set_*"):
        inputs = [read(path) for path in sorted(data.glob("input_*.pb"), key=number_of)]
        outputs = [read(path) for path in sorted(data.glob("output_*.pb"), key=number_of)]
        for one, other in zip(computed(model, inputs), outputs, strict=True):
            assert_equal(one, as_array(other), rtol=1e-3, atol=1e-6)


@contextmanager
def named(case: str) -> Iterator[None]:
    """Say which case an error is of."""
    try:
        yield
    except AssertionError as error:
        error.add_note(case)
        raise


def read(path: Path) -> Any:
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


def number_of(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def model_of(*nodes: Any, inputs: str, outputs: str) -> Any:
    ports = {name: onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs + outputs}
    graph = onnx.helper.make_graph(nodes, "graph", [ports[name] for name in inputs], [ports[name] for name in outputs])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])


def test_norms_over_all_places() -> None:
    model = model_of(onnx.helper.make_node("GlobalLpPool", ["x"], ["y"], p=3), inputs="x", outputs="y")
    values = torch.randn(2, 3, 4, 5)
    (found,) = computed(model, [values.numpy()])
    assert torch.allclose(found[:, :, 0, 0], (values.abs() ** 3).sum(dim=(2, 3)) ** (1 / 3))


@pytest.mark.parametrize(("place", "left"), [(0, 2.0), (-1, 1.0), (None, 1.0)])
def test_a_part_of_a_sequence_is_taken_out(place: int | None, left: float) -> None:
    nodes = [onnx.helper.make_node("SequenceConstruct", ["x", "y"], ["both"])]
    taken = ["both"]
    if place is not None:
        nodes.append(onnx.helper.make_node("Constant", [], ["place"], value_int=place))
        taken.append("place")
    nodes += [
        onnx.helper.make_node("SequenceErase", taken, ["one"]),
        onnx.helper.make_node("SequenceLength", ["one"], ["n"]),
        onnx.helper.make_node("ConcatFromSequence", ["one"], ["z"], axis=0),
    ]
    found, count = computed(model_of(*nodes, inputs="xy", outputs="zn"), [np.ones(1), np.full(1, 2.0)])
    assert (found.tolist(), int(count)) == ([left], 1)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_normalization_by_channels_around_has_more_of_them_behind(size: int) -> None:
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.5, beta=0.6, bias=2.0)
    values = np.random.default_rng(0).normal(size=(2, 6, 3, 1))
    (found,) = computed(model_of(node, inputs="x", outputs="y"), [values])
    for channel in range(6):
        around = slice(max(0, channel - (size - 1) // 2), channel + size // 2 + 1)
        squares = (values[:, around] ** 2).sum(axis=1)
        expected = values[:, channel] / (2.0 + 0.5 / size * squares) ** 0.6
        assert np.allclose(found[:, channel].numpy(), expected)


BEFORE, BEHIND = -(2**62), 2**62
"""Places that lie in front of any tensor, and behind."""


@pytest.mark.parametrize("step", [-3, -1, 1, 2])
@pytest.mark.parametrize("start", [BEFORE, -2, 0, 3, BEHIND])
def test_a_slice_is_that_of_onnxruntime(start: int, step: int) -> None:
    for end in (BEFORE, -5, -1, 0, 2, BEHIND):
        nodes = [
            onnx.helper.make_node("Constant", [], [name], value_ints=[number])
            for name, number in {"a": start, "b": end, "i": 0, "s": step}.items()
        ]
        nodes.append(onnx.helper.make_node("Slice", ["x", "a", "b", "i", "s"], ["y"]))
        rows = [np.arange(size, dtype=np.float32) for size in (0, 1, 4)]
        assert_as_onnxruntime(model_of(*nodes, inputs="x", outputs="y"), *rows)


@pytest.mark.parametrize("factor", [0.3, 0.7, 1.3, 2.6])
@pytest.mark.parametrize("opset", [10, 20])
def test_a_size_that_a_factor_gives_is_rounded_as_in_onnxruntime(factor: float, opset: int) -> None:
    """Five times 2.6 is 13 in float32, and less in float64 of the number that float32 has for it."""
    scales = onnx.helper.make_node("Constant", [], ["s"], value=numpy_helper.from_array(np.float32([1, 1, 1, factor])))
    taken = ["x", "s"] if opset == 10 else ["x", "", "s"]
    model = model_of(scales, onnx.helper.make_node("Resize", taken, ["y"], mode="linear"), inputs="x", outputs="y")
    model.opset_import[0].version = opset
    assert_as_onnxruntime(model, *(np.arange(size, dtype=np.float32)[None, None, None] for size in (5, 10)))


def assert_as_onnxruntime(model: Any, *inputs: Any) -> None:
    model.ir_version = 9
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.ClearField("shape")
    session = imported_runtime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for values in inputs:
        (expected,), (found,) = session.run(None, {"x": values}), computed(model, [values])
        assert_equal(found, expected, rtol=1e-6, atol=1e-6)
