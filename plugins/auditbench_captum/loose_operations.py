"""Which operations a network carries out outside of modules of some kinds: what hooks on modules cannot see.

Rules that replace the backward pass of modules, such as those of guided backpropagation and relevance propagation, are
wrong without an error where a network calls `torch.relu` or adds two branches by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name


def loose_operations(module: nn.Module, row: torch.Tensor, covered: Iterable[type[nn.Module]]) -> tuple[str, ...]:
    """Names of the functions of torch that a forward pass calls outside of modules of these types, each once, in order.

    What only asks for sizes, dtypes and devices is left out.

    Args:
        row: Encoded, shape `(1, *row shape)`.
        covered: Types whose own operations do not count; subclasses are others, since they may compute anything.
    """
    kinds, depth, names = tuple(covered), [0], dict[str, None]()

    def enter(*_: object) -> None:
        depth[0] += 1

    def leave(*_: object) -> None:
        depth[0] -= 1

    class Noting(TorchFunctionMode):
        def __torch_function__(  # type: ignore[no-untyped-def]
            self, function: Callable[..., Any], types, args=(), kwargs=None
        ) -> Any:
            result = function(*args, **(kwargs or {}))
            if not depth[0] and isinstance(result, torch.Tensor | tuple | list):
                names.setdefault((resolve_name(function) or str(function)).rpartition(".")[2])
            return result

    with ExitStack() as stack:
        for each in module.modules():
            if type(each) in kinds:
                stack.callback(each.register_forward_pre_hook(enter).remove)
                stack.callback(each.register_forward_hook(leave, always_call=True).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(Noting())
        module(row)
    return tuple(name for name in names if name not in _ASKING)


_ASKING = frozenset({"__get__", "size", "shape", "dim"})
