"""A transformer encoder over the tokens of texts or the patches of series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from auditbench.data.inputs import PADDING, SeriesInput, TextInput
from auditbench.models.architectures.networks.checkpointing import CheckpointedNetwork
from auditbench.models.architectures.networks.padding import masked_mean, never_none
from auditbench.models.architectures.networks.transformer import begin_weights, transformer_layers

if TYPE_CHECKING:
    from auditbench.models.architectures.parameters import EncoderParams


class EncoderNetwork(CheckpointedNetwork):
    """Tokens with learned positions, transformer layers, pooling over tokens, and one linear layer."""

    def __init__(self, params: EncoderParams, item: TextInput | SeriesInput, outputs: int) -> None:
        super().__init__()
        width = params.width
        self.embedding: nn.Module
        if isinstance(item, TextInput):
            self.embedding, tokens = nn.Embedding(item.tokens, width, PADDING), item.length
        else:
            self.embedding = PatchEmbedding(item, width, patch=params.patch)
            tokens = self.embedding.patches
        self.start = nn.Parameter(torch.zeros(width)) if params.pooling == "first" else None
        self.position_embedding = nn.Embedding(tokens + (self.start is not None), width)
        self.dropout = nn.Dropout(params.dropout)
        self.layers = transformer_layers(params)
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, outputs)
        begin_weights(self)

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, of token ids `(rows, length)` or series `(rows, channels, steps)`.

        Padding is seen by no token, wherever it stands.
        """
        states = self.embedding(encoded)
        series = encoded.is_floating_point()
        counted = torch.ones_like(states[:, :, 0], dtype=torch.bool) if series else encoded != PADDING
        if self.start is not None:
            states = torch.cat([self.start.expand(states.shape[0], 1, -1), states], dim=1)
            counted = functional.pad(counted, (1, 0), value=True)
        counted = never_none(counted)
        states = self.dropout(states + self.position_embedding.weight)
        states = self.norm(self.layers(states, None, ~counted))
        pooled = states[:, 0] if self.start is not None else masked_mean(states, counted)
        outputs: torch.Tensor = self.output(self.dropout(pooled))
        return outputs


class PatchEmbedding(nn.Module):
    """Steps of a series in groups of `patch`, each turned into one token by a linear layer.

    Attributes:
        patches: Tokens of a series.
    """

    def __init__(self, item: SeriesInput, width: int, *, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.patches = math.ceil(item.steps / patch)
        self.behind = self.patches * patch - item.steps
        self.projection = nn.Linear(len(item.channels) * patch, width)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """From shape `(rows, channels, steps)` to `(rows, patches, width)`."""
        rows, channels, _ = series.shape
        parts = functional.pad(series, (0, self.behind)).reshape(rows, channels, self.patches, self.patch)
        tokens: torch.Tensor = self.projection(parts.transpose(1, 2).flatten(2))
        return tokens
