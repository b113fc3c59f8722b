"""What a language model says of the next token at every place of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from auditbench.data.inputs import PADDING, TextInput

if TYPE_CHECKING:
    from auditbench.models.subject import ModelUnderTest

_LEAST = 1e-45
"""Declared probabilities of 0 count as the smallest float32, so that their logarithm is finite."""


def text_input(model: ModelUnderTest) -> tuple[str, TextInput]:
    """The only input of a model of texts, by name."""
    ((name, item),) = model.inputs.items()
    if not isinstance(item, TextInput):
        raise TypeError(f"expected an input of texts, got {type(item).__name__}")
    return name, item


def following(model: ModelUnderTest, ids: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Log-probabilities of what follows each token from place `first` on, shape `(rows, length - first, classes)`.

    Of a network that gives them, all places of a text cost one evaluation; any other model is asked once a place. Places
    behind the end of a text mean nothing. Outputs of half precision are widened before logarithms are taken of them.

    Args:
        ids: Token ids, shape `(rows, length)`, at most as long as the model reads; with gradients where they are enabled.
    """
    positions = getattr(model.module, "positions", None)
    if positions is not None:
        outputs = positions(ids, first)
    else:
        room = text_input(model)[1].length
        ends = range(first + 1, ids.shape[1] + 1)
        outputs = torch.stack([model.module(_beginning(ids, end, room)) for end in ends], dim=1)
    logit = model.facts.output == "logit"
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    logs: torch.Tensor = outputs.log_softmax(dim=-1) if logit else outputs.clamp(min=_LEAST).log()
    return logs


def _beginning(ids: torch.Tensor, end: int, room: int) -> torch.Tensor:
    """The first tokens of each text, padded to the width that a model is always given."""
    padding = ids.new_full((len(ids), room - end), PADDING)
    return torch.cat([ids[:, :end], padding], dim=1)
