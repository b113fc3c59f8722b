"""Torch's functions as a network calls them, by name, so that something else can stand in for them.

What stands in is asked for each function itself, so that `nn.ReLU`, `functional.relu` and `torch.relu` are one and the same; hooks
on modules would not see the last two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode, resolve_name

from auditbench.errors import AnalyzerNotPossible

Function: TypeAlias = Callable[..., Any]
_SHARE = 1e-3
"""Of the largest output: by how much outputs may differ by rounding where one function is computed as two."""


class StandIn(TorchFunctionMode, ABC):
    """Abstract: what is computed in place of torch's functions while it is entered."""

    @abstractmethod
    def called(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What a call gives; `name` is that of the function without its module, of an operation of an exported program all of it."""

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, function: Function, types, args=(), kwargs=None
    ) -> Any:
        """Hand on a call."""
        name = resolve_name(function) or str(function)
        own = name.rpartition(".")[2] if name.startswith("torch.") else name
        return self.called(own, function, args, kwargs or {})


def outputs_with(stand_in: StandIn, module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Outputs of a module for rows that require a gradient, with something in place of its functions; nothing else requires one.

    Raises:
        AnalyzerNotPossible: A part of the module is TorchScript, whose functions are not seen, or the outputs are others than
            those of the module, so that it does something else that is not seen.
    """
    if any(isinstance(each, torch.jit.ScriptModule) for each in module.modules()):
        raise _unseen("a part in TorchScript")
    with torch.no_grad():
        expected: torch.Tensor = module(inputs.detach().clone())
    fixed = {name: parameter.detach() for name, parameter in module.named_parameters()}
    with torch.enable_grad(), stand_in:
        outputs: torch.Tensor = functional_call(module, fixed, (inputs,))
    if not torch.allclose(outputs, expected, rtol=_SHARE, atol=_SHARE * float(expected.abs().max())):
        raise _unseen("other outputs when it is followed: it changes tensors behind its back")
    return outputs


def _unseen(found: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        "this method follows a network function by function, and does not see all of this one",
        where="analyzers.captum.method",
        found=found,
        allowed="a network of torch that uses what its functions return",
        fix='set method = "integrated_gradients", which asks for gradients alone',
    )
