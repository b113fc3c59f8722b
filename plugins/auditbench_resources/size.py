"""Size of the model as it stands in memory: parameters, buffers and their bytes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """Counts of a module.

    Attributes:
        parameters: Elements of all parameters, shared ones once.
        state_bytes: Bytes of the state dict (parameters and persistent buffers), tensors that share memory once.
    """

    parameters: int
    state_bytes: int


def model_size(module: nn.Module) -> ModelSize:
    """Count the parameters of `module` and the bytes of its state dict."""
    tensors = [value for value in module.state_dict().values() if isinstance(value, torch.Tensor)]
    distinct = {(tensor.data_ptr(), tensor.numel(), tensor.dtype): tensor for tensor in tensors}
    return ModelSize(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        state_bytes=sum(tensor.numel() * tensor.element_size() for tensor in distinct.values()),
    )


def parameters_by_module(module: nn.Module) -> dict[str, tuple[str, int]]:
    """Kind and own parameters of every submodule that has any, by path; the model itself is `.`."""
    own = {
        path or ".": (type(part).__name__, sum(parameter.numel() for parameter in part.parameters(recurse=False)))
        for path, part in module.named_modules()
    }
    return {path: found for path, found in own.items() if found[1]}
