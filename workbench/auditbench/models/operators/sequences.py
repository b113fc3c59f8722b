"""Sequences of tensors, which are lists here: parts of a split that nobody counted beforehand, most often."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import MOST_STEPS, Versions, whole_numbers


def _split(node: GraphNode, values: Tensor, sizes: Tensor | None = None) -> list[Tensor]:
    axis = node.attributes.get("axis", 0)
    if values.shape[axis] > MOST_STEPS:
        raise ValueError(f"expected a sequence of at most {MOST_STEPS:,} parts, got {values.shape[axis]:,}")
    if sizes is not None:
        numbers = whole_numbers(sizes)
        if sizes.dim() == 0:
            numbers = [
                min(numbers[0], values.shape[axis] - start) for start in range(0, values.shape[axis], numbers[0])
            ]
        return list(torch.split(values, numbers, dim=axis))
    parts = list(torch.split(values, 1, dim=axis))
    return parts if node.attributes.get("keepdims", 1) else [part.squeeze(axis) for part in parts]


def _made(_: GraphNode, *values: Tensor) -> list[Tensor]:
    return list(values)


def _empty(_: GraphNode) -> list[Tensor]:
    return []


def _at(_: GraphNode, sequence: list[Tensor], place: Tensor) -> Tensor:
    return sequence[int(place.reshape(()))]


def _inserted(_: GraphNode, sequence: list[Tensor], values: Tensor, place: Tensor | None = None) -> list[Tensor]:
    at = len(sequence) if place is None else int(place.reshape(()))
    return [*sequence[:at], values, *sequence[at:]]


def _without(_: GraphNode, sequence: list[Tensor], place: Tensor | None = None) -> list[Tensor]:
    at = (-1 if place is None else int(place.reshape(()))) % len(sequence)
    return [*sequence[:at], *sequence[at + 1 :]]


def _length(_: GraphNode, sequence: list[Tensor]) -> Tensor:
    return torch.tensor(len(sequence), device=sequence[0].device if sequence else None)


def _joined(node: GraphNode, sequence: list[Tensor]) -> Tensor:
    function = torch.stack if node.attributes.get("new_axis", 0) else torch.cat
    return function(sequence, dim=node.attributes["axis"])


SEQUENCES: Mapping[str, Versions] = {
    "ConcatFromSequence": {11: _joined},
    "SequenceAt": {11: _at},
    "SequenceConstruct": {11: _made},
    "SequenceEmpty": {11: _empty},
    "SequenceErase": {11: _without},
    "SequenceInsert": {11: _inserted},
    "SequenceLength": {11: _length},
    "SplitToSequence": {11: _split},
}
