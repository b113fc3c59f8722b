"""Shapley values by enumeration of all coalitions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from auditbench.masking import Coalitions

if TYPE_CHECKING:
    from auditbench.masking import Evaluator


def enumeration_rows(players: int, replacements: int) -> int:
    """Model rows of an enumeration, a row: all coalitions but the empty and the full one, with every replacement."""
    return int((2**players - 2) * replacements)


def enumerate_coalitions(evaluator: Evaluator, players: int, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Contributions, shape `(rows, players, targets)`, float64.

    The weights of a coalition and of its complement differ by their sign alone, so that differences are enough.

    Args:
        starts: Outputs where everybody is hidden, shape `(rows, replacements, targets)`.
        ends: Outputs of the rows, shape `(rows, targets)`.

    References: Shapley (1953), A value for n-person games; arXiv:1705.07874, equation 4.
    """
    device, count = starts.device, evaluator.replacements
    rise = ends.double() - starts.double().mean(dim=1)
    values = (rise / players).unsqueeze(1).repeat(1, players, 1)
    table = _table(players, device)
    pairs = 2 ** (players - 1) - 1
    by_replacement = min(count, evaluator.pairs_together())
    each = max(1, evaluator.pairs_together() // by_replacement)
    for first in range(0, pairs, each):
        kept = _coalitions(first + 1, min(each, pairs - first), players, device)
        weights = _weights(kept, table)
        for start in range(0, count, by_replacement):
            index = torch.arange(start, min(start + by_replacement, count), device=device)
            found = evaluator.differences(Coalitions(kept=kept.expand(len(index), *kept.shape), replacements=index))
            values += torch.einsum("nct,cp->npt", found.double().sum(dim=1), weights) / count
    return values


def _coalitions(first: int, count: int, players: int, device: torch.device) -> torch.Tensor:
    """The coalitions whose binary digits are `first`, `first + 1`, ...; shape `(count, players)`."""
    numbers = torch.arange(first, first + count, device=device).unsqueeze(1)
    return (numbers >> torch.arange(players, device=device)) % 2 == 1


def _table(players: int, device: torch.device) -> torch.Tensor:
    """Weight of a coalition by the number of its players, for one who joins it; 0 for that of all; float64."""
    joining = [
        math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players) for size in range(players)
    ]
    return torch.tensor([*joining, 0.0], dtype=torch.float64, device=device)


def _weights(kept: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Weight of each coalition's value in each player's contribution; shape `(coalitions, players)`, float64."""
    sizes = kept.sum(dim=1, keepdim=True)
    return torch.where(kept, table[sizes - 1], -table[sizes])
