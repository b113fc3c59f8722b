"""Games as their definitions have them, one coalition and one row at a time, and small models to play them with."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Numbers = npt.NDArray[np.float64]
Outputs = Callable[[torch.Tensor], torch.Tensor]


def mlp(inputs: int, outputs: int = 1, *, hidden: int = 8, seed: int = 0, gain: float = 1.0) -> nn.Sequential:
    """Two hidden layers, in evaluation mode; a larger gain makes higher interactions."""
    generator = torch.Generator().manual_seed(seed)
    layers = nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, outputs)
    )
    with torch.no_grad():
        for layer in (layers[0], layers[2], layers[4]):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * gain / layer.in_features**0.5)
            layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.3)
    return layers.eval()


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def tokens(*shape: int, vocabulary: int = 9, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, vocabulary, shape, generator=torch.Generator().manual_seed(seed))


def masked(row: torch.Tensor, replacement: torch.Tensor, groups: torch.Tensor, kept: Any) -> torch.Tensor:
    """The row, each entry of a hidden player replaced; an entry of nobody stays."""
    stays = torch.tensor([*kept, True])[groups]  # the last is what -1, nobody, points to
    return torch.where(stays, row, replacement)


def outputs_of(model: Outputs, rows: torch.Tensor) -> torch.Tensor:
    """Outputs of shape `(rows, outputs)`, float64, from one row at a time."""
    with torch.no_grad():
        outputs = torch.cat([model(row) for row in rows.split(1)]).double()
    return outputs.unsqueeze(1) if outputs.ndim == 1 else outputs


def naive_shapley(
    model: Outputs, row: torch.Tensor, replacements: torch.Tensor, groups: torch.Tensor, players: int
) -> Numbers:
    """Shapley (1953), equation 12: the mean over what a player adds to every coalition; shape `(outputs, players)`."""
    subsets = [frozenset(c) for size in range(players + 1) for c in combinations(range(players), size)]
    value = {
        subset: outputs_of(
            model,
            torch.stack([masked(row, other, groups, [i in subset for i in range(players)]) for other in replacements]),
        )
        .mean(dim=0)
        .numpy()
        for subset in subsets
    }
    found = np.zeros((len(value[frozenset()]), players))
    for player in range(players):
        for subset in subsets:
            if player not in subset:
                weight = math.factorial(len(subset)) * math.factorial(players - len(subset) - 1)
                found[:, player] += weight / math.factorial(players) * (value[subset | {player}] - value[subset])
    return found
