"""Networks of transformers behind token ids of the product: one matrix in, one matrix of outputs out.

Every network takes ids of shape `(rows, length)`, `PADDING` behind the end of a text, and sees a text of any length as the
original sees it alone: what is padding is masked, and stands behind the tokens, so that positions do not move. A text
without any token is one token of padding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.subwords import FIRST_ID, subwords_of
from auditbench.models.architectures.networks.padding import lengths_of, masked_max, masked_mean, never_none, states_at
from auditbench.models.own_tokens import OwnTokenIds


class TextClassifier(nn.Module):
    """A `...ForSequenceClassification`.

    Attributes:
        order: Which output of the original each output here is.
    """

    order: torch.Tensor

    def __init__(self, model: Any, item: TextInput, order: tuple[int, ...]) -> None:
        super().__init__()
        self.model = model
        self.own = OwnTokenIds(item, padding=_end_marker(model.config, item))
        model.config.pad_token_id = self.own.padding  # decoders find the last token of a text by it
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.eval()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`."""
        counted = never_none(ids != PADDING)
        given = self.model(input_ids=self.own(ids), attention_mask=counted.to(torch.int64)).logits
        outputs: torch.Tensor = given.index_select(1, self.order)
        return outputs


class NextTokenNetwork(nn.Module):
    """A causal language model: logits of what follows the last token. The head sees no other position than it is asked for."""

    def __init__(self, model: Any, item: TextInput) -> None:
        super().__init__()
        self.model = model
        self.own = OwnTokenIds(item, padding=model.config.pad_token_id)
        self.last = _SomePositions(model.get_output_embeddings())
        model.set_output_embeddings(self.last)
        self.eval()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits, shape `(rows, vocabulary)`."""
        return self._logits(ids, (lengths_of(ids) - 1).unsqueeze(1))[:, 0]

    def positions(self, ids: torch.Tensor, first: int = 0) -> torch.Tensor:
        """Logits of what follows each token from place `first` on, shape `(rows, length - first, vocabulary)`.

        Those behind the end of a text mean nothing.
        """
        return self._logits(ids, torch.arange(first, ids.shape[1], device=ids.device).expand(len(ids), -1))

    def _logits(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        counted = never_none(ids != PADDING)
        self.last.places = places
        outputs: torch.Tensor = self.model(
            input_ids=self.own(ids), attention_mask=counted.to(torch.int64), use_cache=False
        ).logits
        self.last.places = None
        return outputs


class SentenceEncoder(nn.Module):
    """An encoder whose states become one embedding a text."""

    def __init__(self, model: Any, item: TextInput, *, pooling: str, normalised: bool) -> None:
        super().__init__()
        self.model = model
        self.own = OwnTokenIds(item, padding=model.config.pad_token_id)
        self.pooling, self.normalised = pooling, normalised
        self.eval()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embeddings, shape `(rows, width)`."""
        counted = never_none(ids != PADDING)
        states = self.model(input_ids=self.own(ids), attention_mask=counted.to(torch.int64)).last_hidden_state
        if self.pooling == "mean":
            pooled = masked_mean(states, counted)
        elif self.pooling == "max":
            pooled = masked_max(states, counted)
        elif self.pooling == "last":
            pooled = states_at(states, lengths_of(ids) - 1)
        else:
            pooled = states[:, 0]
        return functional.normalize(pooled, dim=1) if self.normalised else pooled


class EmbeddingHead(nn.Module):
    """An encoder and a linear head on its embeddings."""

    def __init__(self, encoder: SentenceEncoder, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Put both together.

        Args:
            weight: Shape `(outputs, width)`; `bias` `(outputs,)`.
        """
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(bias)
        self.eval().requires_grad_(False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`."""
        outputs: torch.Tensor = self.head(self.encoder(ids))
        return outputs


class _SomePositions(nn.Module):
    """An output layer that gets some positions of each row.

    Attributes:
        places: Which ones, shape `(rows, positions)`; all of them where None.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.places: torch.Tensor | None = None

    @property
    def weight(self) -> torch.Tensor:
        """That of the layer: some networks ask for its type."""
        weight: torch.Tensor = self.layer.weight
        return weight

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if self.places is not None:
            states = states.gather(1, self.places.unsqueeze(2).expand(-1, -1, states.shape[2]))
        outputs: torch.Tensor = self.layer(states)
        return outputs


def _end_marker(config: Any, item: TextInput) -> int:
    """The own id that stands behind the end of a text: the model's padding, or one that texts do not end with."""
    if config.pad_token_id is not None:
        return int(config.pad_token_id)
    last = [each - FIRST_ID for each in subwords_of(item.tokenizer).trailing[-1:]]
    free = (each for each in (config.eos_token_id, len(item.vocabulary) - 1, 0) if each not in last)
    return next(each for each in free if isinstance(each, int))
