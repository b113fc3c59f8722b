"""Gradients at the places where operations have a kink or nothing to look at: those of torch, and never NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import ValueInfoProto, helper, numpy_helper

from auditbench.models.graph_steps import GraphSteps
from auditbench.models.opening.graph_content import graph_content
from tests.made_graphs import node

ENDS = {"a": np.float32(0), "b": np.float32(1)}


def slopes(operation: Any, values: torch.Tensor, **constants: Any) -> torch.Tensor:
    """Of the sum of what the operation makes of `x`."""
    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph([operation], "graph", [ValueInfoProto(name="x")], [ValueInfoProto(name="y")], arrays)
    steps = GraphSteps(graph_content(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)]), {}))
    return slopes_of(lambda given: steps.computed({"x": given})[0], values)


def slopes_of(function: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor) -> torch.Tensor:
    values = values.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(values).sum(), values)
    return found


@pytest.mark.parametrize(
    ("operation", "original"),
    [
        pytest.param(node("Clip", ["x", "a", "b"], ["y"]), lambda x: torch.clamp(x, 0, 1), id="clip"),
        pytest.param(node("Clip", ["x", "a"], ["y"]), lambda x: torch.clamp(x, min=0), id="clip-from-below"),
        pytest.param(node("Clip", ["x"], ["y"]), lambda x: x, id="clip-without-ends"),
        pytest.param(node("PRelu", ["x", "k"], ["y"]), lambda x: F.prelu(x, torch.tensor([0.25])), id="prelu"),
        pytest.param(node("Selu", ["x"], ["y"]), F.selu, id="selu"),
    ],
)
def test_at_a_kink_the_slope_is_that_of_torch(operation: Any, original: Callable[[torch.Tensor], torch.Tensor]) -> None:
    values = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    found = slopes(operation, values, **ENDS, k=np.array([0.25], np.float32))
    assert torch.allclose(found, slopes_of(original, values))


@pytest.mark.parametrize(
    "operation",
    [
        node("LpPool", ["x"], ["y"], kernel_shape=[2, 2]),
        node("GlobalLpPool", ["x"], ["y"], p=3),
        node("MeanVarianceNormalization", ["x"], ["y"], axes=[2, 3]),
        node("LpNormalization", ["x"], ["y"]),
        node("ReduceL2", ["x"], ["y"]),
        node("LRN", ["x"], ["y"], size=3),
    ],
    ids=lambda operation: operation.op_type,
)
def test_a_row_of_zeros_has_slopes(operation: Any) -> None:
    """Integrated gradients begin there."""
    assert slopes(operation, torch.zeros(1, 2, 2, 2)).isfinite().all()


def test_a_step_that_may_look_at_nothing_leaves_the_slopes_of_the_others() -> None:
    seen = np.array([[True, True, False], [False, False, False], [True, False, True]])
    attention = node("Attention", ["x", "x", "x", "m"], ["y"])
    steps = torch.randn((1, 1, 3, 2), generator=torch.Generator().manual_seed(0))

    def original(values: torch.Tensor) -> torch.Tensor:
        scores = values @ values.transpose(-1, -2) / np.sqrt(2)
        kept = [0, 2]
        hidden = ~torch.from_numpy(seen[kept])
        return torch.softmax(scores[..., kept, :].masked_fill(hidden, -torch.inf), dim=-1) @ values

    assert torch.allclose(slopes(attention, steps, m=seen), slopes_of(original, steps), atol=1e-6)
