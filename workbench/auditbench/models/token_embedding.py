"""The embedding of the tokens of a text, found by what its parts are given, whatever the network calls it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible


def token_embedding(module: nn.Module, token_ids: torch.Tensor, *, where: str, fix: str) -> tuple[str, nn.Embedding]:
    """Name and layer of the only embedding that gives one vector for each token of a text and follows its ids.

    The network is asked twice, for the text and for one of other ids.

    Args:
        module: In evaluation mode; left as it is.
        token_ids: Of one text, shape `(1, length)`.
        where: Key of the config that asks for gradients of texts; `fix` what to set there instead.

    Raises:
        AnalyzerNotPossible: No embedding is such, or several are.
    """
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Embedding)}
    given: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    other = torch.where(token_ids > 1, token_ids - 1, token_ids + 1)  # in any vocabulary of three tokens
    handles = [layer.register_forward_pre_hook(_noting(given[name])) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            module(token_ids)
            module(other)
    finally:
        for handle in handles:
            handle.remove()
    found = [name for name, calls in given.items() if _follow_tokens(calls, token_ids)]
    if len(found) != 1:
        raise AnalyzerNotPossible(
            "gradients of a text are taken at the embedding of its tokens, and this network has not one such layer",
            where=where,
            found=", ".join(found) or "no nn.Embedding that gives one vector a token",
            allowed="one embedding of tokens",
            fix=fix,
        )
    return found[0], layers[found[0]]


def _noting(calls: list[torch.Tensor]) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
    return lambda _layer, given: calls.append(given[0])


def _follow_tokens(calls: list[torch.Tensor], token_ids: torch.Tensor) -> bool:
    """Whether an embedding was given one id a token in each of two passes, and other ids for other texts."""
    return len(calls) == 2 and calls[0].shape == token_ids.shape and not torch.equal(calls[0], calls[1])
