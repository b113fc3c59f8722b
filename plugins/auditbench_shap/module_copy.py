"""`explainable_copy`: a copy of a module that the shap library may hook, so that the module itself stays as it is.

The library hooks the layers it is given, stores tensors on them as parameters, sets gradients to None, and takes some
of that back, not in nested blocks and not after an error. It needs layers that do not work in place, and each
nonlinearity in one place only.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable

import torch
from torch import nn

from auditbench.masking import structural_copy

_PLACE_MATTERS = (
    nn.ELU,
    nn.GELU,
    nn.LeakyReLU,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.ReLU,
    nn.SELU,
    nn.Sigmoid,
    nn.Softmax,
    nn.Softplus,
    nn.Tanh,
)
"""Layers at which DeepLIFT's rules compare input and output; the library keeps one pair a layer."""


def explainable_copy(module: nn.Module, probe: Callable[[nn.Module], object]) -> nn.Module:
    """A copy that computes the same, shares the memory of the tensors and has no gradients of parameters.

    Layers of the copy do not work in place, and a nonlinearity that takes part several times in a pass is replaced by
    as many copies, which take turns.

    Args:
        probe: Makes one pass through the copy, which shows what takes part how often.
    """
    copied = structural_copy(module)
    for layer in copied.modules():
        if getattr(layer, "inplace", False) is True:
            setattr(layer, "inplace", False)  # noqa: B010 - of no declared type
    _give_each_place_its_own(copied, probe)
    return copied


class _InTurn(nn.Module):
    """Copies of one layer, the first for its first place in a pass, and so on."""

    def __init__(self, layer: nn.Module, places: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(layer) for _ in range(places))
        self._next = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        chosen = self.copies[self._next]
        self._next = (self._next + 1) % len(self.copies)
        result: torch.Tensor = chosen(inputs)
        return result


def _give_each_place_its_own(copied: nn.Module, probe: Callable[[nn.Module], object]) -> None:
    layers = [layer for layer in copied.modules() if isinstance(layer, _PLACE_MATTERS)]
    places: Counter[nn.Module] = Counter()
    handles = [layer.register_forward_hook(lambda layer, *_: places.update([layer])) for layer in layers]
    with torch.no_grad():
        probe(copied)
    for handle in handles:
        handle.remove()
    replaced = {layer: _InTurn(layer, count) for layer, count in places.items() if count > 1}
    for path, layer in list(copied.named_modules(remove_duplicate=False)):
        if layer in replaced and path:
            copied.set_submodule(path, replaced[layer])
