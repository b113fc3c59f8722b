"""`structural_copy`: a module of its own that holds the tensors of another, so that what is done to it stays in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn


def structural_copy(module: nn.Module, instead: Mapping[nn.Module, nn.Module] | None = None) -> nn.Module:
    """A copy that shares the memory of parameters, buffers and other tensors of layers; no parameter of it learns.

    All else is copied: layers, flags, lists that `forward` appends to, hooks. Only reads from the module.

    Args:
        instead: Layers of the module, and what the copy has in their place.

    Raises:
        Exception: Whatever a part that cannot be copied raises, such as an open file or a lock.
    """
    memo: dict[int, object] = {}
    for layer in module.modules():
        for held in vars(layer).values():
            if isinstance(held, torch.Tensor):
                memo[id(held)] = held.detach()
    for buffer in module.buffers():
        memo[id(buffer)] = buffer.detach()
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    for layer, replaced in (instead or {}).items():
        memo[id(layer)] = replaced
    return copy.deepcopy(module, memo)
