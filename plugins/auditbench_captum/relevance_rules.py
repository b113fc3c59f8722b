"""The rules of relevance propagation: from the relevance of what a function gave to that of what entered it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

Back: TypeAlias = Callable[[tuple[torch.Tensor, ...], torch.Tensor], tuple[torch.Tensor, ...]]
"""From what entered and the relevance of what was given to the relevance of what entered."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A linear layer or a convolution.

    Attributes:
        apply: From what enters, weight and bias to what is given.
    """

    apply: Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
    weight: torch.Tensor
    bias: torch.Tensor | None
    convolution: bool

    def of(self, entered: torch.Tensor) -> torch.Tensor:
        """What the layer gives."""
        return self.apply(entered, self.weight, self.bias)


def handing_back(output: torch.Tensor, entered: tuple[torch.Tensor, ...], back: Back) -> torch.Tensor:
    """The output as it is, with a rule in place of its derivative by what entered."""
    found: torch.Tensor = _HandingBack.apply(output, back, *entered)  # type: ignore[no-untyped-call]
    return found


def passed(_entered: tuple[torch.Tensor, ...], relevance: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Everything is handed on."""
    return (relevance,)


def epsilon_rule(apply: Callable[..., torch.Tensor], epsilon: float) -> Back:
    """`x * c` with `c` the gradient of the output weighted by relevance over output; what entered shares by its part.

    Args:
        apply: What was computed, linear in what entered but for a constant.
        epsilon: Share of the mean |output| of each row that is added to the size of each output.

    References: doi:10.1007/978-3-030-28954-6_10, equation 10.2 and the implementation below it.
    """

    def back(entered: tuple[torch.Tensor, ...], relevance: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.enable_grad():
            leaves = [each.detach().clone().requires_grad_() for each in entered]
            output = apply(*leaves)
            size = output.detach()
            mean = size.abs().reshape(len(size), -1).mean(dim=1).view(-1, *[1] * (size.ndim - 1))
            steadied = size + epsilon * mean * torch.where(size >= 0, 1.0, -1.0)
            slopes = torch.autograd.grad(output, leaves, torch.where(size == 0, 0.0, relevance / steadied))
        return tuple(leaf.detach() * slope for leaf, slope in zip(leaves, slopes, strict=True))

    return back


def plus_rule(layer: Layer, epsilon: float) -> Back:
    """The same of what raises alone: positive entries by positive weights and negative ones by negative weights; no bias.

    References: doi:10.1016/j.patcog.2016.11.008, section 4 (z+ rule), for entries of both signs.
    """
    raising, lowering = layer.weight.clamp(min=0), layer.weight.clamp(max=0)

    def apply(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        return layer.apply(positive, raising, None) + layer.apply(negative, lowering, None)

    shared = epsilon_rule(apply, epsilon)

    def back(entered: tuple[torch.Tensor, ...], relevance: torch.Tensor) -> tuple[torch.Tensor, ...]:
        (whole,) = entered
        positive, negative = shared((whole.clamp(min=0), whole.clamp(max=0)), relevance)
        return (positive + negative,)

    return back


class _HandingBack(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, output: torch.Tensor, back: Back, *entered: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(*entered)
        context.back = back
        return output.detach().clone()

    @staticmethod
    def backward(context: Any, *relevance: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *context.back(context.saved_tensors, relevance[0])
