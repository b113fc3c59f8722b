"""A module that computes nothing: it gives the outputs that are stored for rows of the data, and refuses any other row.

An analyzer that changes a row and evaluates it again would get the old output, which is wrong without looking wrong. So
rows are recognised: the encoder compares what it gets with the fingerprint of the row as it was read, and hands on one
key a row, which no number that somebody makes up is likely to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.data.row_identity import NO_ROW, ROW_IDENTITY, fingerprints
from auditbench.errors import AnalyzerNotPossible

if TYPE_CHECKING:
    import numpy.typing as npt

_SPREAD = 0x9E3779B97F4A7C15
"""Odd, so that multiplying whole numbers of 64 bits by it can be taken back."""
_GATHER = pow(_SPREAD, -1, 2**64)


class StoredRowsEncoder(nn.Module):
    """From raw rows that say which they are to a key each."""

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Keys, int64 of shape `(rows, 1)`.

        Args:
            inputs: Raw arrays by name, with `ROW_IDENTITY`.

        Raises:
            AnalyzerNotPossible: A row is not as it stands in the data.
        """
        if ROW_IDENTITY not in inputs:
            raise _no_output("the rows do not say which of the data they are")
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in inputs.items()}
        identities = arrays[ROW_IDENTITY]
        if identities.dtype != np.int64 or identities.ndim != 2 or identities.shape[1] != 2:
            raise _no_output("the rows do not say which of the data they are")
        numbers = identities[:, 0]
        if (numbers == NO_ROW).any():
            raise _no_output(f"{int((numbers == NO_ROW).sum()):,} of {len(numbers):,} rows are of the background")
        changed = fingerprints(arrays, len(numbers)) != identities[:, 1]
        if changed.any():
            raise _no_output(
                f"{int(changed.sum()):,} of {len(changed):,} rows are other than in the data, such as row "
                f"{int(numbers[changed][0])}"
            )
        keys = torch.from_numpy(_times(numbers, _SPREAD)).to(inputs[ROW_IDENTITY].device)
        return keys.unsqueeze(1)


class StoredOutputs(nn.Module):
    """The outputs of rows by their keys.

    Args:
        numbers: Of the rows, ascending, shape `(rows,)`.
        outputs: Shape `(rows, outputs)`.
    """

    numbers: torch.Tensor
    outputs: torch.Tensor

    def __init__(self, numbers: npt.NDArray[np.int64], outputs: npt.NDArray[np.float64]) -> None:
        super().__init__()
        self.register_buffer("numbers", torch.from_numpy(np.array(numbers, dtype=np.int64)))
        self.register_buffer("outputs", torch.from_numpy(np.array(outputs, dtype=np.float64)))

    def forward(self, keys: torch.Tensor) -> torch.Tensor:
        """Outputs, float64 of shape `(rows, outputs)`.

        Raises:
            AnalyzerNotPossible: A key is of no stored row.
        """
        if keys.dtype != torch.int64 or keys.ndim != 2 or keys.shape[1] != 1:
            raise _no_output(f"what was passed is no encoded row: {keys.dtype} of shape {tuple(keys.shape)}")
        numbers = torch.from_numpy(_times(keys[:, 0].detach().cpu().numpy(), _GATHER)).to(self.numbers.device)
        places = torch.searchsorted(self.numbers, numbers).clamp(max=len(self.numbers) - 1)
        unknown = self.numbers[places] != numbers
        if bool(unknown.any()):
            raise _no_output(f"{int(unknown.sum()):,} of {len(keys):,} rows have no stored output")
        return self.outputs[places]


def _times(numbers: npt.NDArray[np.int64], factor: int) -> npt.NDArray[np.int64]:
    """Products modulo 2^64."""
    products: npt.NDArray[Any] = np.ascontiguousarray(numbers).view(np.uint64) * np.uint64(factor)
    return products.view(np.int64)


def _no_output(found: str) -> AnalyzerNotPossible:
    return AnalyzerNotPossible(
        "there is no model that could evaluate these rows, only the outputs of the evaluated rows as they are",
        where="model",
        found=found,
        allowed="rows of the data, unchanged, as `data.batches`, `data.take` and `data.sample` give them",
        fix="audit the model itself to evaluate other rows",
    )
