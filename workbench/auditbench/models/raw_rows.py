"""Rows for models that are no networks: raw, in float64, one column a feature, and nothing of them encoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditbench.data.features import FeatureSpec
from auditbench.data.inputs import ImageInput, ModelInput, SeriesInput, TableInput, table_features
from auditbench.data.table import CategoryColumn, TableSource
from auditbench.errors import DataError
from auditbench.findings import Message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MISSING = 2.0**130
"""A missing number in an encoded row, which explainers can mix with others, as they cannot with NaN.

It is beyond float32, and so beyond every number that data may hold."""


def raw_inputs(inputs: Mapping[str, ModelInput], source: TableSource) -> dict[str, ModelInput]:
    """The same inputs for a model that gets them raw: a column a feature, and no mean and scale.

    Categories are those of the evaluated rows as well, so that the model sees their own text, which an encoder within it may
    treat otherwise than a missing one.
    """
    return {
        name: TableInput(features=tuple(_raw(feature, i, source) for i, feature in enumerate(item.features)))
        if isinstance(item, TableInput)
        else _unscaled(item)
        for name, item in inputs.items()
    }


def raw_encoder(inputs: Mapping[str, ModelInput], kept: frozenset[str] = frozenset()) -> nn.Module:
    """The encoder of these inputs, see `RawTableEncoder`; of several, one behind the other in rows of float64.

    Args:
        kept: Numbers that reach the model as missing where they are; others are filled.
    """
    encoders = {
        name: RawTableEncoder(item.features, name=name, kept=kept)
        if isinstance(item, TableInput)
        else RawArrayEncoder(name, item)
        for name, item in inputs.items()
    }
    return next(iter(encoders.values())) if len(encoders) == 1 else _PackedRaw(encoders)


def lacking_numbers(inputs: Mapping[str, ModelInput], source: TableSource) -> tuple[str, ...]:
    """The numbers of tables that are missing in some row of the data."""
    parts = [part for part in (source.train, source.test) if part is not None]
    names = [feature.name for feature in table_features(inputs) if feature.kind == "number"]
    return tuple(
        name for name in names if any(name in part.columns and part.columns[name].missing.any() for part in parts)
    )


def missing_kept(columns: Collection[str]) -> tuple[Message, ...]:
    """What a reader must know of numbers that reach the model as missing; nothing where there are none."""
    return (Message(key="core.model_missing_kept", values={"columns": ", ".join(sorted(columns))}),) if columns else ()


def missing_as_nan(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A copy with NaN in place of `MISSING`."""
    import numpy as np

    found: npt.NDArray[np.float64] = np.where(rows == MISSING, np.nan, rows)
    return found


class RawTableEncoder(nn.Module):
    """Numbers as they are, categories as their index; a missing number is filled, or becomes `MISSING` if it is `kept`."""

    fill: torch.Tensor
    levels: torch.Tensor
    categories: torch.Tensor

    def __init__(self, features: tuple[FeatureSpec, ...], *, name: str, kept: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.name, self.kept = name, kept
        fills = [MISSING if feature.name in kept else feature.fill for feature in features]
        self.register_buffer("fill", torch.tensor(fills, dtype=torch.float64), persistent=False)
        levels = [len(feature.categories) for feature in features]
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float64), persistent=False)
        self.register_buffer("categories", torch.tensor([f.kind == "category" for f in features]), persistent=False)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Rows of shape `(rows, features)`, float64.

        Raises:
            DataError: The rows have another number of features.
        """
        rows = inputs[self.name].detach().to(torch.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.fill):
            raise DataError(f"expected rows of shape (rows, {len(self.fill)}), got {tuple(rows.shape)}")
        known = (rows >= 0) & (rows < self.levels)
        codes = torch.where(known, rows.round(), self.levels)
        return torch.where(self.categories, codes, torch.where(torch.isnan(rows), self.fill, rows))


class RawArrayEncoder(nn.Module):
    """Images, token ids and series as the data hold them, NaN where a series has no number."""

    def __init__(self, name: str, item: ModelInput) -> None:
        super().__init__()
        self.name, self.shape = name, item.shape
        self._float = isinstance(item, (ImageInput, SeriesInput))

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Images in float32 of their own unit, series in float64, token ids in int64.

        Raises:
            DataError: The rows have another shape.
        """
        raw = inputs[self.name].detach()
        if tuple(raw.shape[1:]) != self.shape:
            raise DataError(f"expected rows of shape (rows, {', '.join(map(str, self.shape))}), got {tuple(raw.shape)}")
        if not self._float:
            return raw.to(torch.int64)
        return raw if raw.dtype == torch.float64 else raw.to(torch.float32)


class _PackedRaw(nn.Module):
    """Several inputs in one matrix of float64, in the order of their names."""

    def __init__(self, encoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders.values())

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Rows of shape `(rows, numbers of all inputs)`."""
        return torch.cat([encoder(inputs).flatten(1).to(torch.float64) for encoder in self.encoders], dim=1)


def _raw(feature: FeatureSpec, place: int, source: TableSource) -> FeatureSpec:
    categories = feature.categories
    for part in (source.train, source.test):
        column = None if part is None else part.columns.get(feature.name)
        if feature.kind == "category" and isinstance(column, CategoryColumn):
            there = {column.names[code] for code in set(column.codes.tolist()) if code >= 0}
            categories = tuple(sorted({*categories, *there}))
    return dataclasses.replace(feature, categories=categories, start=place, stop=place + 1, mean=0.0, scale=1.0)


def _unscaled(item: ModelInput) -> ModelInput:
    if isinstance(item, (ImageInput, SeriesInput)):
        channels = item.shape[0]
        return dataclasses.replace(item, mean=(0.0,) * channels, scale=(1.0,) * channels)
    return item
