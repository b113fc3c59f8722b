"""`fit_locally`: weighted ridge regressions with an intercept, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import reduce

import torch

from auditbench_lime.outputs import standardised

PENALTY = 1.0
"""Of the squared coefficients, not of the intercept; as lime's ridge regression."""

FEW_SAMPLES = 10
"""Samples in effect below which sums over samples are taken in float64."""

BLOCK_SAMPLES = 1 << 13
"""Samples that a float32 sum goes over; the sums of blocks are added in float64."""

_NARROWEST = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalFits:
    """Linear models of some rows, float64.

    Attributes:
        coefficients: Shape `(rows, targets, players)`.
        intercept: Shape `(rows, targets)`.
        r2: Shape `(rows, targets)`: weighted R squared on the samples of the fit; NaN where all of their outputs are
            equal, 0 where those that have weight are.
        effective_samples: `(sum of weights)^2 / sum of squared weights`, from 1 to the samples, shape `(rows,)`.
    """

    coefficients: torch.Tensor
    intercept: torch.Tensor
    r2: torch.Tensor
    effective_samples: torch.Tensor


def fit_locally(same: torch.Tensor, weights: torch.Tensor, outputs: torch.Tensor) -> LocalFits:
    """Fit outputs by what is the same as in the explained row.

    Outputs are centred at their weighted mean in float64; sums of products over samples are then taken in the
    dtype of `same`, but in float64 for rows with few samples in effect. In float32 coefficients are equal to those in
    float64 up to about 1e-6 of the weighted spread of the outputs.

    Args:
        same: 0 or 1, shape `(rows, players, samples)`.
        weights: Weight of each sample, at least 0, float64, shape `(rows, samples)`.
        outputs: float64, shape `(rows, targets, samples)`.

    References: `LimeBase.explain_instance_with_data` of lime 0.2, without selection of features.
    """
    fits = _fitted(same, weights, outputs)
    if same.dtype is torch.float64:
        return fits
    few = (fits.effective_samples < FEW_SAMPLES).nonzero().squeeze(1)
    return replaced(fits, few, _fitted(same[few].double(), weights[few], outputs[few])) if len(few) else fits


def kernel(closeness: torch.Tensor, width: float) -> torch.Tensor:
    """Weights `exp(-d^2 / (2 width^2))` of samples, in place of their `-d^2`."""
    weights: torch.Tensor = closeness.div_(max(2 * width * width, _NARROWEST)).exp_()
    return weights


def effective_samples(weights: torch.Tensor) -> torch.Tensor:
    """How many equal weights would leave as much noise, over the last axis; float64."""
    return weights.sum(dim=-1).double().square() / dots(weights, weights)


def products(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Sums over samples, the last axis, of all pairs of rows of two batches of matrices; float64."""
    parts: Iterator[torch.Tensor] = ((one @ other.mT).double() for one, other in _blocks(left, right))
    return reduce(torch.add, parts)


def dots(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Sums over samples, the last axis, of products; float64."""
    parts: Iterator[torch.Tensor] = (torch.linalg.vecdot(*pair).double() for pair in _blocks(left, right))
    return reduce(torch.add, parts)


def assembled(
    coefficients: torch.Tensor,
    same_mean: torch.Tensor,
    output_mean: torch.Tensor,
    moments: torch.Tensor,
    varied: torch.Tensor,
    effective: torch.Tensor,
) -> LocalFits:
    """Intercept and R squared of solved ridge regressions.

    Args:
        same_mean: Weighted mean of each player, shape `(rows, players)`.
        output_mean: Weighted mean of the outputs, shape `(rows, targets)`.
        moments: Weighted sum of centred player times centred output, shape `(rows, targets, players)`.
        varied: Weighted sum of squares of the centred outputs, shape `(rows, targets)`.
        effective: Samples in effect, shape `(rows,)`.
    """
    # At the solution, gram @ coefficients = moments - PENALTY * coefficients.
    unexplained = varied - (coefficients * moments).sum(dim=2) - PENALTY * coefficients.square().sum(dim=2)
    return LocalFits(
        coefficients=coefficients,
        intercept=output_mean - (coefficients * same_mean.unsqueeze(1)).sum(dim=2),
        r2=torch.where(varied > 0, 1 - unexplained.clamp(min=0) / varied, 0.0),
        effective_samples=effective,
    )


def rescaled(fits: LocalFits, centre: torch.Tensor, scale: torch.Tensor, varied: torch.Tensor) -> LocalFits:
    """From outputs `(output - centre) / scale` back to outputs.

    Args:
        centre: Shape `(rows, targets)`; `scale` alike.
        varied: Whether the outputs of a fit differ, of the same shape.
    """
    return LocalFits(
        coefficients=fits.coefficients * scale.unsqueeze(2),
        intercept=fits.intercept * scale + centre,
        r2=torch.where(varied, fits.r2, torch.nan),
        effective_samples=fits.effective_samples,
    )


def joined(fits: list[LocalFits]) -> LocalFits:
    """The fits of several blocks of rows."""
    return LocalFits(**{each.name: torch.cat([getattr(fit, each.name) for fit in fits]) for each in fields(LocalFits)})


def replaced(fits: LocalFits, rows: torch.Tensor, others: LocalFits) -> LocalFits:
    """The fits, with others in place of those of some rows, given by index."""
    return LocalFits(
        **{
            each.name: getattr(fits, each.name).index_copy(0, rows, getattr(others, each.name))
            for each in fields(LocalFits)
        }
    )


def _fitted(same: torch.Tensor, weights: torch.Tensor, outputs: torch.Tensor) -> LocalFits:
    rows, players, samples = same.shape
    total = weights.sum(dim=1, keepdim=True)
    mean = dots(outputs, weights.unsqueeze(1)) / total
    centre, scale, varied = standardised(outputs, mean)
    numbers = (outputs - centre.unsqueeze(2)).div_(scale.unsqueeze(2))
    roots = weights.sqrt().to(same.dtype).unsqueeze(1)
    design = same.new_empty((rows, players + 1, samples))
    torch.mul(same, roots, out=design[:, :players])
    design[:, players:] = roots
    weighted = numbers.to(same.dtype) * roots
    joint, crossed = products(design, design), products(weighted, design)
    same_mean = joint[:, players, :players] / total
    gram = joint[:, :players, :players] - total.unsqueeze(2) * same_mean.unsqueeze(1) * same_mean.unsqueeze(2)
    moments = crossed[:, :, :players] - crossed[:, :, players:] * same_mean.unsqueeze(1)
    penalty = PENALTY * torch.eye(players, dtype=torch.float64, device=same.device)
    factor, _ = torch.linalg.cholesky_ex(gram + penalty)
    coefficients = torch.cholesky_solve(moments.transpose(1, 2), factor).transpose(1, 2)
    squares = dots(numbers * weights.unsqueeze(1), numbers)
    fits = assembled(coefficients, same_mean, 0 * centre, moments, squares, effective_samples(weights))
    return rescaled(fits, centre, scale, varied)


def _blocks(left: torch.Tensor, right: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    parts = (torch.split(each, BLOCK_SAMPLES, dim=-1) for each in (left, right))
    return zip(*parts, strict=True)
