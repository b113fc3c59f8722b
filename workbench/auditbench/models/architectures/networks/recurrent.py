"""Recurrent layers over texts and series; padding behind a text changes nothing."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.backends import cudnn

from auditbench.data.inputs import PADDING, SeriesInput, TextInput
from auditbench.models.architectures.networks.padding import lengths_of, masked_max, masked_mean, states_at

if TYPE_CHECKING:
    from auditbench.models.architectures.parameters import RnnParams

_CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(nn.Module):
    """An embedding for texts, recurrent layers, pooling over steps, and one linear layer."""

    def __init__(self, params: RnnParams, item: TextInput | SeriesInput, outputs: int) -> None:
        super().__init__()
        self.pooling, self.hidden = params.pooling, params.hidden
        self.embedding = nn.Embedding(item.tokens, params.embedding, PADDING) if isinstance(item, TextInput) else None
        width = params.embedding if isinstance(item, TextInput) else len(item.channels)
        directions = 2 if params.bidirectional else 1
        widths = [width] + [directions * params.hidden] * (params.layers - 1)
        self.layers = nn.ModuleList(RecurrentLayer(params, width) for width in widths)
        self.dropout = nn.Dropout(params.dropout)
        self.output = nn.Linear(directions * params.hidden, outputs)

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, of token ids `(rows, length)` or series `(rows, channels, steps)`."""
        if self.embedding is not None:
            lengths = lengths_of(encoded)
            states = self.dropout(self.embedding(encoded))
        else:
            states = encoded.transpose(1, 2)
            lengths = torch.full_like(states[:, 0, 0], states.shape[1], dtype=torch.int64)
        for index, layer in enumerate(self.layers):
            states = layer(self.dropout(states) if index else states, lengths)
        outputs: torch.Tensor = self.output(self.dropout(self._pooled(states, lengths)))
        return outputs

    def _pooled(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if self.pooling == "last":
            onwards, backwards = states[:, :, : self.hidden], states[:, :, self.hidden :]
            return torch.cat([states_at(onwards, lengths - 1), backwards[:, 0]], dim=1)
        counted = torch.arange(states.shape[1], device=states.device) < lengths.unsqueeze(1)
        return masked_mean(states, counted) if self.pooling == "mean" else masked_max(states, counted)


class RecurrentLayer(nn.Module):
    """One layer of recurrent units, in one direction or in both.

    The second direction reads each text from its own last token: the text is turned around, the padding behind it is not.
    So padding is read last in both directions, where it changes no state that is used.
    """

    def __init__(self, params: RnnParams, width: int) -> None:
        super().__init__()
        cell = _CELLS[params.cell]
        self.hidden = params.hidden
        self.onwards = cell(width, params.hidden, batch_first=True)
        self.backwards = cell(width, params.hidden, batch_first=True) if params.bidirectional else None

    def forward(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """From shape `(rows, steps, width)` to `(rows, steps, hidden)`, or twice as wide for two directions."""
        onwards = _states(self.onwards, states)
        if self.backwards is None:
            return onwards
        order = _turned(states.shape[1], lengths).unsqueeze(2)
        turned = _states(self.backwards, states.gather(1, order.expand(-1, -1, states.shape[2])))
        return torch.cat([onwards, turned.gather(1, order.expand(-1, -1, self.hidden))], dim=2)


def _states(cell: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """The states of recurrent units after each step; differentiable in evaluation mode too, where cuDNN's are not."""
    fused = cell.training or not (states.is_cuda and torch.is_grad_enabled())
    with nullcontext() if fused else cudnn.flags(enabled=False, fp32_precision=None):
        given: torch.Tensor = cell(states)[0]
    return given


def _turned(steps: int, lengths: torch.Tensor) -> torch.Tensor:
    """Places of the steps when each text is turned around and what lies behind it stays; its own inverse."""
    places = torch.arange(steps, device=lengths.device).unsqueeze(0)
    ends = lengths.unsqueeze(1)
    return torch.where(places < ends, ends - 1 - places, places)
