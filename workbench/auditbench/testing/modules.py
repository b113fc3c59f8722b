"""The modules of the toy subjects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Linear64(nn.Module):
    """`encoded @ weights.T + bias` in float64, with frozen parameters and in evaluation mode."""

    def __init__(self, weights: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float64), requires_grad=False)
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64), requires_grad=False)
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, float64, from rows of any shape."""
        return encoded.double().flatten(1) @ self.weights.T + self.bias


class TokenSum64(Linear64):
    """The weights of the tokens of a text, added up, plus `bias`; weights have one column a token id."""

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, float64, from token ids of shape `(rows, length)`."""
        return functional.embedding(encoded, self.weights.T).sum(dim=1) + self.bias


class Joined64(nn.Module):
    """The outputs of one module an input, added up."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.eval()

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, float64, from encoded inputs by name."""
        outputs: torch.Tensor = torch.stack([part(inputs[name]) for name, part in self.parts.items()]).sum(dim=0)
        return outputs


class Additive64(nn.Module):
    """`2 line + square^2 + |bend|` of rows of four numbers, in float64; the fourth plays no part."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(2.0, dtype=torch.float64), requires_grad=False)
        self.eval()

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, 1)`, float64, from numbers of shape `(rows, 4)`."""
        line, square, bend, _ = encoded.double().unbind(dim=1)
        return (self.slope * line + square**2 + bend.abs()).unsqueeze(1)


def xor_network() -> nn.Sequential:
    """`4 |left - right| - 2` of rows of three numbers, as two ReLU units, in evaluation mode and frozen."""
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)).eval().requires_grad_(False)
    state = {
        "0.weight": torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]),
        "0.bias": torch.zeros(2),
        "2.weight": torch.full((1, 2), 4.0),
        "2.bias": torch.tensor([-2.0]),
    }
    network.load_state_dict(state)
    return network
