"""Models that are ONNX graphs: a black box that onnxruntime computes on the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.data.inputs import TextInput, encoded_size
from auditbench.digests import digest_of
from auditbench.errors import ModelError
from auditbench.models.batching import batch_rows
from auditbench.models.declared import interface_of
from auditbench.models.formats import ModelRequest, program_file
from auditbench.models.opening.onnx import GraphPort, OpenedGraph, open_graph
from auditbench.models.wrapping import Origin, inputs_in_words, wrap_network
from auditbench.record import plain

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.subject import ModelUnderTest

_KINDS = {"tensor(float)": torch.float32, "tensor(int64)": torch.int64}


def load_graph(request: ModelRequest) -> ModelUnderTest:
    """Open an ONNX graph, alone or in the folder of an export, and wrap it.

    Whatever device is asked for, it computes on the CPU.

    Raises:
        DataError: The data do not give features or classes, and no model.json does.
        MissingDependencyError: onnx or onnxruntime is not installed.
        ModelError: It is no such graph, or it does not take the rows.
    """
    path = program_file(request.table, request.path)
    interface = interface_of(request)
    graph = open_graph(path)
    network = GraphNetwork(graph, interface.inputs, where=str(path))
    description = {"graph": graph.sha256, "interface": plain(interface)}
    model = wrap_network(
        network,
        interface,
        Origin(
            name=request.table.name,
            format="onnx",
            architecture=f"graph of opset {graph.opset}" + (", computed row by row" if network.row_by_row else ""),
            digest=digest_of(description),
        ),
        device="cpu",
        capabilities=("black_box",),
    )
    return dataclasses.replace(
        model,
        facts=dataclasses.replace(model.facts, parameters=None),
        batch_rows=batch_rows(encoded_size(interface.inputs), graph.numbers, "cpu"),
    )


class GraphNetwork(nn.Module):
    """A graph as a network that has outputs and nothing within: no gradients, no layers, no parameters.

    Attributes:
        row_by_row: Whether the graph was exported for one row, so that rows are computed one after the other.
    """

    def __init__(self, graph: OpenedGraph, inputs: Mapping[str, ModelInput], *, where: str) -> None:
        """Find out which input of the graph takes what.

        Args:
            inputs: What the network takes, by name; of several the graph has inputs of these names.
            where: The file, for an error.

        Raises:
            ModelError: The graph has other inputs than the network takes, or not one output.
        """
        super().__init__()
        self._session = graph.session
        self._ports = _ports_by_input(graph.inputs, inputs, where)
        for name, port in self._ports.items():
            _check_port(port, inputs[name], inputs, where)
        fixed = {port.shape[0] for port in self._ports.values()} - {None}
        if fixed - {1}:
            raise _refused(
                f"takes {' and '.join(map(str, sorted(fixed, key=str)))} rows at a time, and no others",
                _in_words(graph.inputs),
                "any number of rows, or one",
                where,
                fix="export it again with a dynamic first dimension",
            )
        self.row_by_row = bool(fixed)
        self.eval()
        if len(graph.outputs) != 1 or graph.outputs[0].kind != "tensor(float)":
            raise _refused(
                "has other outputs than one of floating point",
                _in_words(graph.outputs),
                "one output, tensor(float) of shape (rows, outputs)",
                where,
                fix="cut the graph at the output that is meant: onnx.utils.extract_model",
            )

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs of shape `(rows, outputs)`, float32, from encoded rows; of several inputs a tensor each, by name."""
        given = encoded if isinstance(encoded, Mapping) else dict.fromkeys(self._ports, encoded)
        feeds = {
            port.name: given[name].detach().to(_KINDS[port.kind]).cpu().contiguous().numpy()
            for name, port in self._ports.items()
        }
        rows = len(next(iter(feeds.values())))
        if not self.row_by_row or rows == 1:
            return self._computed(feeds)
        parts = [{name: array[row : row + 1] for name, array in feeds.items()} for row in range(rows)]
        return torch.cat([self._computed(part) for part in parts])

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphNetwork:
        """The network itself: a session keeps nothing from call to call, and cannot be copied."""
        return self

    def _computed(self, feeds: Mapping[str, Any]) -> torch.Tensor:
        (outputs,) = self._session.run(None, dict(feeds))
        return torch.from_numpy(outputs)


def _ports_by_input(ports: tuple[GraphPort, ...], inputs: Mapping[str, ModelInput], where: str) -> dict[str, GraphPort]:
    if len(ports) == len(inputs) == 1:
        return {next(iter(inputs)): ports[0]}
    by_name = {port.name: port for port in ports}
    if set(by_name) != set(inputs):
        raise _refused(
            "has other inputs than the model takes",
            _in_words(ports),
            f"inputs of these names: {', '.join(inputs)}" if len(inputs) > 1 else "one input",
            where,
            fix="export it so that it takes the encoded rows, or declare [data.inputs.NAME] for each input by its name"
            if len(inputs) > 1
            else "declare each input by its name in [data.inputs.NAME], or export a network of one input",
        )
    return {name: by_name[name] for name in inputs}


def _check_port(port: GraphPort, item: ModelInput, inputs: Mapping[str, ModelInput], where: str) -> None:
    """Refuse an input of another type or shape than the encoded rows have."""
    tokens = isinstance(item, TextInput)
    if port.kind not in _KINDS or (port.kind == "tensor(int64)" and not tokens):
        raise _refused(
            "takes numbers of a type that the rows are not encoded in",
            _in_words((port,)),
            "tensor(int64) or tensor(float)" if tokens else "tensor(float)",
            where,
            fix="export it with such an input",
        )
    rows_shape = port.shape[1:]
    fits = len(port.shape) == len(item.shape) + 1 and all(
        given in (None, size) for given, size in zip(rows_shape, item.shape, strict=True)
    )
    if not fits:
        raise _refused(
            "takes rows of another shape than the data have",
            _in_words((port,)),
            f"rows of shape {item.shape}; {inputs_in_words(inputs)}",
            where,
            fix="pass the columns that the model was trained on, or export it for these rows",
        )


def _in_words(ports: tuple[GraphPort, ...]) -> str:
    """`features tensor(float) (rows, 4)`; a size that is not fixed is `any`."""
    return "; ".join(
        f"{port.name} {port.kind} ({', '.join('any' if size is None else str(size) for size in port.shape)})"
        for port in ports
    )[:300]


def _refused(what: str, found: str, allowed: str, where: str, *, fix: str) -> ModelError:
    return ModelError(f"the graph {what}", where=where, found=found, allowed=allowed, fix=fix)
