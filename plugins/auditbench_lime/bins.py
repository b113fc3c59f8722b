"""`TrainingBins`: the law that lime perturbs the features of a table with, as training rows give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Indices: TypeAlias = npt.NDArray[np.int64]

NO_BIN = -1
"""In place of a bin: no training row has this category, or is in this bin."""

_QUARTILES = (25.0, 50.0, 75.0)
_LEAST_SPREAD = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingBins:
    """Bins of each feature with their shares of the training rows; a category is a bin of one value.

    Attributes:
        shares: One array a feature, shape `(bins + 1,)`: share of the training rows in the bins before each, from 0 to
            1.
        borders: One array a feature: the upper borders of all bins but the last of a number, the values of a category.
        normals: One array a number, shape `(4, bins)`: mean, standard deviation, lowest and highest value of each bin;
            None for a category.

    References: `QuartileDiscretizer` of lime 0.2. A bin of one value gives that value, where lime gives 0.
    """

    shares: tuple[Numbers, ...]
    borders: tuple[Numbers, ...]
    normals: tuple[Numbers | None, ...]

    def of(self, rows: Numbers) -> Indices:
        """Bin of each value, `NO_BIN` where no training row has it; shape `(rows, features)`."""
        columns = [
            _known(np.searchsorted(borders, column), shares) if normals is not None else _categories(borders, column)
            for column, shares, borders, normals in zip(rows.T, self.shares, self.borders, self.normals, strict=True)
        ]
        return np.stack(columns, axis=1)

    def quantiles(self, feature: int, levels: Numbers) -> Numbers:
        """Values of one feature at levels in [0, 1), the bins one after the other; shape `(levels,)`."""
        shares, normals = self.shares[feature], self.normals[feature]
        bins = np.searchsorted(shares[1:-1], levels, side="right")
        if normals is None:
            return self.borders[feature][bins]
        mean, deviation, lowest, highest = normals[:, bins]
        within = (levels - shares[bins]) / (shares[bins + 1] - shares[bins])
        edges = torch.special.ndtr(torch.from_numpy((normals[2:] - normals[0]) / normals[1])).numpy()
        level = edges[0, bins] + within * (edges[1] - edges[0])[bins]
        drawn = mean + deviation * torch.special.ndtri(torch.from_numpy(level)).numpy()
        clipped: Numbers = np.clip(drawn, lowest, highest)
        return clipped


def training_bins(training: Numbers, categorical: Sequence[int]) -> TrainingBins:
    """Quartile bins of numbers and the values of categories, from rows of shape `(training rows, features)`."""
    quartiles = np.percentile(training, _QUARTILES, axis=0)
    shares: list[Numbers] = []
    borders: list[Numbers] = []
    normals: list[Numbers | None] = []
    for feature, column in enumerate(training.T):
        if feature in categorical:
            values, counts = np.unique(column, return_counts=True)
            borders.append(values)
            normals.append(None)
        else:
            cuts = np.unique(quartiles[:, feature])
            bins = np.searchsorted(cuts, column)
            counts = np.bincount(bins, minlength=len(cuts) + 1)
            borders.append(cuts)
            normals.append(_normals(column, bins, counts, cuts))
        shares.append(np.concatenate([[0], np.cumsum(counts)]) / len(training))
    return TrainingBins(shares=tuple(shares), borders=tuple(borders), normals=tuple(normals))


def _normals(column: Numbers, bins: Indices, counts: Indices, cuts: Numbers) -> Numbers:
    """Mean, standard deviation, lowest and highest value of each bin."""
    members = np.maximum(counts, 1)
    mean = np.bincount(bins, column, len(counts)) / members
    deviation = np.sqrt(np.bincount(bins, (column - mean[bins]) ** 2, len(counts)) / members) + _LEAST_SPREAD
    return np.stack([mean, deviation, np.append(column.min(), cuts), np.append(cuts, column.max())])


def _categories(values: Numbers, column: Numbers) -> Indices:
    place = np.minimum(np.searchsorted(values, column), len(values) - 1)
    return np.where(values[place] == column, place, NO_BIN)


def _known(bins: Indices, shares: Numbers) -> Indices:
    return np.where(np.diff(shares)[bins] > 0, bins, NO_BIN)
