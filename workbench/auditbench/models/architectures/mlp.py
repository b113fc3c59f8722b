"""`mlp`: a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from auditbench.data.inputs import ModelInput, encoded_size, modality_of
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import ArchitectureParams, Share, Units

if TYPE_CHECKING:
    from torch import nn


class MlpParams(ArchitectureParams):
    """Parameters of `mlp`."""

    hidden: Annotated[tuple[Units, ...], Field(min_length=1, max_length=16, strict=False)] = Field(
        (64, 32), description="Units of each hidden layer."
    )
    activation: Literal["relu", "gelu", "tanh"] = Field("relu", description="Function behind each hidden layer.")
    dropout: Share = Field(0.0, description="Share of hidden units left out in each training step.")


def build_mlp(params: MlpParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """Hidden layers, each followed by the activation and, in training, dropout; then one linear layer."""
    from torch import nn

    activation = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[params.activation]
    layers: list[nn.Module] = [] if modality_of(inputs) == "tabular" else [nn.Flatten()]
    width = encoded_size(inputs)
    for units in params.hidden:
        layers += [nn.Linear(width, units), activation()]
        if params.dropout:
            layers.append(nn.Dropout(params.dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))


MLP = Architecture(
    name="mlp",
    summary="Multilayer perceptron",
    build=build_mlp,
    Params=MlpParams,
    modalities=("tabular", "image", "series"),
)
