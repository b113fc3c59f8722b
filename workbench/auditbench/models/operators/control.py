"""Nodes with graphs within: one of two, one again and again, and one for each step of a sequence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import MOST_STEPS, outputs_of, unsupported

MOST_ROUNDS = 10_000
"""Of a loop."""


class EndlessLoopError(ValueError):
    """A loop goes on, and nothing but its own condition would end it: no network."""


class _Control(nn.Module):
    """A node with graphs within. It gets its own inputs, and after them the values around it that these graphs use.

    Attributes:
        around: Names of those values.
    """

    def __init__(self, node: GraphNode, bodies: Mapping[str, nn.Module], around: Sequence[str]) -> None:
        super().__init__()
        self._around = tuple(around)
        self.original_name = node.operation
        self._inputs = {name: node.attributes[name].inputs for name in bodies}
        kept = {name: value for name, value in node.attributes.items() if name not in bodies}
        self._node = dataclasses.replace(node, attributes=kept)  # the bodies hold the constants of these graphs already
        for name, body in bodies.items():
            self.add_module(name, body)

    def extra_repr(self) -> str:
        """The name of the operation."""
        return self._node.operation

    def _split(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        own = len(values) - len(self._around)
        return values[:own], dict(zip(self._around, values[own:], strict=True))


class Choice(_Control):
    """`If`: the one graph where the condition is true, and the other where not."""

    def forward(self, *values: Any) -> Any:
        """The outputs of the graph that was chosen."""
        (condition,), around = self._split(values)
        chosen = "then_branch" if bool(condition.reshape(())) else "else_branch"
        return outputs_of(self._node, self.get_submodule(chosen)(around))


class Loop(_Control):
    """`Loop`: a graph again and again, so often or as long as it says; what it gives each time is stacked."""

    def forward(self, *values: Any) -> Any:
        """The last of what goes on from time to time, and what was given each time."""
        (most, condition, *carried), around = self._split(values)
        rounds = None if most is None else int(most.reshape(()))
        goes_on = condition is None or bool(condition.reshape(()))
        names, body, given = self._inputs["body"], self.get_submodule("body"), []
        device = next((value.device for value in values if value is not None), torch.device("cpu"))
        done = 0
        while goes_on and (rounds is None or done < rounds):
            if done >= MOST_ROUNDS:
                kind = EndlessLoopError if rounds is None or rounds > MOST_STEPS else ValueError
                raise kind(f"expected a loop of at most {MOST_ROUNDS:,} rounds, got more")
            at = torch.tensor(done, device=device)
            held = dict(zip(names, (at, torch.tensor(True, device=device), *carried), strict=True))
            again, *found = body(around | held)
            carried, shown = found[: len(carried)], found[len(carried) :]
            given.append(shown)
            goes_on, done = bool(again.reshape(())), done + 1
        count = len(self._node.outputs) - len(carried)
        if not given and count > 0:
            raise unsupported(self._node, "of no round")
        stacked = [torch.stack([shown[place] for shown in given]) for place in range(count)]
        return outputs_of(self._node, (*carried, *stacked))


class Scan(_Control):
    """`Scan`: a graph for each step of one or several sequences."""

    def forward(self, *values: Any) -> Any:
        """The last states, and what was given at each step."""
        own, around = self._split(values)
        given = self._node.attributes
        scanned = given["num_scan_inputs"]
        states, sequences = list(own[: len(own) - scanned]), own[len(own) - scanned :]
        axes = given.get("scan_input_axes", (0,) * scanned)
        turned = given.get("scan_input_directions", (0,) * scanned)
        steps = [_steps(*part) for part in zip(sequences, axes, turned, strict=True)]
        names, body, shown = self._inputs["body"], self.get_submodule("body"), []
        for now in zip(*steps, strict=True):
            found = body(around | dict(zip(names, (*states, *now), strict=True)))
            states = list(found[: len(states)])
            shown.append(found[len(states) :])
        if not shown:
            raise unsupported(self._node, "over no step")
        count = len(shown[0])
        axes_out = given.get("scan_output_axes", (0,) * count)
        back = given.get("scan_output_directions", (0,) * count)
        stacked = []
        for place in range(count):
            every = [step[place] for step in shown]
            stacked.append(torch.stack(every[::-1] if back[place] else every, dim=axes_out[place]))
        return outputs_of(self._node, (*states, *stacked))


def _steps(sequence: Tensor, axis: int, turned: int) -> tuple[Tensor, ...]:
    if sequence.shape[axis] > MOST_STEPS:
        raise ValueError(f"expected at most {MOST_STEPS:,} steps, got {sequence.shape[axis]:,}")
    parts = sequence.unbind(axis)
    return parts[::-1] if turned else parts


CONTROL: Mapping[str, tuple[int, Callable[[GraphNode, Mapping[str, nn.Module], Sequence[str]], nn.Module]]] = {
    "If": (1, Choice),
    "Loop": (1, Loop),
    "Scan": (9, Scan),
}
"""The version from which on each means this, and its module, which gets the graphs within as modules."""
