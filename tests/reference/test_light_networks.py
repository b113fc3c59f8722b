"""Nine large image networks that the onnx package brings, by their outputs that it brings, and by onnxruntime's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from auditbench.models.graph_steps import GraphSteps
from auditbench.models.opening.onnx import open_graph

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = sorted(path.stem for path in FOLDER.glob("light_*.onnx"))
LARGE = {"light_vgg19"}  # makes 140 million weights, 1.4 GiB in all
SHAPE = (1, 3, 224, 224)


def test_all_nine_are_there() -> None:
    assert len(NAMES) == 9


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.nightly if name in LARGE else ()) for name in NAMES]
)
def test_a_network_gives_its_shipped_outputs(name: str) -> None:
    graph = open_graph(FOLDER / f"{name}.onnx")
    count = int(np.prod(SHAPE))
    ramp = (np.arange(count).reshape(SHAPE) / count).astype(np.float32)
    shipped = numpy_helper.to_array(TensorProto.FromString((FOLDER / f"{name}_output_0.pb").read_bytes()))
    with torch.no_grad():
        (found,) = GraphSteps(graph.content).computed({graph.content.inputs[0]: torch.from_numpy(ramp)})
    assert np.allclose(found.numpy(), shipped, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", ["light_squeezenet", "light_shufflenet", "light_inception_v2"])
def test_with_drawn_weights_it_gives_what_onnxruntime_gives(name: str, tmp_path: Path) -> None:
    """The weights that are shipped are all alike, so that they would hide channels that are exchanged."""
    path = tmp_path / "drawn.onnx"
    path.write_bytes(with_drawn_weights(FOLDER / f"{name}.onnx").SerializeToString())
    graph = open_graph(path)
    images = torch.rand(SHAPE, requires_grad=True)
    (found,) = GraphSteps(graph.content).computed({graph.content.inputs[0]: images})
    (expected,) = graph.session.run(None, {graph.inputs[0].name: images.detach().numpy()})
    assert found.detach().std() > 1e-6
    assert np.allclose(found.detach().numpy(), expected, atol=1e-5)
    (slope,) = torch.autograd.grad(found.square().sum(), images)
    assert slope.isfinite().all()
    assert (slope != 0).any()


def with_drawn_weights(path: Path) -> Any:
    """The network with weights in the place of the nodes that make them: positive where they are variances."""
    model = onnx.ModelProto.FromString(path.read_bytes())
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    variances = {node.input[4] for node in model.graph.node if node.op_type == "BatchNormalization"}
    generator = np.random.default_rng(0)
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(shapes[node.input[0]])
        drawn = generator.normal(size=shape) / np.sqrt(max(np.prod(shape[1:]), 1))
        if node.output[0] in variances:
            drawn = np.abs(drawn) + 0.5
        model.graph.initializer.append(numpy_helper.from_array(drawn.astype(np.float32), node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model
