"""Whether an analyzer left the model as it found it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def model_state(module: nn.Module) -> dict[str, str]:
    """A digest of each kind of state of a module: weights, modes, hooks, structure.

    Gradients are not part of it: they are dropped, because nothing reads them later.
    """
    import torch

    weights, modes, hooks, structure = (hashlib.sha256() for _ in range(4))
    for name, tensor in module.state_dict(keep_vars=True).items():
        tensor.grad = None
        weights.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} {tensor.requires_grad}".encode())
        weights.update(tensor.detach().cpu().contiguous().reshape(-1).view(dtype=torch.uint8).numpy().tobytes())
    for name, part in module.named_modules():
        modes.update(f"{name} {part.training}".encode())
        hooks.update(f"{name} {[len(getattr(part, kind)) for kind in _HOOKS]}".encode())
        forward = getattr(type(part), "forward", None)
        own = "forward" in vars(part)
        structure.update(
            f"{name} {type(part).__qualname__} {id(part)} {id(forward)} {own} {part.extra_repr()}".encode()
        )
    return {
        "weights": weights.hexdigest(),
        "modes": modes.hexdigest(),
        "hooks": hooks.hexdigest(),
        "structure": structure.hexdigest(),
    }
