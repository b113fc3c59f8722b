"""`decoder`: a transformer decoder over texts, as GPT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from auditbench.data.inputs import ModelInput, TextInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import DecoderParams

if TYPE_CHECKING:
    from torch import nn


def build_decoder(params: DecoderParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """Tokens with learned positions, transformer layers that see earlier tokens only, and one linear layer.

    Raises:
        ModelError: Weights are tied, and the outputs are not the tokens of the vocabulary.

    References: Language Models are Unsupervised Multitask Learners (Radford et al., 2019), section 2.3.
    """
    from auditbench.models.architectures.networks.decoder import DecoderNetwork

    (item,) = cast("tuple[TextInput]", tuple(inputs.values()))
    return DecoderNetwork(params, item, outputs)


DECODER = Architecture(
    name="decoder",
    summary="Transformer decoder, as GPT, for texts",
    build=build_decoder,
    Params=DecoderParams,
    modalities=("text",),
)
