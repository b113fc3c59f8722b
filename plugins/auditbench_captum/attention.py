"""Attention weights of a transformer, and attention rollout: which tokens the states that the output reads attended to.

Weights are computed again beside whatever a network computes attention by: torch's modules, its fused function, or a softmax of its
own. They say where a network looked; they are no contributions to an output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.torch_functions import Function, StandIn

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

_READ = 1e-6
"""Share of the largest slope by a position from which on an output reads it."""
_FUSED = "scaled_dot_product_attention"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attention:
    """Self-attention of some texts.

    Attributes:
        weights: Shape `(texts, layers, heads, tokens, tokens)`: how much each token, by its place, attends to each; each
            sums to 1 over the last axis.
        read: Which places the outputs read behind the last layer, shape `(texts, tokens)`; each text's sum to 1.
    """

    weights: torch.Tensor
    read: torch.Tensor

    def __getitem__(self, texts: slice) -> Attention:
        """That of some of the texts."""
        return Attention(weights=self.weights[texts], read=self.read[texts])

    def rollout(self) -> Numbers:
        """Attention to each token over all layers, from the places that the outputs read, shape `(texts, tokens)`.

        Weights are averaged over heads and mixed half and half with the token itself, as residual connections do.

        References: arXiv:2005.00928, section 3 (attention rollout).
        """
        itself = torch.eye(self.weights.shape[-1], dtype=self.weights.dtype, device=self.weights.device)
        found = self.read.unsqueeze(1)
        for layer in reversed(self.weights.mean(dim=2).unbind(dim=1)):
            found = found @ (0.5 * layer + 0.5 * itself)
        return np.asarray(found.squeeze(1).double().cpu().numpy())


def attention(module: nn.Module, token_ids: torch.Tensor) -> Attention:
    """The attention of each layer and head of a network of texts.

    Args:
        module: In evaluation mode; left as it is.
        token_ids: Shape `(texts, length)`.

    Returns:
        Attention over the tokens; of a network that puts tokens of its own in front of each text, over these as well.

    Raises:
        AnalyzerNotPossible: The network computes no self-attention that can be seen, or not over the tokens of the text.

    References: arXiv:1706.03762, equation 1.
    """
    attending = _Attending(len(token_ids))
    with torch.enable_grad(), attending:
        outputs = module(token_ids)
    if not attending.weights:
        raise _refused("no self-attention over the tokens of a text")
    shapes = {tuple(each.shape) for each in attending.weights}
    if len(shapes) != 1:
        raise _refused(f"attention of shapes {', '.join(map(str, sorted(shapes)))}")
    slopes = torch.autograd.grad(outputs.sum(), attending.last, allow_unused=True)[0]
    if slopes is None:
        raise _refused("outputs that do not depend on the last attention")
    by_place = slopes.movedim(attending.place_axis, 1).flatten(2).abs().amax(dim=2)
    reads = (by_place > _READ * by_place.amax(dim=1, keepdim=True)).to(attending.weights[0].dtype)
    return Attention(
        weights=torch.stack(attending.weights, dim=1), read=reads / reads.sum(dim=1, keepdim=True).clamp(min=1)
    )


class _Attending(StandIn):
    """Attention as it is, with its weights noted.

    Attributes:
        weights: Of each layer so far, shape `(texts, heads, tokens, tokens)`.
        last: Zeros that were added to what the last attention gave, texts first.
        place_axis: Axis of the places in these zeros.
    """

    def __init__(self, texts: int) -> None:
        super().__init__()
        self.weights: list[torch.Tensor] = []
        self.last = torch.zeros(())
        self.place_axis = 1
        self._texts = texts

    def called(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the function gives; of attention its weights are noted."""
        if name == _FUSED:
            given = function(*args, **kwargs)
            return self._noted(_fused_weights(*args, **kwargs), given, place_axis=2)
        if name == "multi_head_attention_forward":
            wanted = {**kwargs, "need_weights": True, "average_attn_weights": False}
            given, weights = function(*args, **wanted)
            # It gives the places first, and the texts second.
            noted = self._noted(weights, given.movedim(1, 0), place_axis=1).movedim(0, 1)
            return noted, _as_asked(weights, kwargs)
        given = function(*args, **kwargs)
        if name == "softmax" and isinstance(given, torch.Tensor) and given.ndim == 4:
            return self._noted(given, given, place_axis=2)
        return given

    def _noted(self, weights: torch.Tensor, given: torch.Tensor, *, place_axis: int) -> torch.Tensor:
        """What was given, with a place to take slopes at; only weights of tokens by tokens of these texts are noted."""
        if weights.ndim != 4 or weights.shape[2] != weights.shape[3] or len(weights) != self._texts:
            return given
        self.weights.append(weights.detach())
        self.last = torch.zeros_like(given).requires_grad_()
        self.place_axis = place_axis
        return given + self.last


def _fused_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **others: Any,
) -> torch.Tensor:
    """Weights of the fused attention, shape `(texts, heads, tokens, tokens)`; arguments are called as torch calls them."""
    del value, dropout_p
    scale = others.get("scale") or query.shape[-1] ** -0.5
    groups = query.shape[1] // key.shape[1]
    scores = query.detach() @ key.detach().repeat_interleave(groups, dim=1).transpose(-2, -1) * scale
    if is_causal:
        scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    found: torch.Tensor = scores.softmax(dim=-1).nan_to_num()
    return found


def _as_asked(weights: torch.Tensor, kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """Weights as the caller of torch's module asked for them."""
    if not kwargs.get("need_weights", True):
        return None
    return weights.mean(dim=1) if kwargs.get("average_attn_weights", True) else weights


def _refused(found: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        "attention is read where a network of texts computes it over their tokens",
        where="analyzers.captum.method",
        found=found,
        allowed="a transformer of torch or of Hugging Face over the tokens of one text",
        fix='set method = "integrated_gradients", which asks for gradients alone',
    )
