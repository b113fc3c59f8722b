"""A transformer decoder: what follows a text, by the tokens so far."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.next_tokens import FIRST_TOKEN
from auditbench.errors import ModelError
from auditbench.models.architectures.networks.checkpointing import CheckpointedNetwork
from auditbench.models.architectures.networks.padding import lengths_of, states_at
from auditbench.models.architectures.networks.transformer import begin_weights, transformer_layers

if TYPE_CHECKING:
    from auditbench.models.architectures.parameters import DecoderParams


class DecoderNetwork(CheckpointedNetwork):
    """Tokens with learned positions, transformer layers that see earlier tokens only, and one linear layer.

    With an output for each token of the vocabulary, output `i` stands for token id `i + FIRST_TOKEN`: padding and
    unknown never follow. Any other number of outputs makes it a classifier of texts by their last token.
    """

    def __init__(self, params: DecoderParams, item: TextInput, outputs: int) -> None:
        super().__init__()
        self.length, self.outputs = item.length, outputs
        self.predicts_tokens = outputs == len(item.vocabulary)
        if params.tied and not self.predicts_tokens:
            raise ModelError(
                "only outputs that are the tokens of the vocabulary can share its weights",
                where="architecture",
                found=f"tied = true with {outputs:,} outputs",
                allowed=f"{len(item.vocabulary):,} outputs",
                fix='set tied = false, or model.task = "next-token"',
            )
        self.embedding = nn.Embedding(item.tokens, params.width, PADDING)
        self.position_embedding = nn.Embedding(item.length, params.width)
        self.dropout = nn.Dropout(params.dropout)
        self.layers = transformer_layers(params)
        self.norm = nn.LayerNorm(params.width)
        self.output = None if params.tied else nn.Linear(params.width, outputs)
        begin_weights(self)

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Logits of what follows the last token of each text, shape `(rows, outputs)`.

        Args:
            encoded: Token ids, shape `(rows, length)`, padding behind the end; of at most as many tokens as the network
                was made for. A text without any token is read as one of padding.
        """
        return self._logits(states_at(self._states(encoded), lengths_of(encoded) - 1))

    def positions(self, encoded: torch.Tensor, first: int = 0) -> torch.Tensor:
        """Logits of what follows each token from place `first` on, shape `(rows, length - first, outputs)`.

        Those behind the end of a text mean nothing.
        """
        return self._logits(self._states(encoded)[:, first:])

    @torch.no_grad()
    def sample(
        self,
        encoded: torch.Tensor,
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Token ids that continue each text, shape `(rows, count)`; each is drawn given the tokens before it.

        A text that is longer than the network reads is read from its later tokens on. Call it in evaluation mode.

        Args:
            encoded: Token ids, shape `(rows, any length)`, padding behind the end.
            temperature: Logits are divided by it; 0 takes the most probable token.
            top_k: Draw from so many most probable tokens; None draws from all.
            generator: Of the device of the network; None takes torch's own.

        Raises:
            ModelError: The outputs are not the tokens of the vocabulary, or an argument is out of its range.
        """
        self._check_sampling(count, temperature, top_k)
        lengths = lengths_of(encoded) * (encoded != PADDING).any(1)
        texts = functional.pad(encoded, (0, count), value=PADDING)
        for step in range(count):
            logits = self(_window(texts, lengths + step, most=self.length))
            drawn = _drawn(logits, temperature, top_k, generator) + FIRST_TOKEN
            texts = texts.scatter(1, (lengths + step).unsqueeze(1), drawn.unsqueeze(1))
        places = lengths.unsqueeze(1) + torch.arange(count, device=texts.device)
        return texts.gather(1, places)

    def read(self, states: torch.Tensor) -> torch.Tensor:
        """Logits of what follows, of hidden states that a layer gives; shapes `(..., width)` and `(..., outputs)`."""
        return self._logits(self.norm(states))

    def _states(self, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        states = self.dropout(self.embedding(ids) + self.position_embedding.weight[:length])
        later = nn.Transformer.generate_square_subsequent_mask(length, device=states.device, dtype=states.dtype)
        normed: torch.Tensor = self.norm(self.layers(states, later, None, True))
        return normed

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        if self.output is None:
            return functional.linear(states, self.embedding.weight[FIRST_TOKEN:])
        logits: torch.Tensor = self.output(states)
        return logits

    def _check_sampling(self, count: int, temperature: float, top_k: int | None) -> None:
        if not self.predicts_tokens:
            raise ModelError(
                "only a network that predicts the next token can continue a text",
                where="sample",
                found=f"{self.outputs:,} outputs",
                allowed=f"{self.embedding.num_embeddings - FIRST_TOKEN:,} outputs, the tokens of the vocabulary",
                fix='train it with model.task = "next-token"',
            )
        if count < 1 or not 0 <= temperature < math.inf or (top_k is not None and not 1 <= top_k <= self.outputs):
            raise ModelError(
                "texts cannot be continued so",
                where="sample",
                found=f"count={count}, temperature={temperature}, top_k={top_k}",
                allowed=f"count >= 1, a finite temperature >= 0, and top_k None or from 1 to {self.outputs:,}",
                fix="correct the argument",
            )


def _window(texts: torch.Tensor, lengths: torch.Tensor, *, most: int) -> torch.Tensor:
    """The last tokens of each text, at most so many, padded behind to the longest; one of padding for an empty text."""
    width = min(most, max(int(lengths.max()), 1))
    places = (lengths - most).clamp(min=0).unsqueeze(1) + torch.arange(width, device=texts.device)
    inside = places < lengths.unsqueeze(1)
    return torch.where(inside, texts.gather(1, torch.where(inside, places, 0)), PADDING)


def _drawn(
    logits: torch.Tensor, temperature: float, top_k: int | None, generator: torch.Generator | None
) -> torch.Tensor:
    """A class for each row, shape `(rows,)`."""
    if temperature == 0:
        return logits.argmax(1)
    scaled = (logits - logits.amax(1, keepdim=True)).double() / temperature
    if top_k is None:
        return torch.multinomial(scaled.softmax(1), 1, generator=generator).squeeze(1)
    best, classes = scaled.topk(top_k, dim=1)
    places = torch.multinomial(best.softmax(1), 1, generator=generator)
    return classes.gather(1, places).squeeze(1)
