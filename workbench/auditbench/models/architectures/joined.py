"""`joined`: several inputs, a branch each, joined before the last layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from auditbench.data.inputs import ModelInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import ArchitectureParams, Blocks, Hidden, Kernel, Share, Units

if TYPE_CHECKING:
    from torch import nn


class JoinedParams(ArchitectureParams):
    """Parameters of `joined`; branches of one modality have equal ones."""

    table_hidden: Hidden = Field(
        (), description="Units of each hidden layer of a table; without one it is joined as it is."
    )
    image_channels: Blocks = Field((16, 32), description="Channels of each block of an image, as of `cnn`.")
    series_channels: Blocks = Field((32, 32), description="Channels of each block of a series, as of `cnn1d`.")
    kernel: Kernel = Field(7, description="Steps that a convolution of a series sees, an odd number.")
    embedding: Units = Field(32, description="Numbers that stand for a token of a text, which is joined as their mean.")
    batch_norm: bool = Field(False, description="Whether numbers are standardised over the batch behind a convolution.")
    hidden: Hidden = Field((64,), description="Units of each hidden layer behind the joined branches.")
    dropout: Share = Field(
        0.0, description="Share of numbers left out before each linear layer, in each training step."
    )


def build_joined(params: JoinedParams, inputs: Mapping[str, ModelInput], outputs: int) -> nn.Module:
    """A branch for each input, hidden layers with ReLU over all of them, and one linear layer.

    Raises:
        ModelError: Images are too small to be halved by each block.
    """
    from auditbench.models.architectures.networks.joined import JoinedNetwork

    return JoinedNetwork(params, inputs, outputs)


JOINED = Architecture(
    name="joined",
    summary="Network of several inputs, with a branch for each",
    build=build_joined,
    Params=JoinedParams,
    modalities=("mixed",),
)
