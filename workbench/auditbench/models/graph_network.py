"""A graph as a network of torch: a module for each node, through which gradients go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from auditbench.models.graph_steps import GraphSteps

if TYPE_CHECKING:
    from auditbench.models.graph_ports import GraphPorts
    from auditbench.models.opening.graph_content import GraphContent


class InterpretedGraph(GraphSteps):
    """A graph whose operations torch computes. Its layers have the names of its nodes.

    Attributes:
        row_by_row: Whether rows are computed one after the other, so that a layer sees one at a time.
    """

    row_by_row = False

    def __init__(self, content: GraphContent, ports: GraphPorts, *, row_by_row: bool = False) -> None:
        """Make a module of each node.

        Raises:
            UnsupportedOperationError: The graph has something that is not interpreted; see `GraphSteps`.
        """
        super().__init__(content)
        self._ports = ports
        self.row_by_row = row_by_row

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs of shape `(rows, outputs)`, from encoded rows; of several inputs a tensor each, by name."""
        feeds = self._ports.feeds(encoded)
        rows = len(next(iter(feeds.values())))
        if not self.row_by_row or rows == 1:
            return self._first(feeds)
        return torch.cat(
            [self._first({name: item[row : row + 1] for name, item in feeds.items()}) for row in range(rows)]
        )

    def _first(self, feeds: Mapping[str, torch.Tensor]) -> torch.Tensor:
        outputs: torch.Tensor = self.computed(feeds)[0]
        return outputs
