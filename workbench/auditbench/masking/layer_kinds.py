"""What layers do to the numbers of a row: which of them keep these, and which may overwrite what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

OVERWRITING: dict[Any, Callable[[torch.Tensor], torch.Tensor]] = {
    nn.ReLU: torch.relu_,
    nn.Tanh: torch.tanh_,
    nn.Sigmoid: torch.sigmoid_,
    F.relu: torch.relu_,
    torch.relu: torch.relu_,
    torch.tanh: torch.tanh_,
    torch.sigmoid: torch.sigmoid_,
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "sigmoid": torch.sigmoid_,
}
"""Activations, as layers, functions and methods, and what does the same in place."""


def is_linear(layer: nn.Module | None) -> bool:
    """Whether it is torch's own linear layer; a class derived from it may do anything."""
    return type(layer) is nn.Linear


def is_embedding(layer: nn.Module | None) -> bool:
    """Whether it maps tokens to vectors and does no more; with `max_norm`, an embedding changes its weights."""
    return type(layer) is nn.Embedding and layer.max_norm is None


def keeps_numbers(layer: nn.Module | None) -> bool:
    """Whether it gives the numbers of a row in their order, in evaluation mode; a derived class may do anything."""
    flattens = type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1)
    return flattens or type(layer) in (nn.Identity, nn.Dropout)
