"""`joined`: several inputs, a branch each, joined before the last layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.data.inputs import ModelInput
from auditbench.models.architecture import Architecture
from auditbench.models.architectures.parameters import JoinedParams

if TYPE_CHECKING:
    from torch import nn


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
