"""`FirstLayer`: a module cut behind its first linear layer, so that what is linear is computed once.

The pre-activations of a masked row are a sum over players: of what the kept ones contribute by the explained row, and
the hidden ones by the replacement. They follow from zeros and ones by one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

from auditbench.masking.copying import structural_copy
from auditbench.masking.layer_kinds import OVERWRITING, is_embedding, is_linear, keeps_numbers
from auditbench.masking.traced_layers import FirstLinear, trace_first_linear
from auditbench.models.network import ScaledOutput
from auditbench.models.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from auditbench.masking.players import Players

    Ran: TypeAlias = Callable[[int], object]
    """Told how many rows a module, or a part of it, was run on."""

_TOLERANCE = 1e-4
"""Largest relative difference between the module and its two parts, on real rows; rounding is a hundredth of it."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

_MOST_NUMBERS = 8 << 20
"""What the entries of rows add is made for fewer rows at a time where it would be more numbers than this."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstLayer:
    """A module as `tail(pre-activations)`.

    Attributes:
        weight: Shape `(entries, hidden)` for numbers, `(positions, embedding, hidden)` behind an embedding.
        bias: Shape `(hidden,)`.
        embedding: Maps tokens to vectors, where the module begins with one.
        tail: From pre-activations, shape `(rows, hidden)`, to outputs; it may overwrite them.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    embedding: nn.Embedding | None
    tail: nn.Module

    @property
    def hidden(self) -> int:
        """Pre-activations of a row."""
        return int(self.weight.shape[-1])

    def entries(self, rows: torch.Tensor) -> torch.Tensor:
        """What each entry of some rows adds to the pre-activations, shape `(rows, entries, hidden)`."""
        if self.embedding is None:
            return rows.flatten(1).to(self.weight.dtype).unsqueeze(2) * self.weight
        return torch.einsum("rpe,peh->rph", self.embedding(rows), self.weight)

    def contributions(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """What each player, and at the end everything that is nobody's, adds; shape `(rows, players + 1, hidden)`.

        Args:
            players: Of these rows. A player that a row lacks adds 0.
        """
        together = max(1, _MOST_NUMBERS // (len(self.weight) * self.hidden))
        parts = [slice(start, start + together) for start in range(0, len(rows), together)]
        summed = [self._by_player(self.entries(rows[part]), players.of_rows(part)) for part in parts]
        return summed[0] if len(summed) == 1 else torch.cat(summed)

    def _by_player(self, given: torch.Tensor, players: Players) -> torch.Tensor:
        """Sums over the entries of each player, and over those of nobody."""
        slots = len(players) + 1
        groups = players.groups.to(given.device).reshape(-1, given.shape[1])
        places = torch.where(groups < 0, len(players), groups)
        if given.device.type != "cpu":  # only a CPU adds up by index in the same order each time
            every = torch.arange(slots, device=given.device).view(-1, 1)
            return torch.matmul((places.unsqueeze(1) == every).to(given.dtype), given)
        summed = given.new_zeros((len(given) * slots, self.hidden))
        of_row = torch.arange(0, len(summed), slots).view(-1, 1)
        summed.index_add_(0, (of_row + places).flatten(), given.flatten(0, 1))
        return summed.view(len(given), slots, self.hidden)


def cut_first_layer(
    module: nn.Module, rows: torch.Tensor, *, in_place: bool = True, ran: Ran | None = None
) -> FirstLayer | None:
    """The module cut behind its first linear layer; None where it does not begin with one, or cannot be traced.

    It may begin with a linear layer, or with an embedding and a linear layer, with flattening or a mean over positions
    between. The parts share the memory of the module's parameters, and nothing of the module is changed.

    A sequence of layers is taken apart as it is. Other code is traced, which patches how modules are called in the
    whole process for some milliseconds; see `traced_layers` for what other threads may notice of it.

    Args:
        module: In evaluation mode.
        rows: Some real rows, on which the parts must give what the module gives.
        in_place: Whether activations of the tail overwrite their input; gradients need False.
        ran: Told the number of rows each time the module, or the part behind the cut, was run on them.
    """
    layers = list(module.modules())
    if not any(is_linear(layer) for layer in layers) or any(_is_altered(layer) for layer in layers):
        return None
    found = _first_linear(module, in_place=in_place)
    weight = None if found is None else _weight_by_entry(found, rows)
    if found is None or weight is None:
        return None
    bias = dict(found.linear.named_parameters()).get("bias")
    cut = FirstLayer(
        weight=weight,
        bias=weight.new_zeros(weight.shape[-1]) if bias is None else bias.detach(),
        embedding=found.embedding,
        tail=found.tail,
    )
    return cut if _reproduces(cut, module, rows, ran or (lambda rows: None)) else None


def _is_altered(layer: nn.Module) -> bool:
    """Whether a layer does something else than its class says: by a mode, a script, or hooks."""
    if layer.training or isinstance(layer, torch.jit.ScriptModule):
        return True
    held = vars(layer)  # torch has no public way to ask for hooks
    return any(held.get(hooks) for hooks in _HOOKS) or "forward" in held


def _first_linear(module: nn.Module, *, in_place: bool) -> FirstLinear | None:
    """Where the module begins: from its layers, as long as they say what is done, else from its trace."""
    layers: list[Any] = _in_order(module)
    place, embedding = 0, None
    while place < len(layers) and not is_linear(layers[place]):
        if is_embedding(layers[place]) and embedding is None:
            embedding = layers[place]
        elif not keeps_numbers(layers[place]):
            break
        place += 1
    if place == len(layers):
        return None
    if is_linear(layers[place]):
        tail = _sequence(layers[place:], in_place=in_place)
        return FirstLinear(linear=layers[place], embedding=embedding, mean=False, tail=tail)
    of_torch = type(layers[place]).__module__.startswith("torch.nn.")
    return None if of_torch else trace_first_linear(module, in_place=in_place)


def _in_order(module: nn.Module) -> list[nn.Module]:
    """What the module calls one after the other."""
    if type(module) is nn.Sequential:
        return [layer for part in module for layer in _in_order(part)]
    if type(module) is ScaledOutput:
        return [*_in_order(module.network), structural_copy(module, {module.network: nn.Identity()})]
    return [module]


def _sequence(layers: list[nn.Module], *, in_place: bool) -> nn.Module:
    """What comes behind the first of these layers."""
    behind: list[nn.Module] = []
    for before, layer in pairwise(layers):
        overwriting = OVERWRITING.get(type(layer)) if in_place and is_linear(before) else None
        behind.append(layer if overwriting is None else _Overwriting(overwriting))
    linear = [place for place, layer in enumerate(behind) if is_linear(layer)]
    for place in linear[:-1] if in_place else ():  # what the last one gives may be handed on as it is
        behind[place] = _Reusing(behind[place])
    sequence = nn.Sequential(*behind)
    sequence.training = False
    return sequence


class _Overwriting(nn.Module):
    """An activation in place."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.forward = function
        self.training = False


class _Reusing(nn.Module):
    """A linear layer whose outputs stand in one buffer until it is called again; new memory costs time."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        parameters = dict(linear.named_parameters())
        self.weight, self.bias = parameters["weight"], parameters.get("bias")
        self._buffer = torch.empty(0)
        self.training = False

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if len(self._buffer) < len(rows):
            self._buffer = rows.new_empty((len(rows), len(self.weight)))
        outputs = self._buffer[: len(rows)]
        if self.bias is None:
            return torch.mm(rows, self.weight.t(), out=outputs)
        return torch.addmm(self.bias, rows, self.weight.t(), out=outputs)


def _weight_by_entry(found: FirstLinear, rows: torch.Tensor) -> torch.Tensor | None:
    """The weight as `FirstLayer` has it; None where the linear layer takes something else than all entries of a row."""
    weight, entries, embedding = found.linear.weight.detach().t(), rows[0].numel(), found.embedding
    if embedding is None:
        return weight.contiguous() if len(weight) == entries else None
    if rows.ndim != 2:
        return None
    if found.mean:
        return (weight / entries).expand(entries, *weight.shape) if len(weight) == embedding.embedding_dim else None
    by_position = (entries, embedding.embedding_dim, weight.shape[1])
    return weight.reshape(by_position) if len(weight) == entries * embedding.embedding_dim else None


def _reproduces(cut: FirstLayer, module: nn.Module, rows: torch.Tensor, ran: Ran) -> bool:
    with torch.no_grad():
        expected = module(rows.clone())
        ran(len(rows))
        try:
            given = cut.tail(cut.entries(rows).sum(dim=1) + cut.bias)
        except (RuntimeError, TypeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            return False
    ran(len(rows))
    if not isinstance(expected, torch.Tensor) or given.shape != expected.shape:
        return False
    scale = float(expected.abs().max()) or 1.0
    return bool((given - expected).abs().max() <= _TOLERANCE * scale)
