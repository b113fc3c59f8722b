"""Class activation maps: GradCAM, and its product with guided backpropagation."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible, AuditbenchError, ConfigError
from auditbench_captum.guided import guided_gradients

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

Channels: TypeAlias = Literal["first", "last"]

MOST_NAMED = 12
"""Layers that a refusal names."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


def grad_cam(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    layer: str = "",
    channels: Channels = "first",
) -> Numbers:
    """The map of `class_map` at the places of the input, shape `(rows, targets, *places)`; see `interpolated`."""
    return interpolated(class_map(module, rows, targets, layer=layer, channels=channels), rows.shape[2:])


def interpolated(maps: Numbers, size: Sequence[int]) -> Numbers:
    """Maps of a layer at so many places, linearly interpolated between those that they have."""
    mode = "linear" if maps.ndim == 3 else "bilinear"
    return np.asarray(nn.functional.interpolate(torch.from_numpy(maps), size=tuple(size), mode=mode).numpy())


def class_map(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    layer: str = "",
    channels: Channels = "first",
) -> Numbers:
    """The channels of a layer, weighted by the mean gradient of the output by each of them, what is below 0 left out.

    Args:
        module: In evaluation mode; left as it is.
        rows: Encoded images or series, shape `(rows, channels, *places)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        layer: Name of the layer, as `named_modules` gives it, or its end; the last convolution when empty.
        channels: Whether what the layer gives has its channels in front of its places or behind them.

    Returns:
        Shape `(rows, targets, *places of the layer)`, float64.

    Raises:
        ConfigError: The layer that is asked for does not exist, gives no map, or the output does not depend on it.
        AnalyzerNotPossible: There is no convolution, or no map of the last one that the output depends on.

    References: arXiv:1610.02391, equations 1 and 2.
    """
    name = mapped_layer(module, layer)
    held: list[Any] = []

    def keep(_module: nn.Module, _args: object, output: Any) -> Any:
        held.append(output)
        # What follows may change its input in place, as an activation does, and has to change another tensor.
        return output.clone() if isinstance(output, torch.Tensor) else output

    handle = module.get_submodule(name).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            outputs = module(rows.clone().requires_grad_())
    finally:
        handle.remove()
    if len(held) != 1 or not isinstance(held[0], torch.Tensor) or held[0].ndim != rows.ndim:
        raise _no_map(name, _said(held), rows.ndim, asked=layer)
    maps = [
        _map(outputs, targets[:, at], held[0], name, 1 if channels == "first" else -1, asked=layer)
        for at in range(targets.shape[1])
    ]
    return np.asarray(torch.stack(maps, dim=1).clamp(min=0).double().cpu().numpy())


def guided_grad_cam(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    layer: str = "",
    channels: Channels = "first",
) -> Numbers:
    """GradCAM times guided backpropagation, shape `(rows, targets, *row shape)`.

    References: arXiv:1610.02391, section 3.2.
    """
    maps = grad_cam(module, rows, targets, layer=layer, channels=channels)
    return maps[:, :, np.newaxis] * guided_gradients(module, rows, targets)


class TwoSided(nn.Module):
    """A network with an output for either class of a classifier that has one, z: `(-z, z)`.

    A map shows what raises an output; what lowers z raises that of the other class.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, 2)`."""
        output = self.network(rows)
        return torch.cat([-output, output], dim=1)


def mapped_layer(module: nn.Module, asked: str) -> str:
    """Full name of the layer that is asked for, or of the last convolution; see `layer_name` and `last_convolution`."""
    return layer_name(module, asked) if asked else last_convolution(module)


def last_convolution(module: nn.Module) -> str:
    """Name of the last convolution, in the order of the modules.

    Raises:
        AnalyzerNotPossible: There is none.
    """
    found = _convolutions(module)
    if not found:
        raise AnalyzerNotPossible(
            "GradCAM maps the channels of a convolution, and this network has none",
            where="analyzers.captum.method",
            found=type(module).__name__,
            allowed="a network with a convolution, or a named layer that gives channels and places",
            fix='name the layer, or set method = "integrated_gradients", which asks for gradients alone',
        )
    return found[-1]


def layer_name(module: nn.Module, asked: str) -> str:
    """Full name of the layer that a config names, by all of its name or by an end of it that no other layer has.

    Raises:
        ConfigError: There is no such layer, or several.
    """
    names = [name for name, _ in module.named_modules() if name]
    found = [asked] if asked in names else [name for name in names if name.endswith(f".{asked}")]
    if len(found) == 1:
        return found[0]
    close = difflib.get_close_matches(asked, names, n=3)
    others = [name for name in _convolutions(module) or names if name not in close]
    likely = found or [*close, *others[len(close) - MOST_NAMED :]]
    raise ConfigError(
        "several layers have this name" if found else "the network has no layer of this name",
        where="analyzers.captum.layer",
        found=asked,
        allowed=", ".join(likely[:MOST_NAMED]),
        fix="name one of these layers, or leave the layer away for the last convolution",
    )


def _convolutions(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_modules() if isinstance(layer, _CONVOLUTIONS)]


def _map(
    outputs: torch.Tensor, target: torch.Tensor, given: torch.Tensor, name: str, channel_axis: int, *, asked: str
) -> torch.Tensor:
    """Shape `(rows, *places of the layer)`."""
    chosen = outputs.gather(1, target.unsqueeze(1)).sum()
    gradient: torch.Tensor | None = None
    if given.requires_grad:
        (gradient,) = torch.autograd.grad(chosen, given, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise _no_map(name, "outputs that do not depend on it", given.ndim, asked=asked)
    maps, gradient = (each.movedim(channel_axis, 1).detach() for each in (given, gradient))
    weights = gradient.flatten(2).mean(dim=2)
    return torch.einsum("rc,rc...->r...", weights, maps)


def _said(held: list[Any]) -> str:
    if len(held) != 1:
        return f"it runs {len(held)} times"
    return f"it gives shape {tuple(held[0].shape)}" if isinstance(held[0], torch.Tensor) else "it gives no tensor"


def _no_map(name: str, found: str, axes: int, *, asked: str) -> AuditbenchError:
    """A layer that a config asks for is its mistake; the last convolution, which nobody asked for, is not."""
    kind = ConfigError if asked else AnalyzerNotPossible
    return kind(
        "this layer gives no map that the outputs depend on",
        where="analyzers.captum.layer",
        found=f"{name}: {found}",
        allowed=f"a layer that runs once and gives rows, channels and {'one axis' if axes == 3 else 'two axes'} of places",
        fix='name another layer, or set method = "integrated_gradients", which asks for gradients alone',
    )
