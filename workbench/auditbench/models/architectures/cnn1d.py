"""`cnn1d`: convolutions along the time of series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import Field

from auditbench.data.inputs import ModelInput, SeriesInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import ArchitectureParams, Blocks, Hidden, Kernel, Share

if TYPE_CHECKING:
    from torch import nn


class Cnn1dParams(ArchitectureParams):
    """Parameters of `cnn1d`."""

    channels: Blocks = Field((32, 64, 64), description="Channels of each block: a convolution along time, and ReLU.")
    kernel: Kernel = Field(
        7, description="Steps that a convolution sees, an odd number; zeros stand around, so that the length stays."
    )
    batch_norm: bool = Field(True, description="Whether numbers are standardised over the batch behind a convolution.")
    hidden: Hidden = Field((), description="Units of each hidden layer behind the mean over time.")
    dropout: Share = Field(
        0.0, description="Share of numbers left out before each linear layer, in each training step."
    )


def build_cnn1d(params: Cnn1dParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """Blocks of convolutions, the mean over time, hidden layers with ReLU, and one linear layer.

    References: arXiv:1611.06455, fully convolutional network; here with one length of kernel for all blocks.
    """
    from auditbench.models.architectures.networks.convolutional import ConvolutionalNetwork, series_blocks
    from auditbench.models.architectures.networks.linear_layers import linear_layers

    (item,) = cast("tuple[SeriesInput]", tuple(inputs.values()))
    blocks = series_blocks(item, params.channels, kernel=params.kernel, batch_norm=params.batch_norm)
    head = linear_layers(params.channels[-1], params.hidden, outputs, dropout=params.dropout)
    return ConvolutionalNetwork(blocks, head, average=True)


CNN1D = Architecture(
    name="cnn1d",
    summary="Convolutional network along time, for series",
    build=build_cnn1d,
    Params=Cnn1dParams,
    modalities=("series",),
)
