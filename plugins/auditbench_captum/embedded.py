"""A network of token ids as one of what its embedding gives, so that there is a gradient at each token.

The ids travel beside the embeddings, as one more column that no path changes: masks of padding, positions and whatever else a
network makes of ids stay those of the text.
"""

from __future__ import annotations

import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench.models.token_embedding import token_embedding


class Embedded(nn.Module):
    """The network behind its embedding, of rows of shape `(rows, length, width + 1)`: embeddings, and the id as the last column.

    Attributes:
        name: Of the embedding, in the network.
    """

    def __init__(self, module: nn.Module, token_ids: torch.Tensor) -> None:
        """Find the embedding of tokens.

        Args:
            module: In evaluation mode; left as it is.
            token_ids: Of one text, shape `(1, length)`.

        Raises:
            AnalyzerNotPossible: No embedding gives one vector a token, or several do.
        """
        super().__init__()
        self.module = module
        self.name, self._embedding = token_embedding(
            module, token_ids, where="analyzers.captum.method", fix="explain it with shap or lime, which hide words"
        )
        self.eval()

    def rows(self, token_ids: torch.Tensor) -> torch.Tensor:
        """What this network takes for some texts, shape `(texts, length, width + 1)`.

        Raises:
            AnalyzerNotPossible: The ids are too large for the numbers of the embedding.
        """
        held: list[torch.Tensor] = []
        handle = self._embedding.register_forward_hook(lambda _layer, _given, output: held.append(output))
        try:
            with torch.no_grad():
                self.module(token_ids)
        finally:
            handle.remove()
        embedded = held[0].detach()
        column = token_ids.to(embedded.dtype)
        if not torch.equal(column.to(token_ids.dtype), token_ids):
            raise AnalyzerNotPossible(
                "token ids travel beside the embeddings, and the numbers of these embeddings do not hold them",
                where="analyzers.captum.method",
                found=f"ids up to {int(token_ids.max()):,} in {embedded.dtype}",
                allowed="embeddings of 32-bit numbers",
                fix="explain it with shap or lime, which hide words",
            )
        return torch.cat([embedded, column.unsqueeze(2)], dim=2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs of the network, shape `(rows, outputs)`, where its embedding gives these rows."""
        embedded, token_ids = rows[:, :, :-1], rows[:, :, -1].detach().round().to(torch.int64)
        handle = self._embedding.register_forward_hook(lambda _layer, _given, _output: embedded)
        try:
            outputs: torch.Tensor = self.module(token_ids)
        finally:
            handle.remove()
        return outputs
