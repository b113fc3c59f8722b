"""`Perturbations`: random values of every feature, drawn by a table lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench_lime.bins import NO_BIN

if TYPE_CHECKING:
    from auditbench_lime.bins import Indices, TrainingBins

ATOMS = 4096
"""Values of a feature in its table; a power of two."""


class Perturbations:
    """Draws of all features, each by itself, from tables of `ATOMS` values that are themselves random.

    The interval of levels is cut into `ATOMS` equal parts, with one level drawn in each; the table holds the values at
    these levels. A draw is a uniform index into the table. So each value has exactly the law of the bins, and the bins
    stand in the table one after the other: whether a draw is in a bin is one comparison of its index. A bin with a
        share
    below `1 / ATOMS` has a value in the table as often as its share says, and none otherwise.
    """

    def __init__(
        self, bins: TrainingBins, rng: np.random.Generator, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        features = len(bins.shares)
        levels = (np.arange(ATOMS) + rng.random((features, ATOMS))) / ATOMS
        table = np.stack([bins.quantiles(feature, levels[feature]) for feature in range(features)])
        self._table = torch.from_numpy(table).to(device=device, dtype=dtype)
        self._firsts = tuple(np.searchsorted(each, shares) for each, shares in zip(levels, bins.shares, strict=True))
        self._generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))

    def draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Random indices into the table, int16, of any shape."""
        count = int(np.prod(shape))
        words = torch.empty((count + 3) // 4, dtype=torch.int64, device=self._table.device)
        drawn = words.random_(generator=self._generator).view(torch.int16)[:count]
        return drawn.bitwise_and_(ATOMS - 1).view(shape)

    def values(self, drawn: torch.Tensor) -> torch.Tensor:
        """Values at the indices; both of shape `(..., features, samples)`."""
        return self._table.expand(*drawn.shape[:-1], ATOMS).gather(-1, drawn.long())

    def known(self, bins: Indices) -> Indices:
        """The bins of rows, shape `(rows, features)`, but `NO_BIN` for those that have no value in the table."""
        _, count = self.ranges(np.arange(bins.shape[1]), bins)
        return np.where(count.cpu().numpy() > 0, bins, NO_BIN)

    def ranges(self, features: Indices, bins: Indices) -> tuple[torch.Tensor, torch.Tensor]:
        """First index and number of indices of bins, int16, of the common shape; no index for `NO_BIN`."""
        widest = max(len(firsts) for firsts in self._firsts)
        firsts = np.stack([np.pad(each, (0, widest - len(each)), mode="edge") for each in self._firsts])
        low, high = firsts[features, bins], firsts[features, bins + 1]
        count = np.where(bins == NO_BIN, 0, high - low)
        device = self._table.device
        return torch.from_numpy(low.astype(np.int16)).to(device), torch.from_numpy(count.astype(np.int16)).to(device)


def in_range(drawn: torch.Tensor, low: torch.Tensor, count: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Whether each index is one of `count` from `low` on, as 0 and 1 in `out`."""
    return torch.lt((drawn - low).bitwise_and_(ATOMS - 1), count, out=out)
