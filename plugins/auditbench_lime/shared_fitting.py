"""`fit_shared`: local models of many rows on the same samples, at a cost that grows with the features, not their
square.

The samples are written once as one-hot columns, one for each bin of an explained row. All sums over samples are then
products of large matrices. The normal equations of a row are solved by conjugate gradients, without ever building their
matrix: the correlation of the columns without weights is looked up for each row and corrected by the weighted
    variances,
and differs from the weighted one by about a hundredth, so that a few steps reach the accuracy of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from auditbench_lime.fitting import (
    FEW_SAMPLES,
    PENALTY,
    LocalFits,
    assembled,
    dots,
    effective_samples,
    fit_locally,
    joined,
    kernel,
    products,
)

LinearMap: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

STEPS = 3
TOLERANCE = 1e-5
"""Rows whose relative residual stays above it are not solved."""
LEAST_SPREAD = 1e-4
"""Share of the weighted squares of outputs that is left when they are centred, below which float32 is too coarse."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedSamples:
    """Samples that several rows share; sample 0 stands for the explained row itself.

    Attributes:
        columns: One-hot columns, float32, shape `(columns, samples)`; all 1 at sample 0. The last is 1 everywhere.
        correlation: Of the others over samples, float32, shape `(columns - 1, columns - 1)`.
    """

    columns: torch.Tensor
    correlation: torch.Tensor


def shared_samples(columns: torch.Tensor) -> SharedSamples:
    """Correlate one-hot columns, of which the last is 1 everywhere; what does not vary is correlated with nothing."""
    joint = products(columns, columns) / columns.shape[1]
    joint, mean = joint[:-1, :-1], joint[:-1, -1]
    deviation = (mean * (1 - mean)).sqrt()
    scale = torch.where(deviation > 0, 1 / deviation, 0.0)
    correlation = (joint - torch.outer(mean, mean)) * torch.outer(scale, scale)
    correlation.fill_diagonal_(1.0)
    return SharedSamples(columns=columns, correlation=correlation.float())


def fit_shared(
    samples: SharedSamples, own: torch.Tensor, outputs: torch.Tensor, kernel_width: float
) -> tuple[LocalFits, torch.Tensor]:
    """Fit each row by which samples are in its bins.

    Args:
        own: Columns of each row's own bins, int64, shape `(rows, features)`.
        outputs: Of the samples, standardised, float32, shape `(rows, targets, samples)`; sample 0 is the row's own
            output.
        kernel_width: Of `exp(-mismatches / (2 kernel_width^2))`.

    Returns:
        The fits, and whether those of each row are solved, bool, shape `(rows,)`; `fit_directly` gives the others. A
        row is not where the iteration has not settled, where it has few samples in effect, or where the outputs
        differ so little near it, compared with elsewhere, that their rounding shows.
    """
    weights = kernel_weights(samples.columns, own, kernel_width, torch.float32)
    effective = effective_samples(weights)
    weighted = outputs * weights.unsqueeze(1)
    masses, total = (each.squeeze(1) for each in _sums(samples, own, weights.unsqueeze(1)))
    moments, output_sum = _sums(samples, own, weighted)
    same_mean, output_mean = masses / total, (output_sum / total.unsqueeze(1)).squeeze(2)
    moments = moments - output_mean.unsqueeze(2) * masses.unsqueeze(1)
    squares = dots(weighted, outputs)
    varied = squares - total * output_mean.square()
    sound = ((varied > LEAST_SPREAD * squares) | (squares == 0)).all(dim=1) & (effective >= FEW_SAMPLES)

    def normal(direction: torch.Tensor) -> torch.Tensor:
        """The matrix of the normal equations times one vector a target."""
        fitted = (_spread(own, direction.float(), len(samples.columns)) @ samples.columns).mul_(weights.unsqueeze(1))
        sums, total_fitted = _sums(samples, own, fitted)
        return sums - same_mean.unsqueeze(1) * total_fitted + PENALTY * direction

    deviation = (total * same_mean * (1 - same_mean)).clamp(min=0).sqrt().float()
    near = samples.correlation[own.unsqueeze(2), own.unsqueeze(1)]
    near.mul_(deviation.unsqueeze(2)).mul_(deviation.unsqueeze(1)).diagonal(dim1=1, dim2=2).add_(PENALTY)
    factor, failed = torch.linalg.cholesky_ex(near)

    def nearly_solved(residual: torch.Tensor) -> torch.Tensor:
        return torch.cholesky_solve(residual.float().transpose(1, 2), factor).transpose(1, 2).double()

    coefficients, settled = _conjugate_gradients(normal, nearly_solved, moments)
    fits = assembled(coefficients, same_mean, output_mean, moments, varied, effective)
    return fits, settled & sound & (failed == 0)


def fit_directly(columns: torch.Tensor, own: torch.Tensor, outputs: torch.Tensor, kernel_width: float) -> LocalFits:
    """Fit each row from its normal equations in float64, one after the other, so that memory does not grow with the
    rows.

    Arguments are those of `fit_shared`, but with outputs in float64.
    """
    weights = kernel_weights(columns, own, kernel_width, torch.float64)
    return joined(
        [
            fit_locally(columns[own[row]].double().unsqueeze(0), weights[row : row + 1], outputs[row : row + 1])
            for row in range(len(own))
        ]
    )


def kernel_weights(columns: torch.Tensor, own: torch.Tensor, kernel_width: float, dtype: torch.dtype) -> torch.Tensor:
    """Weight of each sample, shape `(rows, samples)`: lime's kernel on the distance between 0/1 vectors."""
    matches = _spread(own, torch.ones_like(own, dtype=torch.float32), len(columns)) @ columns
    return kernel(matches.sub_(own.shape[1]).to(dtype), kernel_width)


def cheaper_directly(columns: int, features: int, targets: int) -> bool:
    """By the products of matrices that each way takes; the constants were measured on a CPU."""
    iterated = (2 + targets * (1 + 2 * STEPS)) * columns
    return iterated > 1.5 * features * (features + 50) + 400 * (5 + targets)


def _conjugate_gradients(
    normal: LinearMap, nearly_solved: LinearMap, moments: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Solutions after `STEPS` steps, shape `(rows, targets, features)`, and whether a row's residuals are small."""
    solution, residual = torch.zeros_like(moments), moments
    change = nearly_solved(residual)
    direction, size = change, (residual * change).sum(dim=2, keepdim=True)
    first = size
    for _ in range(STEPS):
        product = normal(direction)
        along = (direction * product).sum(dim=2, keepdim=True)
        step = torch.where(along > 0, size / along, 0.0)
        solution = solution + step * direction
        residual = residual - step * product
        change = nearly_solved(residual)
        before, size = size, (residual * change).sum(dim=2, keepdim=True)
        direction = change + torch.where(before > 0, size / before, 0.0) * direction
    return solution, (size <= TOLERANCE**2 * first).all(dim=1).squeeze(1)


def _spread(own: torch.Tensor, numbers: torch.Tensor, columns: int) -> torch.Tensor:
    """Numbers of each feature at the columns of the row's bins; shape `(rows, ..., columns)`."""
    index = own.view(len(own), *[1] * (numbers.ndim - 2), -1).expand(numbers.shape)
    return torch.zeros((*numbers.shape[:-1], columns), device=own.device).scatter_(-1, index, numbers)


def _sums(samples: SharedSamples, own: torch.Tensor, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of numbers, shape `(rows, any, samples)`, over the samples in each of a row's bins, and over all; float64."""
    sums = products(numbers, samples.columns)
    return sums.gather(2, own.unsqueeze(1).expand(-1, numbers.shape[1], -1)), sums[:, :, -1:]
