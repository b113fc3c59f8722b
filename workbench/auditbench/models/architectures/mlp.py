"""`mlp`: a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditbench.data.inputs import ModelInput, encoded_size
from auditbench.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1, le=16_384)]


class MlpParams(BaseModel):
    """Parameters of `mlp`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16, strict=False)] = Field(
        (64, 32), description="Units of each hidden layer."
    )
    activation: Literal["relu", "gelu", "tanh"] = Field("relu", description="Function behind each hidden layer.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of hidden units left out in each training step."
    )


def build_mlp(params: MlpParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """Hidden layers, each followed by the activation and, in training, dropout; then one linear layer."""
    from torch import nn

    activation = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[params.activation]
    layers: list[nn.Module] = []
    width = encoded_size(inputs)
    for units in params.hidden:
        layers += [nn.Linear(width, units), activation()]
        if params.dropout:
            layers.append(nn.Dropout(params.dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))


MLP = Architecture(name="mlp", summary="Multilayer perceptron", build=build_mlp, Params=MlpParams)
