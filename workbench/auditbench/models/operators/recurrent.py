"""Recurrent layers, step by step: any activations, both directions, rows of unequal length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import MOST_STEPS, Function, Versions, unsupported

_Activation = Callable[[Tensor], Tensor]
_States = tuple[Tensor, ...]
_WITH_NUMBERS: Mapping[str, tuple[tuple[float, ...], Callable[..., Tensor]]] = {
    "Affine": ((1.0, 0.0), lambda values, alpha, beta: alpha * values + beta),
    "Elu": ((1.0,), F.elu),
    "HardSigmoid": ((0.2, 0.5), lambda values, alpha, beta: torch.clamp(alpha * values + beta, 0, 1)),
    "LeakyRelu": ((0.01,), F.leaky_relu),
    "ScaledTanh": ((1.0, 1.0), lambda values, alpha, beta: alpha * torch.tanh(beta * values)),
    "ThresholdedRelu": ((1.0,), lambda values, alpha: torch.where(values > alpha, values, torch.zeros_like(values))),
}
_PLAIN: Mapping[str, _Activation] = {
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Tanh": torch.tanh,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Direction:
    """What one direction of a layer computes with.

    Attributes:
        recurrence: Shape `(gates * hidden, hidden)`.
        input_bias: Shape `(gates * hidden)`, as is `bias`, that of the recurrence.
        peepholes: Shape `(3 * hidden)`; of an LSTM.
        clip: Largest size of what an activation gets.
    """

    node: GraphNode
    recurrence: Tensor
    input_bias: Tensor
    bias: Tensor
    activations: tuple[_Activation, ...]
    peepholes: Tensor | None
    clip: float

    def bounded(self, values: Tensor) -> Tensor:
        """Within the clip."""
        return values if math.isinf(self.clip) else torch.clamp(values, -self.clip, self.clip)


_Step = Callable[[_Direction, Tensor, _States], _States]


def _rnn_step(direction: _Direction, projected: Tensor, states: _States) -> _States:
    summed = projected + F.linear(states[0], direction.recurrence, direction.bias)
    return (direction.activations[0](direction.bounded(summed)),)


def _gru_step(direction: _Direction, projected: Tensor, states: _States) -> _States:
    (hidden,), size = states, states[0].shape[-1]
    gate, candidate = direction.activations
    recurrent = F.linear(hidden, direction.recurrence[: 2 * size], direction.bias[: 2 * size])
    update, reset = gate(direction.bounded(projected[:, : 2 * size] + recurrent)).chunk(2, dim=-1)
    weight, bias = direction.recurrence[2 * size :], direction.bias[2 * size :]
    if direction.node.attributes.get("linear_before_reset", 0):
        remembered = reset * F.linear(hidden, weight, bias)
    else:
        remembered = F.linear(reset * hidden, weight, bias)
    new = candidate(direction.bounded(projected[:, 2 * size :] + remembered))
    return ((1 - update) * new + update * hidden,)


def _lstm_step(direction: _Direction, projected: Tensor, states: _States) -> _States:
    hidden, cell = states
    gate, candidate, output = direction.activations
    gates = projected + F.linear(hidden, direction.recurrence, direction.bias)
    entered, left, kept, new = gates.chunk(4, dim=-1)
    if direction.peepholes is not None:
        of_input, of_output, of_forget = direction.peepholes.chunk(3)
        entered, kept = entered + of_input * cell, kept + of_forget * cell
    entering = gate(direction.bounded(entered))
    keeping = 1 - entering if direction.node.attributes.get("input_forget", 0) else gate(direction.bounded(kept))
    after = keeping * cell + entering * candidate(direction.bounded(new))
    if direction.peepholes is not None:
        left = left + of_output * after
    return gate(direction.bounded(left)) * output(after), after


def _layer(step: _Step, gates: int, states: int, default: tuple[str, ...]) -> Function:
    """A layer of this step, of so many gates and states, whose activations are these where none are named."""

    def computed(
        node: GraphNode,
        values: Tensor,
        weight: Tensor,
        recurrence: Tensor,
        bias: Tensor | None = None,
        lengths: Tensor | None = None,
        *rest: Tensor | None,
    ) -> tuple[Tensor, ...]:
        rows_first = bool(node.attributes.get("layout", 0))
        steps = values.transpose(0, 1) if rows_first else values
        if len(steps) > MOST_STEPS:
            raise ValueError(f"expected at most {MOST_STEPS:,} steps, got {len(steps):,}")
        given, found = (*rest, *[None] * (states + 1))[: states + 1], []
        for place, direction in enumerate(_directions(node, recurrence, bias, given[states], gates, default)):
            first = [_initial(state, place, steps, recurrence.shape[-1], rows_first) for state in given[:states]]
            backwards = node.attributes.get("direction", "forward") == "reverse" or place == 1
            found.append(_run(step, direction, steps, weight[place], tuple(first), lengths, backwards=backwards))
        hidden = torch.stack([item[0] for item in found], dim=1)
        last = [torch.stack([item[1][state] for item in found], dim=0) for state in range(states)]
        if rows_first:
            return (hidden.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in last))
        return (hidden, *last)

    return computed


def _run(
    step: _Step,
    direction: _Direction,
    steps: Tensor,
    weight: Tensor,
    states: _States,
    lengths: Tensor | None,
    *,
    backwards: bool,
) -> tuple[Tensor, _States]:
    """Hidden states, shape `(steps, rows, hidden)`, and the last states; of a row that has ended, zeros and its own last."""
    order = _order(steps, lengths, backwards=backwards)
    if order is not None:
        steps = steps.gather(0, order[..., None].expand_as(steps))
    projected = F.linear(steps, weight, direction.input_bias)
    hidden = []
    for place, now in enumerate(projected):
        new = step(direction, now, states)
        if lengths is None:
            states, shown = new, new[0]
        else:
            goes_on = (place < lengths)[:, None]
            states = tuple(torch.where(goes_on, after, before) for after, before in zip(new, states, strict=True))
            shown = torch.where(goes_on, new[0], torch.zeros_like(new[0]))
        hidden.append(shown)
    every = torch.stack(hidden) if hidden else projected.new_zeros((0, *states[0].shape))
    return (every if order is None else every.gather(0, order[..., None].expand_as(every))), states


def _order(steps: Tensor, lengths: Tensor | None, *, backwards: bool) -> Tensor | None:
    """The place of each step, shape `(steps, rows)`; None from the front. Backwards, a row begins with its own last."""
    if not backwards:
        return None
    places = torch.arange(len(steps), device=steps.device)[:, None].expand(steps.shape[:2])
    if lengths is None:
        return len(steps) - 1 - places
    return torch.where(places < lengths, lengths - 1 - places, places).to(torch.int64)


def _initial(state: Tensor | None, place: int, steps: Tensor, hidden: int, rows_first: bool) -> Tensor:
    if state is None:
        return steps.new_zeros((steps.shape[1], hidden))
    return state[:, place] if rows_first else state[place]


def _directions(
    node: GraphNode,
    recurrence: Tensor,
    bias: Tensor | None,
    peepholes: Tensor | None,
    gates: int,
    default: tuple[str, ...],
) -> Iterator[_Direction]:
    count, hidden = len(recurrence), recurrence.shape[-1]
    names = node.attributes.get("activations") or default * count
    activations = tuple(_activations(node, names))
    each = len(default)
    if len(activations) != each * count:
        raise unsupported(node, f"with {len(activations)} activations")
    biases = recurrence.new_zeros((count, 2 * gates * hidden)) if bias is None else bias
    for place in range(count):
        yield _Direction(
            node=node,
            recurrence=recurrence[place],
            input_bias=biases[place, : gates * hidden],
            bias=biases[place, gates * hidden :],
            activations=activations[each * place : each * (place + 1)],
            peepholes=None if peepholes is None else peepholes[place],
            clip=node.attributes.get("clip", math.inf),
        )


def _activations(node: GraphNode, names: Sequence[str]) -> Iterator[_Activation]:
    """Those that take numbers take the next ones that the node has, or their own."""
    given = [list(node.attributes.get(name, ())) for name in ("activation_alpha", "activation_beta")]
    plain = {name.lower(): function for name, function in _PLAIN.items()}
    with_numbers = {name.lower(): item for name, item in _WITH_NUMBERS.items()}
    for name in names:
        if name.lower() in plain:
            yield plain[name.lower()]
        elif name.lower() in with_numbers:
            numbers, function = with_numbers[name.lower()]
            chosen = [found.pop(0) if found else number for number, found in zip(numbers, given, strict=False)]
            yield _with_numbers(function, chosen)
        else:
            raise unsupported(node, f"with the activation {name!r}")


def _with_numbers(function: Callable[..., Tensor], numbers: Sequence[Any]) -> _Activation:
    return lambda values: function(values, *numbers)


RECURRENT: Mapping[str, Versions] = {
    "GRU": {7: _layer(_gru_step, 3, 1, ("Sigmoid", "Tanh"))},
    "LSTM": {7: _layer(_lstm_step, 4, 2, ("Sigmoid", "Tanh", "Tanh"))},
    "RNN": {7: _layer(_rnn_step, 1, 1, ("Tanh",))},
}
