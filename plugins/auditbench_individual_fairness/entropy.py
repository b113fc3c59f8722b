"""Generalized entropy indices of benefits, and their parts between and within groups, from sums over groups.

With benefits b of mean m, the index of order alpha is mean((b / m)^alpha - 1) / (alpha (alpha - 1)); for 1, the Theil index,
mean(b / m ln(b / m)); for 0, the mean logarithmic deviation, -mean(ln(b / m)). It is 0 where all have the same benefit.
Between groups it is that of rows which each have the mean benefit of their group; within groups the mean over groups of their
own indices, with weights share x (m_group / m)^alpha, which add up to 1 for no alpha but 0 and 1. The two parts add up to the
whole.

Everything follows from four sums over the rows of each group: of 1, b, what the index of order alpha is made from (b^alpha,
b ln b or ln b), b ln b, and b^2. So replicates of sums give replicates of indices, whatever was drawn.

Source: Speicher et al. (2018), arXiv:1807.00787 (benefits, index and its parts); Shorrocks (1980), Econometrica 48:613.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

Numbers: TypeAlias = npt.NDArray[np.float64]

MOMENTS = 5
_ROUNDING = 1e-12
"""Of an index, below which it is 0: benefits that are all equal give no more."""


def moments(benefits: Numbers, alpha: float) -> Numbers:
    """What is summed over rows, shape `(rows, MOMENTS)`; -inf for the logarithm of 0."""
    logs = special.xlogy(benefits, benefits)
    if alpha == 1:
        power = logs
    elif alpha == 0:
        with np.errstate(divide="ignore"):
            power = np.log(benefits)
    else:
        power = benefits**alpha
    return np.stack([np.ones_like(benefits), benefits, power, logs, benefits**2], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Index:
    """An index and its parts, each of the leading shape of the sums."""

    whole: Numbers
    between: Numbers
    within: Numbers


def index(sums: Numbers, alpha: float) -> Index:
    """The index of order alpha of all rows, and its parts between and within groups; NaN where all benefits are 0.

    Args:
        sums: Of `moments` for this alpha over the rows of each group, shape `(..., groups, MOMENTS)`.
    """
    n, s, power = sums[..., 0], sums[..., 1], sums[..., 2]
    rows, total = np.maximum(n.sum(axis=-1), 1.0), _positive(s.sum(axis=-1))
    mean = total / rows
    own = s / np.maximum(n, 1.0)
    if alpha == 1:
        parts = special.xlogy(s, own).sum(axis=-1) / total
        whole, middle = power.sum(axis=-1) / total, np.log(mean)
    elif alpha == 0:
        parts = -special.xlogy(n, own).sum(axis=-1) / rows
        whole, middle = -power.sum(axis=-1) / rows, -np.log(mean)
    else:
        scale = alpha * (alpha - 1.0)
        parts = (n * own**alpha).sum(axis=-1) / rows / mean**alpha / scale
        whole, middle = power.sum(axis=-1) / rows / mean**alpha / scale, 1.0 / scale
    return Index(whole=_rounded(whole - middle), between=_rounded(parts - middle), within=_rounded(whole - parts))


def theil(sums: Numbers) -> Index:
    """The index of order 1, of the sums of `moments` for any alpha."""
    return index(sums[..., [0, 1, 3]], 1.0)


def coefficient_of_variation(sums: Numbers) -> Numbers:
    """Standard deviation (with n) over mean of the benefits, the root of twice the index of order 2."""
    return np.sqrt(2.0 * index(sums[..., [0, 1, 4]], 2.0).whole)


def _positive(total: Numbers) -> Numbers:
    return np.where(total > 0, total, np.nan)


def _rounded(value: Numbers) -> Numbers:
    return np.where(np.abs(value) < _ROUNDING, 0.0, value)
