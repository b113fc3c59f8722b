"""Whether an analyzer left the model as it found it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


def model_state(*modules: nn.Module) -> dict[str, str]:
    """A digest of each kind of state of some modules: weights, modes, hooks, structure.

    Weights are parameters, buffers (also those that no state dict holds) and tensors kept as plain attributes. Gradients
    are not part of it: they are dropped, because nothing reads them later.
    """
    weights, modes, hooks, structure = (hashlib.sha256() for _ in range(4))
    for number, module in enumerate(modules):
        for name, tensor in _tensors(module):
            if tensor.is_leaf:
                tensor.grad = None
            weights.update(
                f"{number} {name} {tensor.dtype} {tuple(tensor.shape)} {tensor.requires_grad}".encode() + _bytes(tensor)
            )
        for name, part in module.named_modules():
            modes.update(f"{number} {name} {part.training}".encode())
            hooks.update(f"{number} {name} {_hooks(part)}".encode())
            forward = getattr(type(part), "forward", None)
            own = id(vars(part).get("forward"))
            structure.update(
                f"{number} {name} {type(part).__qualname__} {id(part)} {id(forward)} {own} {part.extra_repr()}".encode()
            )
    return {
        "weights": weights.hexdigest(),
        "modes": modes.hexdigest(),
        "hooks": hooks.hexdigest(),
        "structure": structure.hexdigest(),
    }


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if isinstance(value, torch.Tensor):
                yield f"{name}.{key}", value


def _bytes(tensor: torch.Tensor) -> bytes:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(dtype=torch.uint8).numpy().tobytes()


def _hooks(part: nn.Module) -> list[tuple[str, list[tuple[Any, int]]]]:
    """Every table of hooks of one module: the key and the identity of each entry.

    Whatever torch calls hooks counts: forward, backward, with keyword arguments, always called, of state dicts.
    """
    return [
        (name, [(key, id(hook)) for key, hook in table.items()])
        for name, table in sorted(vars(part).items())
        if "hooks" in name and isinstance(table, dict)
    ]
