"""The encoder of tables: raw rows to the input of a network, in torch, so that perturbed rows stay cheap."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from auditbench.data.evaluation import TABULAR_INPUT
from auditbench.data.features import FeatureSpec, encoded_width
from auditbench.errors import DataError


class TabularEncoder(nn.Module):
    """Fills and standardises numbers, and turns categories into one-hot groups.

    A missing number (NaN) becomes `fill`, then `(value - mean) / scale`. A category is rounded to its index; what is
    NaN or no index of a category takes the last column of the group, which stands for missing or unseen. Gradients do
    not pass through: a network's own input begins behind the encoder.
    """

    def __init__(self, features: tuple[FeatureSpec, ...], *, name: str = TABULAR_INPUT) -> None:
        super().__init__()
        self.name = name
        self.width = encoded_width(features)
        self.count = len(features)
        numbers = [(index, feature) for index, feature in enumerate(features) if feature.kind == "number"]
        groups = [(index, feature) for index, feature in enumerate(features) if feature.kind == "category"]
        self._keep("number_columns", [index for index, _ in numbers], torch.int64)
        self._keep("number_places", [feature.start for _, feature in numbers], torch.int64)
        self._keep("fill", [feature.fill for _, feature in numbers], torch.float64)
        self._keep("mean", [feature.mean for _, feature in numbers], torch.float64)
        self._keep("scale", [feature.scale for _, feature in numbers], torch.float64)
        self._keep("group_columns", [index for index, _ in groups], torch.int64)
        self._keep("group_places", [feature.start for _, feature in groups], torch.int64)
        self._keep("group_levels", [len(feature.categories) for _, feature in groups], torch.float64)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Encode raw rows.

        Args:
            inputs: `features`, shape `(rows, features)`, float64.

        Returns:
            Shape `(rows, encoded width)`, float32.

        Raises:
            DataError: The rows have another number of features.
        """
        rows = inputs[self.name]
        if rows.ndim != 2 or rows.shape[1] != self.count:
            raise DataError(f"expected rows of shape (rows, {self.count}), got {tuple(rows.shape)}")
        rows = rows.detach()
        encoded = torch.zeros((rows.shape[0], self.width), dtype=torch.float32, device=rows.device)
        if len(self.number_columns):
            values = rows.index_select(1, self.number_columns)
            values = (torch.where(torch.isnan(values), self.fill, values) - self.mean) / self.scale
            encoded[:, self.number_places] = values.to(torch.float32)
        if len(self.group_columns):
            levels = rows.index_select(1, self.group_columns).round()
            known = (levels >= 0) & (levels < self.group_levels)
            codes = torch.where(known, levels, self.group_levels).to(torch.int64)
            encoded.scatter_(1, codes + self.group_places, 1.0)
        return encoded

    def _keep(self, name: str, values: list[int] | list[float], dtype: torch.dtype) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)

    number_columns: torch.Tensor
    number_places: torch.Tensor
    fill: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor
    group_columns: torch.Tensor
    group_places: torch.Tensor
    group_levels: torch.Tensor
