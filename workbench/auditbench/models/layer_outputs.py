"""What the layers of a network give for some rows, and how an output depends on them; hooks are gone on leaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import torch
from torch import nn

from auditbench.data.inputs import PADDING, TextInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.evaluation import Inputs
    from auditbench.models.layers import Layer
    from auditbench.models.subject import ModelUnderTest

    Floats: TypeAlias = npt.NDArray[np.float32]

Noted = TypeVar("Noted")


@contextmanager
def noted_outputs(
    module: nn.Module, names: Sequence[str], note: Callable[[str, torch.Tensor], Noted]
) -> Iterator[dict[str, Noted]]:
    """What `note` makes of the name and the output of these layers in the last call, by name.

    The network goes on with a copy, so that what comes next and works in place changes nothing here. Where gradients are
    on and none reaches an output, as behind token ids, it becomes a leaf that has one.
    """
    held: dict[str, Noted] = {}

    def keep(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_layer: nn.Module, _given: object, output: torch.Tensor) -> torch.Tensor:
            if torch.is_grad_enabled() and not output.requires_grad:
                output = output.detach().requires_grad_()
            held[name] = note(name, output)
            return output.clone()

        return module.get_submodule(name).register_forward_hook(hook)

    handles = [keep(name) for name in names]
    try:
        yield held
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def held_outputs(module: nn.Module, names: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """What these layers gave in the last call, by name."""
    with noted_outputs(module, names, lambda _name, output: output) as held:
        yield held


@contextmanager
def replaced_output(layer: nn.Module, output: torch.Tensor) -> Iterator[None]:
    """The network as if this layer gave `output`, whatever it is given; other hooks see that too."""
    handle = layer.register_forward_hook(lambda _layer, _given, _output: output.clone(), prepend=True)
    try:
        yield
    finally:
        handle.remove()


def counted_places(
    model: ModelUnderTest, encoded: torch.Tensor, output: torch.Tensor, unit_axis: int
) -> torch.Tensor | None:
    """Which places of a text's layer stand for tokens, shape `(rows, length)`; None where all places count.

    A text without any token counts as one of padding.
    """
    items = tuple(model.inputs.values())
    places = [size for axis, size in enumerate(output.shape) if axis not in (0, unit_axis)]
    if len(items) != 1 or not isinstance(items[0], TextInput) or places != [encoded.shape[1]]:
        return None
    counted = encoded != PADDING
    counted[:, 0] |= ~counted.any(dim=1)
    return counted


def layer_outputs(model: ModelUnderTest, inputs: Inputs, layers: Sequence[Layer]) -> dict[str, Floats]:
    """What some layers give, by name, as the mean over their places, those of padding left out: shape `(rows, units)`."""
    named = {layer.name: layer for layer in layers}

    def part(rows: slice) -> torch.Tensor:
        encoded = model.encode({name: array[rows] for name, array in inputs.items()})

        def mean(name: str, output: torch.Tensor) -> torch.Tensor:
            sums, places = _over_places(model, encoded, output, named[name].unit_axis)
            return sums / places

        with torch.no_grad(), noted_outputs(model.module, list(named), mean) as held:
            model.module(encoded)
        return torch.cat([held[name] for name in named], dim=1).cpu()

    found = torch.cat(model.in_batches(part, _rows_of(inputs))).numpy()
    ends = np.cumsum([layer.units for layer in named.values()])[:-1]
    return dict(zip(named, np.split(found, ends, axis=1), strict=True))


def layer_gradients(model: ModelUnderTest, inputs: Inputs, layer: Layer, targets: npt.NDArray[np.int64]) -> Floats:
    """Derivative of an output of each row by the units of a layer, all of whose places move alike: shape `(rows, units)`.

    That is the sum over the places, those of padding left out.

    Args:
        targets: Output of each row, shape `(rows,)`.
    """

    def part(rows: slice) -> torch.Tensor:
        encoded = model.encode({name: array[rows] for name, array in inputs.items()})
        with torch.enable_grad(), held_outputs(model.module, [layer.name]) as held:
            outputs = model.module(encoded)
            chosen = outputs.gather(1, torch.from_numpy(targets[rows]).to(outputs.device).unsqueeze(1))
            joined = (
                chosen.sum() + 0 * held[layer.name].sum()
            )  # outputs that do not depend on the layer have a gradient of 0
            (slope,) = torch.autograd.grad(joined, held[layer.name])
        return _over_places(model, encoded, slope, layer.unit_axis)[0].cpu()

    return torch.cat(model.in_batches(part, _rows_of(inputs))).numpy()


def _over_places(
    model: ModelUnderTest, encoded: torch.Tensor, values: torch.Tensor, unit_axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over the places that count, shape `(rows, units)`, and how many these are, shape `(rows, 1)`."""
    counted = counted_places(model, encoded, values, unit_axis)
    flat = (
        values.detach().movedim(unit_axis, 1).flatten(2).float()
        if values.ndim > 2
        else values.detach().float()[:, :, None]
    )
    kept = torch.ones_like(flat[:, :1], dtype=torch.bool) if counted is None else counted[:, None]
    return torch.where(kept, flat, 0.0).sum(dim=2), kept.sum(dim=2)


def _rows_of(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))
