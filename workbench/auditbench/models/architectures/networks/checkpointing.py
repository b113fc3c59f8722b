"""Gradient checkpointing: layers whose inner values are computed again for the gradients, instead of being kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class LayerStack(nn.ModuleList):
    """Layers, one behind another; each takes what the one before gave, and the other arguments as they are.

    Attributes:
        checkpointed: Whether, in training, only what a layer takes is kept for the gradients. They stay the same: random
            numbers are drawn again as they were, and batch statistics are counted once.
    """

    checkpointed = False

    def forward(self, states: torch.Tensor, *others: Any) -> torch.Tensor:
        """What the last layer gives."""
        saving = self.checkpointed and self.training and torch.is_grad_enabled()
        for layer in self:
            if saving:
                contexts = partial(_contexts, layer)
                states = checkpoint(layer, states, *others, use_reentrant=False, context_fn=contexts)
            else:
                states = layer(states, *others)
        return states


class CheckpointedNetwork(nn.Module):
    """Abstract: a network with stacks of layers that may be checkpointed."""

    def set_checkpointing(self, on: bool) -> None:
        """Switch checkpointing of all stacks of layers on or off; gradients are the same either way."""
        for module in self.modules():
            if isinstance(module, LayerStack):
                module.checkpointed = on


def _contexts(layer: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of the first computation and of the second."""
    return nullcontext(), _statistics_kept(layer)


@contextmanager
def _statistics_kept(layer: nn.Module) -> Iterator[None]:
    """Compute with batch statistics, and leave the running ones as they are."""
    norms = [module for module in layer.modules() if isinstance(module, _BatchNorm)]
    found = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, found, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
