"""Shapley values by regression on paired coalitions: for budgets below one pair of walks a replacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.masking import Coalitions

if TYPE_CHECKING:
    from auditbench.masking import Evaluator

_RIDGE = 1e-9
"""Share of the mean diagonal that is added to the normal equations, so that empty columns do not stop them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regressed:
    """Coefficients and their variances, shape `(rows, players, targets)`, float64; None without spare pairs."""

    values: torch.Tensor
    variance: torch.Tensor | None


def regress(
    evaluator: Evaluator,
    players: int,
    starts: torch.Tensor,
    ends: torch.Tensor,
    pairs: int,
    controls: tuple[torch.Tensor, torch.Tensor],
    rng: np.random.Generator,
) -> Regressed:
    """Least squares on so many pairs of a coalition and its complement, each on one replacement.

    The response is their difference, the regressors are the signs `s` of the players (1 kept, -1 hidden), and `s` times what the
    replacement has more than the mean replacement: replacements differ, and these columns take up what that does to the
    response. The coefficients of `s` add up to the output minus the mean output of the replacements.

    Args:
        controls: What each replacement has, shape `(replacements, columns)`, and the player of each column.

    References: arXiv:1705.07874, theorem 2 (the kernel); arXiv:2012.01536, section 4 (pairs). The controls are this project's.
    """
    device = starts.device
    chosen = min(pairs, evaluator.replacements)
    each = pairs // chosen
    replacements = torch.from_numpy(rng.permutation(evaluator.replacements)[:chosen]).to(device)
    kept = torch.from_numpy(_drawn(chosen * each, players, rng)).to(device).view(chosen, each, players)
    response = torch.cat(
        [
            evaluator.differences(Coalitions(kept=kept[part], replacements=replacements[part]))
            for part in _parts(chosen, max(1, evaluator.pairs_together() // each))
        ],
        dim=1,
    )
    response = response.double().flatten(1, 2)
    columns = _columns(kept, replacements, controls)
    rise = ends.double() - starts.double().mean(dim=1)
    return _least_squares(columns, response, rise, players)


def _parts(count: int, each: int) -> list[slice]:
    return [slice(start, start + each) for start in range(0, count, each)]


def _drawn(count: int, players: int, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Coalitions drawn by the Shapley kernel, their sizes as even as the count allows."""
    sizes = np.arange(1, players)
    mass = 1.0 / (sizes * (players - sizes))
    steps = (rng.random() + np.arange(count)) / count
    size = sizes[np.minimum(np.searchsorted(np.cumsum(mass / mass.sum()), steps), players - 2)]
    places = rng.random((count, players)).argsort(axis=1)
    drawn: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = places < rng.permutation(size)[:, np.newaxis]
    return drawn


def _columns(
    kept: torch.Tensor, replacements: torch.Tensor, controls: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """The regressors, shape `(pairs, columns)`; without controls where there would not be two pairs a column."""
    signs = 2.0 * kept.double() - 1.0
    players = signs.shape[2]
    values, owners = controls
    apart = values.double() - values.double().mean(dim=0)
    varying = apart.abs().amax(dim=0) > 0
    apart, owners = apart[:, varying], owners[varying]
    if 2 * (players + len(owners)) > signs.shape[0] * signs.shape[1]:
        return signs.flatten(0, 1)
    moved = signs[:, :, owners] * apart[replacements].unsqueeze(1)
    return torch.cat([signs, moved], dim=2).flatten(0, 1)


def _least_squares(columns: torch.Tensor, response: torch.Tensor, rise: torch.Tensor, players: int) -> Regressed:
    """One factorisation for all rows; the constraint is met by Lagrange's multiplier."""
    normal = columns.T @ columns
    normal += torch.eye(len(normal), dtype=normal.dtype, device=normal.device) * (_RIDGE * normal.diagonal().mean())
    inverse = torch.linalg.inv(normal)
    found = torch.einsum("cp,npt->nct", inverse @ columns.T, response)
    direction = inverse[:, :players].sum(dim=1)
    missing = rise - found[:, :players].sum(dim=1)
    found = found + direction[:, None] * (missing / direction[:players].sum()).unsqueeze(1)
    spare = len(columns) - columns.shape[1]
    if spare < 1:
        return Regressed(values=found[:, :players], variance=None)
    residual = response - torch.einsum("pc,nct->npt", columns, found)
    noise = residual.square().sum(dim=1) / spare
    shape = (inverse.diagonal() - direction.square() / direction[:players].sum())[:players].clamp(min=0)
    return Regressed(values=found[:, :players], variance=shape[:, None] * noise.unsqueeze(1))
