"""`InPlace`: blocks of masked rows, for models whose first layer is not computed apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from auditbench.masking.coalitions import Coalitions
    from auditbench.masking.players import Players


class InPlace:
    """Fills blocks with masked rows.

    Numbers become `kept * row + hidden * replacement` with zeros and ones, which is exact for finite numbers and, at a
    tenth of the time of a choice by a mask, what makes small models quick. Tokens are chosen by the mask.
    """

    def __init__(self, rows: torch.Tensor, replacements: torch.Tensor, players: Players, *, keeps_some: bool) -> None:
        self._rows = rows
        self._replacements = replacements
        self._players = players
        self._keeps_some = keeps_some
        self._alike = len(replacements) == 1 and not players.per_row
        self.row_shape = rows.shape[1:]
        self.like = rows

    def of(self, coalitions: Coalitions, halves: int) -> Callable[[slice, torch.Tensor], None]:
        """Fills a block of these coalitions, and their complements where there are two halves."""
        kept = coalitions.kept.flatten(0, 1)
        others = self._replacements
        if others.shape[1] > 1:
            others = others[:, coalitions.replacements.repeat_interleave(coalitions.kept.shape[1])]
        shared = self._terms(kept, others, self._players, halves) if self._alike else None

        def fill(part: slice, block: torch.Tensor) -> None:
            rows = self._rows[part].unsqueeze(1)
            if shared is None:
                here, players = _of_rows(others, part), self._players.of_rows(part)
                terms = self._terms(kept, here, players, halves)
            else:
                terms = shared
            for index, (keep, hidden) in enumerate(terms):
                if keep.is_floating_point():
                    torch.addcmul(hidden, keep, rows, out=block[index])
                else:
                    torch.where(keep, rows, hidden, out=block[index])

        return fill

    def _terms(
        self, kept: torch.Tensor, others: torch.Tensor, players: Players, halves: int
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Which entries each half keeps, and what the others become; shape `(1 or rows, coalitions, *row shape)`."""
        sides = [kept, ~kept][:halves]
        if not self._rows.is_floating_point():
            return [(self._entries(side, players), others) for side in sides]
        first = self._entries(kept.to(self._rows.dtype), players)
        if halves == 1 or self._keeps_some:
            second = [self._entries(side.to(self._rows.dtype), players) for side in sides[1:]]
            return [(entries, others * (1 - entries)) for entries in (first, *second)]
        hidden = 1 - first
        return [(first, others * hidden), (hidden, others * first)]

    def _entries(self, kept: torch.Tensor, players: Players) -> torch.Tensor:
        entries = players.kept_entries(kept)
        return entries if players.per_row else entries.unsqueeze(0)


def _of_rows(values: torch.Tensor, part: slice) -> torch.Tensor:
    """The part of what differs by row; what all rows share as it is."""
    return values if len(values) == 1 else values[part]
