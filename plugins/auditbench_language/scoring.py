"""Scores of continuations, and the continuation that a language model would choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.data import FIRST_TOKEN
from auditbench.models.following import following

if TYPE_CHECKING:
    from auditbench.models import ModelUnderTest


def evaluations(model: ModelUnderTest, places: int) -> int:
    """Rows that the model evaluates to give what follows at so many places of one text."""
    return 1 if hasattr(model.module, "positions") else places


class ContinuationScores(nn.Module):
    """A network of the scores of one continuation, of rows that hold the context and the continuation but its last token.

    Outputs, shape `(rows, tokens + 2)`: log-probability of each token of the continuation given all before it, their sum,
    which is the log-probability of the continuation, and the log-probability of its first token minus that of another
    token in its place, which is the difference of their logits. In nats.

    References: Yin and Neubig, arXiv:2202.10419, section 3 (why this token rather than that).
    """

    def __init__(self, model: ModelUnderTest, continuation: torch.Tensor, foil: int, *, context: int) -> None:
        """Fix what is explained.

        Args:
            continuation: Its classes, shape `(tokens,)`.
            foil: Class of the other token.
            context: Tokens of the context.
        """
        super().__init__()
        self.network = model.module  # so that its parameters and embeddings are found
        self._model = model
        self._continuation, self._foil, self._context = continuation, foil, context
        self.eval()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The scores.

        Args:
            ids: Shape `(rows, context + tokens - 1)`.
        """
        logs = following(self._model, ids, self._context - 1)
        index = self._continuation.view(1, -1, 1).expand(len(ids), -1, 1)
        tokens = logs.gather(2, index).squeeze(2)
        contrast = tokens[:, :1] - logs[:, 0, self._foil : self._foil + 1]
        return torch.cat([tokens, tokens.sum(dim=1, keepdim=True), contrast], dim=1)


def greedy(model: ModelUnderTest, context: torch.Tensor, tokens: int) -> torch.Tensor:
    """The most probable classes, one after the other, shape `(tokens,)`.

    Args:
        context: Token ids, shape `(length,)`, without padding; with `tokens - 1` more no longer than the model reads.
    """
    ids = context
    with torch.no_grad():
        for _ in range(tokens):
            best = following(model, ids.unsqueeze(0), len(ids) - 1)[0, 0].argmax()
            ids = torch.cat([ids, (best + FIRST_TOKEN).unsqueeze(0)])
    return ids[len(context) :] - FIRST_TOKEN
