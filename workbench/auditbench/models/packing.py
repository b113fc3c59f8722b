"""Networks of several inputs: one matrix outside, tensors by name inside."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from auditbench.data.inputs import ModelInput, TextInput
from auditbench.models.architectures.networks.checkpointing import CheckpointedNetwork


class UnpackedNetwork(CheckpointedNetwork):
    """A network of several inputs that takes the matrix which `PackedEncoder` makes of them.

    Explainers mask and differentiate one tensor, whatever the network takes.
    """

    def __init__(self, network: nn.Module, inputs: Mapping[str, ModelInput]) -> None:
        super().__init__()
        self.network, self.training = network, network.training
        self._shapes = {name: item.shape for name, item in inputs.items()}
        self._tokens = frozenset(name for name, item in inputs.items() if isinstance(item, TextInput))

    def forward(self, packed: torch.Tensor) -> torch.Tensor:
        """Outputs of shape `(rows, outputs)`, from shape `(rows, numbers of all inputs)`."""
        parts = torch.split(packed, [math.prod(shape) for shape in self._shapes.values()], dim=1)
        inputs = {}
        for (name, shape), part in zip(self._shapes.items(), parts, strict=True):
            shaped = part.reshape(part.shape[0], *shape)
            inputs[name] = shaped.round().to(torch.int64) if name in self._tokens else shaped
        outputs: torch.Tensor = self.network(inputs)
        return outputs
