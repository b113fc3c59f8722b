"""A model behind an address as a network that has outputs and nothing within: no gradients, no layers, no parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.models.endpoint.protocol import most_bytes, read_outputs, request_body
from auditbench.models.endpoint.tensors import tensors_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models.endpoint.client import Client
    from auditbench.models.endpoint.matching import Slot


class EndpointNetwork(nn.Module):
    """The model of a server.

    Rows go out in order, in requests of a fixed number, one request after the other; the outputs of a request are taken
    once, when its answer has been read and checked as a whole. So a row is never lost and never counted twice, however
    often a request had to be sent.

    Attributes:
        client: What asks.
        rows_per_request: Rows of a request.
        version: Of the model that answered first; another one later is an error.
        output: Name of the output that is taken; the only one there is until the first answer names it.
    """

    def __init__(
        self, client: Client, slots: tuple[Slot, ...], *, rows_per_request: int, output: str | None, most_outputs: int
    ) -> None:
        super().__init__()
        self.client = client
        self.rows_per_request = rows_per_request
        self.version: str | None = None
        self.output = output
        self._slots = slots
        self._most_outputs = most_outputs
        self.eval()

    def forward(self, encoded: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs of shape `(rows,)` or `(rows, outputs)`, float64, from rows; of several inputs a tensor each, by name.

        Raises:
            ModelError: The server gives no answer, or one that does not hold the outputs of these rows.
        """
        given = encoded if isinstance(encoded, Mapping) else {slot.source: encoded for slot in self._slots}
        total = len(next(iter(given.values())))
        parts = [
            self._asked({name: rows[start : start + self.rows_per_request] for name, rows in given.items()})
            for start in range(0, total, self.rows_per_request)
        ]
        return torch.from_numpy(np.concatenate(parts))

    def __deepcopy__(self, memo: dict[int, Any]) -> EndpointNetwork:
        """The network itself: what it computes is elsewhere."""
        return self

    def _asked(self, given: Mapping[str, torch.Tensor]) -> npt.NDArray[np.float64]:
        rows = len(next(iter(given.values())))
        tensors = tensors_of(self._slots, given)

        def body(named: str) -> bytes:
            try:
                return request_body(tensors, self.output, named)
            except ValueError:
                self.client.refuse(
                    "a row that goes to the server has a number that is not finite",
                    found="an infinite number, or none",
                    allowed="finite numbers",
                    fix="look for infinite or very large values in the data",
                )

        identity, answer = self.client.infer(body, rows=rows, most=most_bytes(rows, self._most_outputs))
        outputs = read_outputs(
            self.client, answer, identity=identity, rows=rows, output=self.output, most=self._most_outputs
        )
        if self.version is None:
            self.version, self.output = outputs.version, outputs.name
        elif outputs.version != self.version:
            self.client.refuse(
                "another version of the model answered than before",
                found=f"version {outputs.version or 'not told'}",
                allowed=f"version {self.version or 'not told'}",
                fix="name a version in the address, and run the audit again",
            )
        return outputs.values
