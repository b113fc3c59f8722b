"""Models that are ONNX graphs: networks of torch where their operations are interpreted, and else black boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditbench.data.inputs import PADDING, encoded_size
from auditbench.digests import digest_of
from auditbench.models.batching import batch_rows
from auditbench.models.declared import interface_of
from auditbench.models.formats import ModelRequest, program_file
from auditbench.models.graph_choice import choose_network
from auditbench.models.graph_ports import fit_ports
from auditbench.models.opening.files import refusing
from auditbench.models.opening.onnx import OpenedGraph, open_graph
from auditbench.models.own_tokens import as_made, own_padding
from auditbench.models.wrapping import Origin, wrap_network
from auditbench.paths import is_folder_there
from auditbench.record import plain

if TYPE_CHECKING:
    from auditbench.data.inputs import ModelInput
    from auditbench.models.subject import ModelUnderTest


def load_graph(request: ModelRequest) -> ModelUnderTest:
    """Open an ONNX graph, alone or in the folder of an export, and wrap it.

    Where an operation is not interpreted, or what is interpreted gives other outputs, onnxruntime computes it on the CPU,
    whatever device is asked for.

    Raises:
        DataError: The data do not give features or classes, and no model.json does.
        MissingDependencyError: onnx or onnxruntime is not installed.
        ModelError: It is no such graph, or it does not take the rows.
    """
    path = program_file(request.table, request.path)
    interface = interface_of(request)
    graph = open_graph(path)
    exported_here = is_folder_there(request.path)
    padding = PADDING if exported_here else own_padding(interface.inputs)
    black_box = GraphNetwork(graph, interface.inputs, where=str(path), padding=padding)
    ports = black_box.ports
    with refusing(path):
        choice = choose_network(graph.content, ports, black_box, interface.inputs, interface.output, request.device)
    network = choice.network or black_box
    device = request.device if choice.network is not None else "cpu"
    model = wrap_network(
        as_made(network, interface.inputs, exported_here=exported_here),
        interface,
        Origin(
            name=request.table.name,
            format="onnx",
            architecture=f"graph of opset {graph.opset}" + (", computed row by row" if network.row_by_row else ""),
            digest=digest_of({"graph": graph.sha256, "interface": plain(interface)}),
            where=str(path),
        ),
        device=device,
        capabilities=choice.capabilities,
        limits=choice.limits,
    )
    return dataclasses.replace(
        model,
        facts=dataclasses.replace(model.facts, parameters=None),
        batch_rows=batch_rows(encoded_size(interface.inputs), graph.numbers, device),
    )


class GraphNetwork(nn.Module):
    """A graph as a network that has outputs and nothing within: no gradients, no layers, no parameters.

    Attributes:
        row_by_row: Whether the graph was exported for one row, so that rows are computed one after the other.
    """

    def __init__(
        self, graph: OpenedGraph, inputs: Mapping[str, ModelInput], *, where: str, padding: int | None = PADDING
    ) -> None:
        """Find out which input of the graph takes what.

        Args:
            inputs: What the network takes, by name; of several the graph has inputs of these names.
            where: The file, for an error.
            padding: The id that stands behind a text; None where its tokenizer names none.

        Raises:
            ModelError: The graph does not fit; see `fit_ports`.
        """
        super().__init__()
        self._session = graph.session
        self.ports = fit_ports(graph, inputs, where=where, padding=padding)
        self.row_by_row = self.ports.one_row
        self.eval()

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs of shape `(rows, outputs)`, float32, from encoded rows; of several inputs a tensor each, by name."""
        feeds = {name: item.detach().cpu().contiguous().numpy() for name, item in self.ports.feeds(encoded).items()}
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
