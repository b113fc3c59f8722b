"""`encoder`: a transformer encoder over texts or series, as BERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from auditbench.data.inputs import ModelInput, SeriesInput, TextInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import EncoderParams

if TYPE_CHECKING:
    from torch import nn


def build_encoder(params: EncoderParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """Tokens with learned positions, transformer layers, pooling over tokens, and one linear layer.

    References: arXiv:1810.04805 for the network; arXiv:2002.04745, figure 1b, for the normalisation, which stands before
    attention and feed-forward layer here.
    """
    from auditbench.models.architectures.networks.encoder import EncoderNetwork

    (item,) = cast("tuple[TextInput | SeriesInput]", tuple(inputs.values()))
    return EncoderNetwork(params, item, outputs)


ENCODER = Architecture(
    name="encoder",
    summary="Transformer encoder, as BERT, for texts and series",
    build=build_encoder,
    Params=EncoderParams,
    modalities=("text", "series"),
)
