"""Layer-wise relevance propagation: an output handed back layer by layer, each entry by what it contributed.

What flows backwards through the graph is relevance in place of gradients: a hook on each layer gives what it computed, with
the rule as its derivative. Nothing of the network is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.loose_operations import loose_operations

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

Rule: TypeAlias = Literal["epsilon", "epsilon_plus"]

_LINEAR: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
)
_CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d)
_PASSED: tuple[type[nn.Module], ...] = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh)
_AS_THEY_ARE: tuple[type[nn.Module], ...] = (
    nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Dropout1d, nn.Dropout2d,
    nn.Flatten, nn.Unflatten, nn.Identity,
)  # fmt: skip
_MOVES = frozenset(
    {"flatten", "reshape", "view", "unsqueeze", "squeeze", "permute", "transpose", "movedim", "contiguous", "T"}
)
"""Functions that only move entries, so that relevance moves with them."""


def relevance(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    rule: Rule = "epsilon_plus",
    epsilon: float = 1e-6,
) -> Numbers:
    """Relevance of each entry of the rows for outputs, shape `(rows, targets, *row shape)`, in the unit of the output.

    Relevance adds up to the output less what biases and `epsilon` keep. A maximum hands everything to the largest entry;
    activations hand on what they get.

    Args:
        module: In evaluation mode; left as it is.
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        rule: `epsilon` for all layers, or with `epsilon_plus` the z+ rule for convolutions, which keeps what raises.
        epsilon: Share of the size of a layer's output that is added to it, so that small ones do not blow up.

    Raises:
        AnalyzerNotPossible: There is no rule for a layer, or the network computes something outside of its layers.

    References: doi:10.1371/journal.pone.0130140, section on relevance propagation; doi:10.1007/978-3-030-28954-6_10,
    equations 10.1 to 10.4 and table 10.1.
    """
    _refuse_without_rules(module, rows[:1])
    rules: Mapping[type[nn.Module], _RuleOf] = {
        **dict.fromkeys(_LINEAR, partial(_epsilon, epsilon=epsilon)),
        **dict.fromkeys(_CONVOLUTIONS, partial(_epsilon if rule == "epsilon" else _plus, epsilon=epsilon)),
        **dict.fromkeys(_PASSED, _passed),
    }
    with ExitStack() as stack, torch.enable_grad():
        for layer in module.modules():
            if type(layer) in rules:
                stack.callback(layer.register_forward_hook(partial(_with_rule, rules[type(layer)])).remove)
        inputs = rows.clone().requires_grad_()
        outputs = module(inputs)
        found = []
        for at in range(targets.shape[1]):
            chosen = outputs.gather(1, targets[:, [at]])
            found.append(torch.autograd.grad(chosen, inputs, chosen.detach(), retain_graph=True)[0])
    return np.asarray(torch.stack(found, dim=1).double().cpu().numpy())


_RuleOf: TypeAlias = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
"""From a layer, what entered it and the relevance of what it gave to the relevance of what entered."""


class _Ruled(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, entered: torch.Tensor, output: torch.Tensor, handed_back: Callable[..., Any]
    ) -> torch.Tensor:
        context.save_for_backward(entered)
        context.handed_back = handed_back
        return output.detach().clone()

    @staticmethod
    def backward(context: Any, *relevance: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (entered,) = context.saved_tensors
        return context.handed_back(entered.detach(), relevance[0]), None, None


def _with_rule(
    rule: _RuleOf, layer: nn.Module, entered: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    found: torch.Tensor = _Ruled.apply(entered[0], output, partial(rule, layer))  # type: ignore[no-untyped-call]
    return found


def _passed(_layer: nn.Module, _entered: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
    return relevance


def _epsilon(layer: nn.Module, entered: torch.Tensor, relevance: torch.Tensor, *, epsilon: float) -> torch.Tensor:
    """`x * c` with `c` the gradient of the layer's output weighted by relevance over output."""
    return _shared_out([(entered, _WithoutHooks(layer))], relevance, epsilon)


def _plus(layer: nn.Module, entered: torch.Tensor, relevance: torch.Tensor, *, epsilon: float) -> torch.Tensor:
    """The same of what raises alone: positive entries by positive weights and negative ones by negative weights."""
    parts = [(entered.clamp(min=0), _signed(layer, 1)), (entered.clamp(max=0), _signed(layer, -1))]
    return _shared_out(parts, relevance, epsilon)


def _signed(layer: nn.Module, sign: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The layer with the weights of one sign alone, and without a bias."""
    weight = layer.get_parameter("weight").detach()
    kept = {"layer.weight": weight.clamp(min=0) if sign > 0 else weight.clamp(max=0)}
    kept |= {f"layer.{name}": torch.zeros_like(bias) for name, bias in layer.named_parameters() if name == "bias"}
    return lambda part: functional_call(_WithoutHooks(layer), kept, (part,))


class _WithoutHooks(nn.Module):
    """A layer whose hooks, those of the rules among them, are not called."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, part: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = type(self.layer).forward(self.layer, part)
        return found


def _shared_out(
    parts: list[tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]], relevance: torch.Tensor, epsilon: float
) -> torch.Tensor:
    with torch.enable_grad():
        leaves = [part.clone().requires_grad_() for part, _ in parts]
        output = sum((apply(leaf) for leaf, (_, apply) in zip(leaves, parts, strict=True)), start=torch.zeros(()))
        size = output.detach()
        steadied = size + epsilon * size.abs().mean() * torch.where(size >= 0, 1.0, -1.0)
        slopes = torch.autograd.grad(output, leaves, torch.where(size == 0, 0.0, relevance / steadied))
    shares = [leaf.detach() * slope for leaf, slope in zip(leaves, slopes, strict=True)]
    return torch.stack(shares).sum(dim=0)


def _refuse_without_rules(module: nn.Module, row: torch.Tensor) -> None:
    known = (*_LINEAR, *_CONVOLUTIONS, *_PASSED, *_AS_THEY_ARE)
    unknown = {
        type(layer).__name__: None
        for layer in module.modules()
        if type(layer) not in known and (any(True for _ in layer.parameters(recurse=False)) or _is_leaf(layer))
    }
    loose = [name for name in loose_operations(module, row, known) if name not in _MOVES]
    if not unknown and not loose:
        return
    raise AnalyzerNotPossible(
        "relevance propagation has no rule for a part of this network",
        where="analyzers.captum.method",
        found=", ".join([*unknown, *(f"{name} outside of a layer" for name in loose)]),
        allowed="linear layers, convolutions, poolings and activations, one after the other",
        fix='set method = "integrated_gradients", which asks for gradients alone',
    )


def _is_leaf(layer: nn.Module) -> bool:
    return not any(True for _ in layer.children())
