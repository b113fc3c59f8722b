"""`fit_locally`: weighted ridge regressions with an intercept, many at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

PENALTY = 1.0
"""Of the squared coefficients, not of the intercept; as lime's ridge regression."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalFits:
    """Linear models of some rows, float64.

    Attributes:
        coefficients: Shape `(rows, targets, players)`.
        intercept: Shape `(rows, targets)`.
        r2: Shape `(rows, targets)`: weighted R squared on the samples of the fit; NaN where the weighted spread of the
            outputs is 0.
    """

    coefficients: torch.Tensor
    intercept: torch.Tensor
    r2: torch.Tensor


def fit_locally(same: torch.Tensor, weights: torch.Tensor, outputs: torch.Tensor) -> LocalFits:
    """Fit outputs by what is the same as in the explained row.

    Sums over samples are taken in the given dtype, all else in float64. In float32 coefficients are equal to those in
    float64 up to about 1e-6 of the spread of the outputs, if outputs have a mean near 0.

    Args:
        same: 0 or 1, shape `(rows, players, samples)`.
        weights: Weight of each sample, above 0, shape `(rows, samples)`.
        outputs: Shape `(rows, targets, samples)`.

    References: `LimeBase.explain_instance_with_data` of lime 0.2, without selection of features.
    """
    rows, players, samples = same.shape
    roots = weights.sqrt().unsqueeze(1)
    design = same.new_empty((rows, players + 1, samples))
    torch.mul(same, roots, out=design[:, :players])
    design[:, players:] = roots
    weighted = outputs * roots
    products = torch.bmm(design, design.transpose(1, 2)).double()
    crossed = torch.bmm(weighted, design.transpose(1, 2)).double()
    total = products[:, players, players].unsqueeze(1)
    same_mean, output_mean = products[:, players, :players] / total, crossed[:, :, players] / total
    centring = total.unsqueeze(2) * same_mean.unsqueeze(1)
    gram = products[:, :players, :players] - centring * same_mean.unsqueeze(2)
    moments = crossed[:, :, :players] - centring * output_mean.unsqueeze(2)
    varied = torch.linalg.vecdot(weighted, weighted).double() - total * output_mean.square()
    penalty = PENALTY * torch.eye(players, dtype=torch.float64, device=same.device)
    factor, _ = torch.linalg.cholesky_ex(gram + penalty)
    coefficients = torch.cholesky_solve(moments.transpose(1, 2), factor).transpose(1, 2)
    return assembled(coefficients, same_mean, output_mean, moments, varied)


def assembled(
    coefficients: torch.Tensor,
    same_mean: torch.Tensor,
    output_mean: torch.Tensor,
    moments: torch.Tensor,
    varied: torch.Tensor,
) -> LocalFits:
    """Intercept and R squared of solved ridge regressions.

    Args:
        same_mean: Weighted mean of each player, shape `(rows, players)`.
        output_mean: Weighted mean of the outputs, shape `(rows, targets)`.
        moments: Weighted sum of centred player times centred output, shape `(rows, targets, players)`.
        varied: Weighted sum of squares of the centred outputs, shape `(rows, targets)`.
    """
    # At the solution, gram @ coefficients = moments - PENALTY * coefficients.
    unexplained = varied - (coefficients * moments).sum(dim=2) - PENALTY * coefficients.square().sum(dim=2)
    return LocalFits(
        coefficients=coefficients,
        intercept=output_mean - (coefficients * same_mean.unsqueeze(1)).sum(dim=2),
        r2=torch.where(varied > 0, 1 - unexplained.clamp(min=0) / varied, torch.nan),
    )


def standardised(outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre and scale of outputs over their last axis, so that float32 serves for sums; scale 1 where all are equal."""
    lowest, highest = outputs.amin(dim=-1), outputs.amax(dim=-1)
    varied = highest > lowest
    return torch.where(varied, outputs.mean(dim=-1), lowest), torch.where(varied, outputs.std(dim=-1), 1.0)


def rescaled(fits: LocalFits, centre: torch.Tensor, scale: torch.Tensor) -> LocalFits:
    """From outputs `(output - centre) / scale` back to outputs; both of shape `(rows, targets)`."""
    return LocalFits(
        coefficients=fits.coefficients * scale.unsqueeze(2), intercept=fits.intercept * scale + centre, r2=fits.r2
    )


def joined(fits: list[LocalFits]) -> LocalFits:
    """The fits of several blocks of rows."""
    return LocalFits(
        coefficients=torch.cat([each.coefficients for each in fits]),
        intercept=torch.cat([each.intercept for each in fits]),
        r2=torch.cat([each.r2 for each in fits]),
    )


def replaced(fits: LocalFits, rows: torch.Tensor, others: LocalFits) -> LocalFits:
    """The fits, with others in place of those of some rows, given by index."""
    return LocalFits(
        coefficients=fits.coefficients.index_copy(0, rows, others.coefficients),
        intercept=fits.intercept.index_copy(0, rows, others.intercept),
        r2=fits.r2.index_copy(0, rows, others.r2),
    )
