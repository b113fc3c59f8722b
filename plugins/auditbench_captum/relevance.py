"""Layer-wise relevance propagation: an output handed back function by function, each entry by what it contributed.

What flows backwards through the graph is relevance in place of gradients: each function of the network gives what it gives,
with a rule as its derivative. Nothing of the network is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.relevance_rules import Back, Layer, epsilon_rule, handing_back, passed, plus_rule
from auditbench_captum.torch_functions import Function, StandIn, outputs_with

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

Rule: TypeAlias = Literal["epsilon", "epsilon_plus"]

_CONVOLUTIONS = frozenset({"conv1d", "conv2d"})
_AVERAGES = frozenset({"avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "mean", "sum"})
_ACTIVATIONS = frozenset(
    {"relu", "relu_", "leaky_relu", "leaky_relu_", "elu", "elu_", "gelu", "silu", "tanh", "tanh_", "hardtanh"}
)
_SUMS = frozenset({"add", "add_", "sub", "sub_"})
_SCALES = frozenset({"mul", "mul_", "div", "div_"})
_EITHER_WAY = frozenset({"add", "mul"})
_LARGEST = frozenset({"max_pool1d", "max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "amax"})
_MOVES = frozenset(
    {"flatten", "unflatten", "reshape", "view", "unsqueeze", "squeeze", "permute", "transpose", "movedim", "contiguous",
     "__getitem__", "select", "cat", "stack", "split", "chunk", "dropout", "dropout1d", "dropout2d", "clone"}
)  # fmt: skip
"""Functions that only move entries, so that relevance moves with them; in evaluation mode dropout does nothing."""


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
    activations, and constants that are added or multiplied, hand on what they get. A sum of branches, as a residual
    connection is, is shared out by what each of them gave. BatchNorm right behind a linear layer or a convolution is one
    layer with it, elsewhere a layer of its own.

    Args:
        module: In evaluation mode; left as it is.
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        rule: `epsilon` for all layers, or with `epsilon_plus` the z+ rule for convolutions, which keeps what raises.
        epsilon: Share of the mean size of a row's outputs of a layer that is added to each, so that small ones do not blow up.

    Raises:
        AnalyzerNotPossible: There is no rule for something that the network computes.

    References: doi:10.1371/journal.pone.0130140, section on relevance propagation; doi:10.1007/978-3-030-28954-6_10,
    equations 10.1 to 10.4 and table 10.1; BatchNorm: arXiv:2106.13200 (zennit), section on canonizers.
    """
    rules, inputs = _Rules(rule, epsilon), rows.clone().requires_grad_()
    outputs = outputs_with(rules, module, inputs)
    if rules.without:
        raise AnalyzerNotPossible(
            "relevance propagation has no rule for a part of this network",
            where="analyzers.captum.method",
            found=", ".join(rules.without),
            allowed="linear layers, convolutions, BatchNorm, poolings, activations, and sums of branches",
            fix='set method = "integrated_gradients", which asks for gradients alone',
        )
    found = []
    for at in range(targets.shape[1]):
        chosen = outputs.gather(1, targets[:, [at]])
        found.append(torch.autograd.grad(chosen, inputs, chosen.detach(), retain_graph=True)[0])
    return np.asarray(torch.stack(found, dim=1).double().cpu().numpy())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Made:
    """What a linear layer or convolution gave, with the layer, so that BatchNorm behind it can be folded into it."""

    output: torch.Tensor
    entered: torch.Tensor
    layer: Layer


class _Rules(StandIn):
    """Functions with rules in place of their derivatives.

    Attributes:
        without: Names of functions of the rows that have no rule, in order.
    """

    def __init__(self, rule: Rule, epsilon: float) -> None:
        super().__init__()
        self.without: dict[str, None] = {}
        self._rule, self._epsilon = rule, epsilon
        self._made: dict[int, _Made] = {}

    def called(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the function gives, and its rule as the derivative; without one as it is."""
        if name in _AVERAGES | _ACTIVATIONS | _SUMS | _SCALES:
            args, kwargs = _in_place_of_names(args, kwargs)
        first: Any = args[0] if args else None
        if name in _CONVOLUTIONS or name == "linear":
            found = self._layer(function, args, kwargs, convolution=name in _CONVOLUTIONS)
        elif name == "batch_norm":
            found = self._normalised(function, args, kwargs)
        elif name in _AVERAGES and _follows(first):
            found = self._shared(function, (first,), args[1:], kwargs)
        elif name in _ACTIVATIONS and _follows(first):
            found = handing_back(function(first.detach().clone(), *args[1:], **kwargs), (first,), passed)
        elif name in _SUMS | _SCALES:
            found = self._of_two(name, function, args, kwargs)
        else:
            found = None
        if found is not None:
            return found
        given = function(*args, **kwargs)
        if name not in _MOVES | _LARGEST and _follows(given):
            self.without[name] = None
        return given

    def _layer(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, convolution: bool
    ) -> torch.Tensor | None:
        given = _named(("input", "weight", "bias"), args, kwargs)
        entered, weight, bias = given.pop("input"), given.pop("weight"), given.pop("bias", None)
        if not _follows(entered) or _follows(weight):
            return None
        layer = Layer(
            apply=lambda part, weight, bias: function(part, weight, bias, *args[3:], **given),
            weight=weight,
            bias=bias,
            convolution=convolution,
        )
        output = layer.of(entered.detach())
        found = handing_back(output, (entered,), self._back(layer))
        if convolution or output.ndim == weight.ndim:
            self._made[id(found)] = _Made(output=found, entered=entered, layer=layer)
        return found

    def _normalised(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
        """BatchNorm: one layer with what is in front of it where that is a layer of the same channels, else by itself."""
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        given = _named(names, args, kwargs)
        entered, mean, variance = given["input"], given["running_mean"], given["running_var"]
        if not _follows(entered) or given.get("training") or mean is None or variance is None:
            return None
        scale = (variance + given.get("eps", 1e-5)).rsqrt() * (1.0 if given.get("weight") is None else given["weight"])
        shift = -mean * scale + (0.0 if given.get("bias") is None else given["bias"])
        output = function(entered.detach(), **{name: given[name] for name in names[1:] if name in given})
        made = self._made.get(id(entered))
        if made is None:
            shape = (-1, *[1] * (entered.ndim - 2))
            scale, shift = scale.view(shape), shift.view(shape)
            back = epsilon_rule(lambda part: part * scale + shift, self._epsilon)
            return handing_back(output, (entered,), back)
        layer = made.layer
        folded = replace(
            layer,
            weight=layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1)),
            bias=shift + (0.0 if layer.bias is None else layer.bias * scale),
        )
        return handing_back(output, (made.entered,), self._back(folded))

    def _back(self, layer: Layer) -> Back:
        if layer.convolution and self._rule == "epsilon_plus":
            return plus_rule(layer, self._epsilon)
        return epsilon_rule(layer.of, self._epsilon)

    def _of_two(
        self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> torch.Tensor | None:
        """A sum of two branches, or one changed by a constant, which passes everything on."""
        following = tuple(each for each in args if _follows(each))
        if name in _SUMS and len(following) == len(args):
            in_place = function if not name.endswith("_") else getattr(torch, name[:-1])
            return self._shared(in_place, following, (), kwargs)
        if len(following) != 1 or (name not in _EITHER_WAY and following[0] is not args[0]):
            return None
        plain = [each.detach().clone() if each is following[0] else each for each in args]
        output = function(*plain, **kwargs)
        return handing_back(output, following, passed) if output.shape == following[0].shape else None

    def _shared(
        self, function: Function, entered: tuple[torch.Tensor, ...], others: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> torch.Tensor:
        def apply(*parts: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = function(*parts, *others, **kwargs)
            return found

        output = apply(*(each.detach() for each in entered))
        return handing_back(output, entered, epsilon_rule(apply, self._epsilon))


def _follows(value: object) -> bool:
    """Whether something follows from the rows: they are all that requires a gradient."""
    if isinstance(value, tuple | list):
        return any(_follows(each) for each in value)
    return isinstance(value, torch.Tensor) and value.requires_grad


def _in_place_of_names(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with `input` and `other` in front, where torch has them, whether they were named or not."""
    rest = dict(kwargs)
    named = [rest.pop(name) for name in ("input", "other")[len(args) :] if name in rest]
    return (*args, *named), rest


def _named(names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}
