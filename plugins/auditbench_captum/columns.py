"""From contributions of a table's encoded columns to those of its raw features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from auditbench.data import FeatureSpec

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnAttributions:
    """Contributions to some rows' outputs, in the unit of the output, or slopes, per encoded unit; float64.

    Attributes:
        values: Shape `(rows, targets, features)`.
        base_values: Shape `(rows, targets)`.
        steps: Shape `(rows,)`: nodes of the path integral; 0 for methods without one.
        model_rows: Rows the model evaluated, with or without gradients.
    """

    values: Numbers
    base_values: Numbers
    steps: npt.NDArray[np.int64]
    model_rows: int


def by_feature(columns: Numbers, features: tuple[FeatureSpec, ...], *, slope: bool = False) -> Numbers:
    """From encoded columns to features, shape `(rows, targets, features)`: sums of contributions, largest of slopes.

    A sum of slopes over a one-hot group would grow with its categories. References: arXiv:1312.6034, section 3.1, which
    takes the largest over the channels of a pixel.
    """
    parts = [columns[:, :, feature.start : feature.stop] for feature in features]
    return np.stack([part.max(axis=2) if slope else part.sum(axis=2) for part in parts], axis=2)


def mean_row(background: torch.Tensor) -> torch.Tensor:
    """The mean of encoded rows, in their dtype, shape `(1, encoded columns)`."""
    return background.double().mean(dim=0, keepdim=True).to(background.dtype)
