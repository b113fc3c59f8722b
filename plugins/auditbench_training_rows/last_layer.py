"""The last linear layer of a network: what it takes, and how the loss of each row depends on what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import torch
from torch import nn

from auditbench.findings import Message
from auditbench_training_rows.losses import row_losses

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

    Floats: TypeAlias = npt.NDArray[np.float32]

TRIED_ROWS = 2
"""That a network is called with to find the layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLinear:
    """The linear layer that a forward pass calls last.

    Attributes:
        name: In `named_modules`; empty where the model has none that can be used, for `reason`.
    """

    name: str = ""
    reason: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LastLayer:
    """What the gradient of each row's loss by the weights of a linear layer is made of: their outer product.

    Attributes:
        activations: What the layer takes, shape `(rows, units)`; with a last column of ones where it has a bias, whose
            gradient is that of the weight of a unit that is always 1.
        gradients: Of the row's loss by what the layer gives, shape `(rows, outputs of the layer)`.
    """

    activations: Floats
    gradients: Floats

    def __len__(self) -> int:
        return len(self.activations)

    def take(self, part: slice) -> LastLayer:
        """Some of the rows."""
        return LastLayer(activations=self.activations[part], gradients=self.gradients[part])


def find_last_linear(model: ModelUnderTest, rows: Rows) -> LastLinear:
    """The last linear layer that the network calls, if it runs once and takes one row of numbers for each row."""
    if "layers" not in model.facts.capabilities:
        return _none("no_layers")
    encoded = model.encode(rows.take(np.arange(min(TRIED_ROWS, len(rows)))).inputs)
    calls: list[tuple[str, torch.Tensor, torch.Tensor]] = []
    handles = [
        layer.register_forward_hook(_recorder(name, calls), with_kwargs=True)
        for name, layer in model.module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        with torch.enable_grad():
            outputs = model.module(encoded)
    finally:
        for handle in handles:
            handle.remove()
    if not calls:
        return _none("no_linear")
    name, taken, given = calls[-1]
    if taken.ndim != 2 or len(taken) != len(encoded) or [called for called, _, _ in calls].count(name) > 1:
        return _none("not_once", layer=name)
    slopes: tuple[torch.Tensor | None, ...] = (None,)
    if outputs.requires_grad:
        slopes = torch.autograd.grad(outputs.sum(), given, allow_unused=True)
    return _none("not_used", layer=name) if slopes[0] is None else LastLinear(name=name)


def last_layer(model: ModelUnderTest, name: str, rows: Rows, labels: npt.NDArray[Any]) -> LastLayer:
    """What the named layer takes, and the gradient of each row's loss by what it gives; exact, in one forward pass.

    The loss is that of `row_losses` at `labels`, shape `(rows,)`. The model computes rows independently of each other, so
    that one gradient of the sum of their losses holds that of each.
    """
    layer = model.module.get_submodule(name)
    held: list[tuple[torch.Tensor, torch.Tensor]] = []

    def cut(_module: nn.Module, args: Any, kwargs: Any, output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().requires_grad_()
        held.append((_taken(args, kwargs).detach(), leaf))
        return leaf.clone()  # what follows may work in place, which a leaf does not allow

    def part(where: slice) -> torch.Tensor:
        held.clear()
        encoded = model.encode({key: array[where] for key, array in rows.inputs.items()})
        wanted = torch.from_numpy(labels[where]).to(model.device)
        with torch.enable_grad():
            losses = row_losses(model.module(encoded), wanted, task=model.facts.task, output=model.facts.output)
            (slope,) = torch.autograd.grad(losses.sum(), held[0][1])
        return torch.cat([held[0][0].float(), slope.float()], dim=1).cpu()

    handle = layer.register_forward_hook(cut, with_kwargs=True)
    try:
        found = torch.cat(model.in_batches(part, len(rows))).numpy()
    finally:
        handle.remove()
    units = units_of(model, name)
    taken, slopes = found[:, :units], found[:, units:]
    if getattr(layer, "bias", None) is not None:
        taken = np.concatenate([taken, np.ones((len(taken), 1), dtype=np.float32)], axis=1)
    return LastLayer(activations=taken, gradients=slopes)


def units_of(model: ModelUnderTest, name: str) -> int:
    """How many numbers the named linear layer takes; its weight need not be a parameter, as where it is normed."""
    return cast(nn.Linear, model.module.get_submodule(name)).in_features


def _recorder(name: str, calls: list[tuple[str, torch.Tensor, torch.Tensor]]) -> Any:
    def record(_module: nn.Module, args: Any, kwargs: Any, output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().requires_grad_()
        calls.append((name, _taken(args, kwargs), leaf))
        return leaf.clone()

    return record


def _taken(args: Any, kwargs: Any) -> torch.Tensor:
    taken: torch.Tensor = args[0] if args else kwargs["input"]
    return taken


def _none(why: str, **values: str) -> LastLinear:
    return LastLinear(reason=Message(key=f"training-rows.no_influence.{why}", values=values))
