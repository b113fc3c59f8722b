"""`rnn`: a recurrent network over texts or series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from auditbench.data.inputs import ModelInput, SeriesInput, TextInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import RnnParams

if TYPE_CHECKING:
    from torch import nn


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
