"""`Coalitions`: which players are kept, and with which replacement of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coalitions:
    """As many coalitions for each of some replacements.

    Attributes:
        kept: Which players are kept; bool, shape `(replacements here, coalitions, players)`.
        replacements: Index of each replacement among those of the masker; int64, shape `(replacements here,)`.
    """

    kept: torch.Tensor
    replacements: torch.Tensor

    def __len__(self) -> int:
        return self.kept.shape[0] * self.kept.shape[1]

    def part(self, replacements: slice, coalitions: slice) -> Coalitions:
        """Some of the coalitions of some of the replacements."""
        return Coalitions(kept=self.kept[replacements, coalitions], replacements=self.replacements[replacements])
