"""`encoder`: a transformer encoder over texts or series, as BERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field

from auditbench.data.inputs import ModelInput, SeriesInput, TextInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import TransformerParams

if TYPE_CHECKING:
    from torch import nn


class EncoderParams(TransformerParams):
    """Parameters of `encoder`."""

    pooling: Literal["first", "mean"] = Field(
        "mean", description="What is taken of the tokens: a learned one that stands before them, or their mean."
    )
    patch: Annotated[int, Field(ge=1, le=65_536)] = Field(
        1, description="Steps of a series that make one token; zeros stand behind the last. Texts have tokens already."
    )


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
