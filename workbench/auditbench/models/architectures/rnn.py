"""`rnn`: a recurrent network over texts or series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from pydantic import Field

from auditbench.data.inputs import ModelInput, SeriesInput, TextInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import ArchitectureParams, Layers, Share, Units

if TYPE_CHECKING:
    from torch import nn


class RnnParams(ArchitectureParams):
    """Parameters of `rnn`."""

    cell: Literal["rnn", "lstm", "gru"] = Field("lstm", description="Recurrent unit: plain with tanh, LSTM, or GRU.")
    embedding: Units = Field(64, description="Numbers that stand for a token; series are read as they are.")
    hidden: Units = Field(64, description="Units of the state, in each direction.")
    layers: Layers = Field(1, description="Recurrent layers, one behind another.")
    bidirectional: bool = Field(False, description="Whether the input is read from both ends.")
    pooling: Literal["last", "mean", "max"] = Field(
        "last",
        description="What is taken of the states: the one that has read everything, or mean or maximum over steps.",
    )
    dropout: Share = Field(
        0.0,
        description="Share of numbers left out before each recurrent layer but of series the first, and at the end.",
    )


def build_rnn(params: RnnParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """An embedding for texts, recurrent layers, pooling over steps, and one linear layer."""
    from auditbench.models.architectures.networks.recurrent import RecurrentNetwork

    (item,) = cast("tuple[TextInput | SeriesInput]", tuple(inputs.values()))
    return RecurrentNetwork(params, item, outputs)


RNN = Architecture(
    name="rnn",
    summary="Recurrent network (RNN, LSTM, GRU) for texts and series",
    build=build_rnn,
    Params=RnnParams,
    modalities=("text", "series"),
)
