"""A network of token ids as one of what its embedding gives, so that there is a gradient at each token.

The ids travel beside the embeddings, as one more column that no path changes: masks of padding, positions and whatever else a
network makes of ids stay those of the text.
"""

from __future__ import annotations

import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible


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
        self.name, self._embedding = _token_embedding(module, token_ids)
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


def _token_embedding(module: nn.Module, token_ids: torch.Tensor) -> tuple[str, nn.Embedding]:
    """The only embedding whose output has one vector for each token of the text and follows its ids."""
    seen: dict[str, nn.Embedding] = {}
    other = torch.where(token_ids > 1, token_ids - 1, token_ids + 1)  # in any vocabulary of three tokens
    handles = []

    def noting(name: str, layer: nn.Embedding) -> None:
        def note(_layer: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            found.setdefault(name, []).append((given[0], output))

        handles.append(layer.register_forward_hook(note))

    found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Embedding):
            seen[name] = layer
            noting(name, layer)
    try:
        with torch.no_grad():
            module(token_ids)
            module(other)
    finally:
        for handle in handles:
            handle.remove()
    tokens = [name for name, calls in found.items() if _follows_tokens(calls, tuple(token_ids.shape))]
    if len(tokens) != 1:
        raise AnalyzerNotPossible(
            "gradients of a text are taken at the embedding of its tokens, and this network has not one such layer",
            where="analyzers.captum.method",
            found=", ".join(tokens) or "no nn.Embedding that gives one vector a token",
            allowed="one embedding of tokens",
            fix="explain it with shap or lime, which hide words",
        )
    return tokens[0], seen[tokens[0]]


def _follows_tokens(calls: list[tuple[torch.Tensor, torch.Tensor]], shape: tuple[int, ...]) -> bool:
    """Whether an embedding was given one id a token in each of two passes, and other ids for other texts."""
    if len(calls) != 2:
        return False
    (first, gave), (second, _) = calls
    return tuple(first.shape) == shape and tuple(gave.shape[:2]) == shape and not torch.equal(first, second)
