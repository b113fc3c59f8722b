"""The layers of a network: which there are, in the order in which they run, and what each gives for a row."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.config_problems import nearest
from auditbench.errors import ConfigError

if TYPE_CHECKING:
    from auditbench.data.evaluation import Inputs
    from auditbench.models.subject import ModelUnderTest

_CHANNELS_FIRST = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "MaxPool", "AvgPool", "Adaptive", "FractionalMax")
_UNITS_LAST = ("Linear", "LayerNorm", "RMSNorm", "Embedding")
MOST_NAMED = 20
"""Layers that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A module that runs once a forward pass and gives one tensor for all rows.

    Attributes:
        name: In `named_modules` of the network.
        label: The name without what all layers' names begin with.
        kind: Name of its class.
        shape: Of what it gives for one row.
        unit_axis: Axis of its units in what it gives for a batch: that of the channels of a convolution, else the last.
        block: Whether it is one of several parts with parts of their own, as the blocks of a transformer are.
    """

    name: str
    label: str
    kind: str
    shape: tuple[int, ...]
    unit_axis: int
    block: bool = False

    @property
    def units(self) -> int:
        """How many there are: channels, or numbers of a vector."""
        return self.shape[self.unit_axis - 1]


def model_layers(model: ModelUnderTest, inputs: Inputs) -> tuple[Layer, ...]:
    """The layers in the order in which they finish, found by one pass of some rows.

    Modules without parts, and blocks: entries of a list or a sequence of modules that have parts of their own. A block stands
    for its last part, where that gave the same tensor.

    Args:
        inputs: Raw rows, two or more, so that their number can be told from other sizes.
    """
    calls: list[tuple[str, Any]] = []
    named = {name: module for name, module in model.module.named_modules() if name}
    blocks = {
        f"{name}.{part}"
        for name, each in named.items()
        if isinstance(each, (nn.ModuleList, nn.Sequential))
        for part, entry in each.named_children()
        if next(entry.children(), None) is not None
    }

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_hook(lambda _module, _given, output: calls.append((name, output)))

    handles = [watch(name, module) for name, module in named.items()]
    encoded = model.encode(inputs)
    try:
        with torch.no_grad():
            model.module(encoded)
    finally:
        for handle in handles:
            handle.remove()
    times = Counter(name for name, _ in calls)
    kept: dict[str, torch.Tensor] = {}
    for name, output in calls:
        if times[name] > 1 or not _is_of_rows(output, len(encoded)):
            continue
        last = next(reversed(kept), "")
        if last.startswith(f"{name}."):
            if name not in blocks:
                continue
            if kept[last] is output:
                del kept[last]
        kept[name] = output
    return _described(model, named, kept, blocks)


def by_name(layers: Sequence[Layer]) -> dict[str, Layer]:
    """The layers by their whole names, and by label, which counts where it is the name of another."""
    return {layer.name: layer for layer in layers} | {layer.label: layer for layer in layers}


def named_layers(
    layers: Sequence[Layer], names: Sequence[str], *, where: str, besides: Sequence[str] = ()
) -> tuple[Layer, ...]:
    """The layers of these names or labels, each once.

    Args:
        where: Key path of the parameter that names them.
        besides: What else could stand there.

    Raises:
        ConfigError: There is none of a name.
    """
    named = by_name(layers)
    unknown = [name for name in names if name not in named]
    if unknown:
        labels = [*besides, *(layer.label for layer in layers)]
        close = difflib.get_close_matches(unknown[0], labels, n=3)
        raise ConfigError(
            "the network has no layer of this name that runs once and gives a tensor for the rows",
            where=where,
            found=", ".join(unknown),
            allowed=", ".join(dict.fromkeys((*close, *labels[:MOST_NAMED]))),
            fix=nearest(unknown[0], labels) or "name one of these layers",
        )
    return tuple(dict.fromkeys(named[name] for name in names))


def stages(layers: Sequence[Layer], most: int) -> tuple[Layer, ...]:
    """At most so many layers that show a network from first to last.

    Of a network with blocks the first layer, the blocks and the last layer, else all; spread evenly where they are too many.
    """
    blocks = [layer for layer in layers if layer.block]
    if len(blocks) > 1:
        ends = [layer for layer in (layers[0], layers[-1]) if layer not in blocks]
        layers = [layer for layer in layers if layer in blocks or layer in ends]
    places = np.unique(np.linspace(0, len(layers) - 1, min(most, len(layers))).round().astype(int))
    return tuple(layers[place] for place in places)


def _described(
    model: ModelUnderTest, named: dict[str, nn.Module], outputs: dict[str, torch.Tensor], blocks: set[str]
) -> tuple[Layer, ...]:
    text = any(item.modality == "text" for item in model.inputs.values())
    holders = zip(*(name.split(".")[:-1] for name in outputs), strict=False)
    shared = len(list(takewhile(lambda parts: len(set(parts)) == 1, holders)))
    found: list[Layer] = []
    for name, output in outputs.items():
        kind = type(named[name]).__name__
        before = found[-1] if found else None
        layer = Layer(
            name=name,
            label=".".join(name.split(".")[shared:]),
            kind=kind,
            shape=tuple(output.shape[1:]),
            unit_axis=_unit_axis(kind, output, before, text=text),
            block=name in blocks,
        )
        found.append(layer)
    return tuple(found)


def _unit_axis(kind: str, output: torch.Tensor, before: Layer | None, *, text: bool) -> int:
    """By what the kind of layer is known to give, else as the layer before it, where that gives as many axes and units."""
    last = output.ndim - 1
    if last == 1 or kind.startswith(_UNITS_LAST):
        return last
    if kind.startswith(_CHANNELS_FIRST):
        return 1
    if before is not None and len(before.shape) == last and output.shape[before.unit_axis] == before.units:
        return before.unit_axis
    return last if text else 1


def _is_of_rows(output: Any, rows: int) -> bool:
    return isinstance(output, torch.Tensor) and output.is_floating_point() and output.ndim > 1 and len(output) == rows
