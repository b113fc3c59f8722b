"""Size of the model as it stands in memory: parameters, buffers and their bytes."""

from __future__ import annotations

import torch
from torch import nn


def state_bytes(module: nn.Module) -> int:
    """Bytes of the state dict (parameters and persistent buffers), tensors that share memory once."""
    tensors = [value for value in module.state_dict().values() if isinstance(value, torch.Tensor)]
    distinct = {(tensor.data_ptr(), tensor.numel(), tensor.dtype): tensor for tensor in tensors}
    return sum(tensor.numel() * tensor.element_size() for tensor in distinct.values())


def parameters_by_module(module: nn.Module) -> dict[str, tuple[str, int]]:
    """Kind and own parameters of every submodule that has any, by path; the model itself is `.`."""
    own = {
        path or ".": (type(part).__name__, sum(parameter.numel() for parameter in part.parameters(recurse=False)))
        for path, part in module.named_modules()
    }
    return {path: found for path, found in own.items() if found[1]}
