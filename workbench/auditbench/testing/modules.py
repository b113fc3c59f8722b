"""The module of the toy subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

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
        """Outputs, shape `(rows, outputs)`, float64."""
        return encoded.double() @ self.weights.T + self.bias
