"""Several inputs by name: a branch for each, joined before the last layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.data.inputs import PADDING, ImageInput, ModelInput, TableInput, TextInput
from auditbench.models.architectures.networks.checkpointing import CheckpointedNetwork
from auditbench.models.architectures.networks.convolutional import ChannelMeans, image_blocks, series_blocks
from auditbench.models.architectures.networks.linear_layers import linear_layers
from auditbench.models.architectures.networks.padding import masked_mean, never_none

if TYPE_CHECKING:
    from auditbench.models.architectures.parameters import JoinedParams


class JoinedNetwork(CheckpointedNetwork):
    """A branch for each input, joined in the order of their names, and linear layers."""

    def __init__(self, params: JoinedParams, inputs: Mapping[str, ModelInput], outputs: int) -> None:
        super().__init__()
        self.names = sorted(inputs)
        width = 0
        for name in self.names:
            branch, numbers = _branch(inputs[name], params)
            self.add_module(_place(name), branch)
            width += numbers
        self.head = linear_layers(width, params.hidden, outputs, dropout=params.dropout)

    def forward(self, encoded: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, of encoded rows by name of the input."""
        branches = [self.get_submodule(_place(name))(encoded[name]) for name in self.names]
        outputs: torch.Tensor = self.head(torch.cat(branches, dim=1))
        return outputs


class MeanEmbedding(nn.Module):
    """The mean of the embeddings of a text's tokens, without padding; of an empty text, zeros."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width, PADDING)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """From token ids of shape `(rows, length)` to `(rows, width)`."""
        return masked_mean(self.embedding(ids), never_none(ids != PADDING))


def _branch(item: ModelInput, params: JoinedParams) -> tuple[nn.Module, int]:
    """The branch of an input, and how many numbers it gives for a row."""
    if isinstance(item, TableInput):
        if not params.table_hidden:
            return nn.Identity(), item.shape[0]
        *hidden, last = params.table_hidden
        layers = linear_layers(item.shape[0], hidden, last, dropout=params.dropout)
        return nn.Sequential(*layers, nn.ReLU()), last
    if isinstance(item, TextInput):
        return MeanEmbedding(item.tokens, params.embedding), params.embedding
    if isinstance(item, ImageInput):
        channels = params.image_channels
        blocks = image_blocks(item, channels, batch_norm=params.batch_norm)
    else:
        channels = params.series_channels
        blocks = series_blocks(item, channels, kernel=params.kernel, batch_norm=params.batch_norm)
    return nn.Sequential(OrderedDict(blocks=blocks, pooling=ChannelMeans())), channels[-1]


def _place(name: str) -> str:
    """Of the branch in the network; a module's name takes no full stop, and an input's no colon."""
    return f"branch_{name.replace('.', ':')}"
