"""`cnn`: convolutions over images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from pydantic import Field

from auditbench.data.inputs import ImageInput, ModelInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import ArchitectureParams, Blocks, Hidden, Share

if TYPE_CHECKING:
    from torch import nn


class CnnParams(ArchitectureParams):
    """Parameters of `cnn`."""

    channels: Blocks = Field(
        (32, 64), description="Channels of each block: a 3 x 3 convolution, ReLU, and the largest of each 2 x 2 pixels."
    )
    batch_norm: bool = Field(False, description="Whether numbers are standardised over the batch behind a convolution.")
    head: Literal["flatten", "average"] = Field(
        "flatten", description="What the hidden layers take of the last block: every pixel, or the mean over pixels."
    )
    hidden: Hidden = Field((128,), description="Units of each hidden layer behind the blocks.")
    dropout: Share = Field(
        0.0, description="Share of numbers left out before each linear layer, in each training step."
    )


def build_cnn(params: CnnParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """Blocks of convolutions, the head, hidden layers with ReLU, and one linear layer.

    Raises:
        ModelError: The images are too small to be halved by each block.
    """
    from auditbench.models.architectures.networks.convolutional import ConvolutionalNetwork, image_blocks, pooled_size
    from auditbench.models.architectures.networks.linear_layers import linear_layers

    (item,) = cast("tuple[ImageInput]", tuple(inputs.values()))
    blocks = image_blocks(item, params.channels, batch_norm=params.batch_norm)
    height, width = pooled_size(item, params.channels)
    numbers = params.channels[-1] * (height * width if params.head == "flatten" else 1)
    head = linear_layers(numbers, params.hidden, outputs, dropout=params.dropout)
    return ConvolutionalNetwork(blocks, head, average=params.head == "average")


CNN = Architecture(
    name="cnn", summary="Convolutional network for images", build=build_cnn, Params=CnnParams, modalities=("image",)
)
