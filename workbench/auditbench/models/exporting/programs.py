"""The network of a bundle as a program: torch's exported program, and the ONNX graph made of it.

Both take the rows behind the encoder, any number of them: float32, and int64 for token ids. Of several inputs they take
a tensor each, by name.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.data.encoding import pack
from auditbench.data.inputs import ModelInput, TextInput
from auditbench.errors import ModelError
from auditbench.models.opening.packages import EXPORTING, require
from auditbench.models.random_rows import random_inputs

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from auditbench.models.subject import ModelUnderTest

OUTPUT_NAME = "outputs"
_EXAMPLE_ROWS = 3
# What torch's exporters say of torch's own code: how they compare arguments, and that its recurrent layers keep a list of
# their weights beside them.
_SAID_OF_ITSELF = (r".*isinstance\(treespec, LeafSpec\).* is deprecated", r"The tensor attributes? .*\._flat_weights")
_MEANT_FOR_DEVELOPERS = ("stack_trace", "source_fn_stack")


def exported_program(model: ModelUnderTest) -> ExportedProgram:
    """The network behind the encoder as torch.export writes it down, on the CPU, for any number of rows.

    Raises:
        ModelError: What it computes depends on its rows in a way that no program can hold.
    """
    network = copy.deepcopy(model.module).cpu().eval()
    if len(model.inputs) > 1:
        network = _NamedInputs(network, model.inputs)
    rows = torch.export.Dim("rows")
    example = random_inputs(model.inputs, _EXAMPLE_ROWS, seed=0)
    given: Any = next(iter(example.values())) if len(example) == 1 else example
    shapes: Any = {0: rows} if len(example) == 1 else {name: {0: rows} for name in example}
    try:
        with _quiet_exporters():
            program = torch.export.export(network, (given,), dynamic_shapes=(shapes,))
    except Exception as error:  # whatever tracing the code of a network raises
        raise _not_exportable(model, error) from error
    for node in program.graph.nodes:  # places in the code of this machine
        for name in _MEANT_FOR_DEVELOPERS:
            node.meta.pop(name, None)
    return program


def pt2_bytes(program: ExportedProgram) -> bytes:
    """The content of a `.pt2` file."""
    buffer = io.BytesIO()
    with _quiet_exporters():
        torch.export.save(program, buffer)
    return buffer.getvalue()


def onnx_bytes(program: ExportedProgram, inputs: Mapping[str, ModelInput]) -> bytes:
    """The content of an ONNX file, whose inputs have the names of the model's.

    Raises:
        MissingDependencyError: The extra `onnx` is not installed.
        ModelError: An operation of the network has no counterpart there, or the file would be larger than its format allows.
    """
    require(EXPORTING, extra="onnx", where="--to onnx")
    try:
        with _quiet_exporters():
            written = torch.onnx.export(
                program,
                (),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=list(inputs),
                output_names=[OUTPUT_NAME],
            )
        if written is None:
            raise RuntimeError("torch.onnx.export gave no program")
        graph = written.model_proto
        _remove_places(graph)
        content: bytes = graph.SerializeToString(deterministic=True)
    except Exception as error:  # whatever the exporter raises
        raise ModelError(
            "the network cannot be written as an ONNX graph",
            where="--to onnx",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}"[:300],
            allowed="operations that ONNX has, and at most 2 GiB",
            fix="use --to pt2, which holds every operation of torch",
        ) from error
    return content


class _NamedInputs(nn.Module):
    """A network of one packed matrix, as one that takes its inputs by name."""

    def __init__(self, network: nn.Module, inputs: Mapping[str, ModelInput]) -> None:
        super().__init__()
        self.network = network
        self._names = tuple(inputs)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`."""
        outputs: torch.Tensor = self.network(pack(inputs[name] for name in self._names))
        return outputs


@contextmanager
def _quiet_exporters() -> Iterator[None]:
    """Without the fused attention of torch, which only computes, and without warnings about the exporters' own code."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            for said in _SAID_OF_ITSELF:
                warnings.filterwarnings("ignore", message=said)
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _remove_places(message: Any) -> None:
    """Take out the notes that the exporter leaves about the code a node came from: paths of this machine are in them."""
    del message.metadata_props[:]
    graph = getattr(message, "graph", message)
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph):
        del part.metadata_props[:]
    for function in getattr(message, "functions", ()):
        _remove_function_places(function)


def _remove_function_places(function: Any) -> None:
    del function.metadata_props[:]
    for node in function.node:
        del node.metadata_props[:]


def _not_exportable(model: ModelUnderTest, error: Exception) -> ModelError:
    tokens = any(isinstance(item, TextInput) for item in model.inputs.values())
    return ModelError(
        "the network cannot be written down as a program",
        where=model.facts.architecture,
        found=f"{type(error).__name__}: {' '.join(str(error).split())}"[:300],
        allowed="a network whose steps do not depend on what is in the rows"
        + (", such as the lengths of texts" if tokens else ""),
        fix="use --to safetensors, which holds the weights alone",
    )
