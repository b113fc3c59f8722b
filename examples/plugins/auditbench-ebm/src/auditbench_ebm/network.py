"""An Explainable Boosting Machine as a torch module: a table of scores a term, added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from auditbench_ebm.document import Document, Feature

MISSING_BIN = 0


class EbmNetwork(nn.Module):
    """Maps raw rows, shape `(rows, columns)`, to what the terms add up to, shape `(rows, outputs)`, in float64.

    A number is as it is and missing where it is `missing`; a category is its index among the names of the data, and missing
    where the index is beyond them. Rows need no gradient and have none: scores are steps.
    """

    intercept: torch.Tensor

    def __init__(
        self, document: Document, columns: Sequence[int], categories: Mapping[str, Sequence[str]], *, missing: float
    ) -> None:
        """Keep the scores.

        Args:
            columns: Column of each feature of the model.
            categories: Names of the data in the order of their index, by feature.
        """
        super().__init__()
        self.register_buffer("intercept", torch.from_numpy(document.intercept))
        self.scores = nn.ParameterList(
            nn.Parameter(torch.from_numpy(term.scores), requires_grad=False) for term in document.terms
        )
        self.bins = nn.ModuleList(
            _TermBins(
                _bins(document.features[place], len(term.features), columns[place], categories, missing)
                for place in term.features
            )
            for term in document.terms
        )
        self.is_log = document.link == "log"

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Logits, or values of a regression."""
        total = self.intercept.expand(len(rows), -1)
        for scores, bins in zip(self.scores, self.bins, strict=True):
            total = total + scores[bins(rows)]
        return total.exp() if self.is_log else total


class _TermBins(nn.Module):
    def __init__(self, features: Iterable[nn.Module]) -> None:
        super().__init__()
        self.features = nn.ModuleList(features)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The bins of each row, shape `(rows,)` a feature."""
        return tuple(feature(rows) for feature in self.features)


class _NumberBins(nn.Module):
    cuts: torch.Tensor

    def __init__(self, cuts: torch.Tensor, column: int, missing: float) -> None:
        super().__init__()
        self.register_buffer("cuts", cuts)
        self.column, self.missing = column, missing

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The bin of each row, shape `(rows,)`."""
        values = rows[:, self.column].double().contiguous()
        is_missing = torch.isnan(values) | (values == self.missing)
        return torch.where(is_missing, MISSING_BIN, torch.bucketize(values, self.cuts, right=True) + 1)


class _CategoryBins(nn.Module):
    bin_of: torch.Tensor

    def __init__(self, bin_of: list[int], column: int) -> None:
        super().__init__()
        self.register_buffer("bin_of", torch.tensor(bin_of))
        self.column = column

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The bin of each row, shape `(rows,)`."""
        return self.bin_of[rows[:, self.column].round().long().clamp(0, len(self.bin_of) - 1)]


def _bins(
    feature: Feature, together: int, column: int, categories: Mapping[str, Sequence[str]], missing: float
) -> nn.Module:
    level = feature.level(together)
    if not isinstance(level, dict):
        return _NumberBins(torch.from_numpy(level), column, missing)
    unseen = feature.bins(together) - 1
    return _CategoryBins([*(level.get(name, unseen) for name in categories[feature.name]), MISSING_BIN], column)
