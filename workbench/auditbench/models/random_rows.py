"""Random encoded rows, to compare networks on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from auditbench.data.encoding import pack
from auditbench.data.inputs import PADDING, ModelInput, TextInput
from auditbench.data.subwords import FIRST_ID

if TYPE_CHECKING:
    from torch import Tensor


def random_inputs(
    inputs: Mapping[str, ModelInput], rows: int, *, seed: int, deviation: float = 1.0
) -> dict[str, Tensor]:
    """Encoded rows of each input, shape `(rows, *encoded shape)`: normal numbers, and texts of 1 to all tokens with
    padding behind.

    Args:
        deviation: Standard deviation of the numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: _random(item, rows, generator, deviation) for name, item in inputs.items()}


def packed(inputs: Mapping[str, Tensor]) -> Tensor:
    """The tensor that a network takes: that of the only input, or one matrix of all, as `PackedEncoder` makes it."""
    return next(iter(inputs.values())) if len(inputs) == 1 else pack(inputs.values())


def _random(item: ModelInput, rows: int, generator: torch.Generator, deviation: float) -> Tensor:
    if not isinstance(item, TextInput):
        return deviation * torch.randn((rows, *item.shape), generator=generator)
    # Of subwords, ids that both the product and the tokenizer itself have, whichever of them the network takes.
    highest = item.tokens - FIRST_ID if item.unit == "subwords" else item.tokens
    ids = torch.randint(PADDING + 1, highest, (rows, item.length), generator=generator)
    lengths = torch.randint(1, item.length + 1, (rows, 1), generator=generator)
    return torch.where(torch.arange(item.length) < lengths, ids, PADDING)
