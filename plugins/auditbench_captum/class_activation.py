"""Class activation maps: GradCAM, and its product with guided backpropagation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.guided import guided_gradients

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


def last_convolution(module: nn.Module) -> str:
    """Name of the last convolution, in the order of the modules.

    Raises:
        AnalyzerNotPossible: There is none.
    """
    found: list[str] = [name for name, layer in module.named_modules() if isinstance(layer, _CONVOLUTIONS)]
    if not found:
        raise AnalyzerNotPossible(
            "GradCAM maps the channels of a convolution, and this network has none",
            where="analyzers.captum.method",
            found=type(module).__name__,
            allowed="a network with a convolution",
            fix='set method = "integrated_gradients", which asks for gradients alone',
        )
    return found[-1]


def grad_cam(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    layer: str = "",
    channel_axis: int = 1,
) -> Numbers:
    """The channels of a layer, weighted by the mean gradient of the output by each of them, at the places of the input.

    Between the places of the layer values are interpolated linearly.

    Args:
        module: In evaluation mode; left as it is.
        rows: Encoded images or series, shape `(rows, channels, *places)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        layer: Name of the layer; the last convolution when empty.
        channel_axis: Axis of the channels of what the layer gives: 1, or -1 for channels last.

    Returns:
        Shape `(rows, targets, *places)`.

    Raises:
        AnalyzerNotPossible: There is no convolution, the layer does not exist, gives no map, or the output does not
            depend on it.

    References: arXiv:1610.02391, equations 1 and 2.
    """
    name = layer or last_convolution(module)
    watched = _layer(module, name)
    held: list[Any] = []

    def keep(_module: nn.Module, _args: object, output: torch.Tensor) -> None:
        held.append(output)

    handle = watched.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            outputs = module(rows.clone().requires_grad_())
            maps = [_map(outputs, targets[:, at], held, name, channel_axis) for at in range(targets.shape[1])]
    finally:
        handle.remove()
    found = torch.stack(maps, dim=1).clamp(min=0)
    mode = "linear" if found.ndim == 3 else "bilinear"
    return np.asarray(nn.functional.interpolate(found, size=rows.shape[2:], mode=mode).double().cpu().numpy())


def guided_grad_cam(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    layer: str = "",
    channel_axis: int = 1,
) -> Numbers:
    """GradCAM times guided backpropagation, shape `(rows, targets, *row shape)`.

    References: arXiv:1610.02391, section 3.2.
    """
    maps = grad_cam(module, rows, targets, layer=layer, channel_axis=channel_axis)
    return maps[:, :, np.newaxis] * guided_gradients(module, rows, targets)


def _layer(module: nn.Module, name: str) -> nn.Module:
    layers: dict[str, nn.Module] = dict(module.named_modules())
    if name not in layers:
        raise AnalyzerNotPossible(
            "the network has no layer of this name",
            where="layer",
            found=name,
            allowed=", ".join(list(layers)[1:21]),
        )
    return layers[name]


def _map(outputs: torch.Tensor, target: torch.Tensor, held: list[Any], name: str, channel_axis: int) -> torch.Tensor:
    """Shape `(rows, *places of the layer)`."""
    if len(held) != 1 or not isinstance(held[0], torch.Tensor) or held[0].ndim not in (3, 4):
        raise _no_map(name, f"{len(held)} outputs" if len(held) != 1 else "no tensor of channels and places")
    chosen = outputs.gather(1, target.unsqueeze(1)).sum()
    (gradient,) = torch.autograd.grad(chosen, held[0], retain_graph=True, allow_unused=True)
    if gradient is None:
        raise _no_map(name, "outputs that do not depend on it")
    channels, gradient = (each.movedim(channel_axis, 1).detach() for each in (held[0], gradient))
    weights = gradient.flatten(2).mean(dim=2)
    return torch.einsum("rc,rc...->r...", weights, channels)


def _no_map(name: str, found: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        "this layer gives no map that the outputs depend on",
        where="analyzers.captum.method",
        found=f"{name}: {found}",
        allowed="a layer that runs once and gives channels and places",
        fix='set method = "integrated_gradients", which asks for gradients alone',
    )
