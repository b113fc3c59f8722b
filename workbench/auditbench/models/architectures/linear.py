"""`linear`: linear, logistic and softmax regression, by the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.data.inputs import ModelInput, encoded_size, modality_of
from auditbench.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn


def build_linear(_params: Any, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """One weight per encoded input and output, and a bias per output; starts at zero."""
    from torch import nn

    layer = nn.Linear(encoded_size(inputs), outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer) if modality_of(inputs) == "tabular" else nn.Sequential(nn.Flatten(), layer)


LINEAR = Architecture(
    name="linear",
    summary="Linear, logistic or softmax regression, as the task says",
    build=build_linear,
    modalities=("tabular", "image", "series"),
)
