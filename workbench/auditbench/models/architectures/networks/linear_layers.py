"""Linear layers at the end of a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def linear_layers(width: int, hidden: Sequence[int], outputs: int, *, dropout: float) -> nn.Sequential:
    """Hidden layers with ReLU and a last one without, each behind dropout; from `(rows, width)` to `(rows, outputs)`.

    Dropout stands there even when nothing is left out, so that the names of the weights do not depend on it.
    """
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Dropout(dropout), nn.Linear(width, units), nn.ReLU()]
        width = units
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(width, outputs))
