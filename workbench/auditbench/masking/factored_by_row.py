"""`FactoredByRow`: blocks of pre-activations where each row has players of its own, such as words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from auditbench.masking.coalitions import Coalitions
    from auditbench.masking.first_layer import FirstLayer
    from auditbench.masking.players import Players


class FactoredByRow:
    """Fills blocks with pre-activations of masked rows, `Z P + (1 - Z) R + bias` for a coalition `Z`.

    `P` are the contributions of a row and `R` those of the replacement, both by the players of the row.

    Args:
        rows: Rows to explain.
        replacement: The one that all rows share, shape `(1, *row shape)`.
        players: Of these rows.
        far_apart: Whether complements are computed by themselves, not as the difference from what the row and the
            replacement add up to, see `MaskedModel`.
    """

    def __init__(
        self, first: FirstLayer, rows: torch.Tensor, replacement: torch.Tensor, players: Players, *, far_apart: bool
    ) -> None:
        with torch.no_grad():
            self._kept = first.contributions(rows, players)
            self._hidden = first.contributions(replacement.expand_as(rows), players)
        self._hidden[:, -1] = 0  # what is nobody's is never replaced
        both = self._kept.sum(dim=1) + self._kept[:, -1] + self._hidden.sum(dim=1) + 2 * first.bias
        self._both = None if far_apart else both.unsqueeze(1)
        self._bias = first.bias
        self.row_shape = torch.Size((first.hidden,))
        self.like = first.weight

    def of(self, coalitions: Coalitions, halves: int) -> Callable[[slice, torch.Tensor], None]:
        """Fills a block of these coalitions, and their complements where there are two halves."""
        kept = coalitions.kept.flatten(0, 1)
        never_hidden = kept.new_ones((len(kept), 1))
        sides = [torch.cat([side, never_hidden], dim=1).to(self._kept.dtype) for side in (kept, ~kept)]

        def fill(part: slice, block: torch.Tensor) -> None:
            for index, side in enumerate(sides[:halves]):
                if index and self._both is not None:
                    torch.sub(self._both[part], block[0], out=block[1])
                    continue
                signs = side.expand(len(self._kept[part]), *side.shape)
                hidden = torch.baddbmm(self._bias, 1 - signs, self._hidden[part])
                torch.baddbmm(hidden, signs, self._kept[part], out=block[index])

        return fill
