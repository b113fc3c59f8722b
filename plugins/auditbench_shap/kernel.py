"""Shapley values by regression on paired coalitions: for budgets below one pair of walks a replacement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.masking import Coalitions
from auditbench_shap.controls import controls_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.masking import Evaluator

_RIDGE = 1e-9
"""Share of the mean diagonal that is added to the normal equations: two players have the same coalitions, and few
replacements may have the same controls."""

_MOST_COLUMNS = 256
"""Columns of all players that may be controls each, so that the products of the regressors stay cheap."""


def least_pairs(players: int, replacements: int) -> int:
    """Pairs that the regression needs: two for each player, and two for a control of it where there are several replacements."""
    return players * (2 if replacements == 1 else 4)


def regress(
    evaluator: Evaluator, players: int, starts: torch.Tensor, ends: torch.Tensor, pairs: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Least squares on so many pairs of a coalition and its complement, each on one replacement.

    The response is their difference, the regressors are the signs `s` of the players (1 kept, -1 hidden), and `s` times
    the controls of the player: replacements differ, and these columns take up what that does to the response. The
    coefficients of `s` add up to the output minus the mean output of the replacements.

    Args:
        starts: Outputs where everybody is hidden, shape `(rows, replacements, targets)`.
        ends: Outputs of the rows, shape `(rows, targets)`.
        pairs: At least `least_pairs`; replacements have equally many of them, or one more.

    Returns:
        Coefficients and their variances, each of shape `(rows, players, targets)`, float64.

    References: arXiv:1705.07874, theorem 2 (the kernel); arXiv:2012.01536 (pairs). The controls are this project's.
    """
    device = starts.device
    controls = controls_of(*evaluator.replacement_columns(), most=min(pairs // 2 - players, _MOST_COLUMNS))
    order = torch.from_numpy(rng.permutation(evaluator.replacements)).to(device)
    sizes = _sizes(pairs, players, rng)
    columns = players + len(controls.players)
    sums = _Sums(
        normal=starts.new_zeros((columns, columns), dtype=torch.float64),
        cross=starts.new_zeros((len(ends), columns, ends.shape[1]), dtype=torch.float64),
        squares=torch.zeros_like(ends, dtype=torch.float64),
    )
    done = 0
    for replacements, each in _blocks(order, pairs, evaluator.pairs_together()):
        count = len(replacements) * each
        drawn = torch.from_numpy(_drawn(sizes[done : done + count], players, rng)).to(device)
        kept = drawn.view(len(replacements), each, players)
        response = evaluator.differences(Coalitions(kept=kept, replacements=replacements)).double()
        signs = 2.0 * kept.double() - 1.0
        moved = signs[:, :, controls.players] * controls.values[replacements].unsqueeze(1)
        sums.add(torch.cat([signs, moved], dim=2).flatten(0, 1), response.flatten(1, 2))
        done += count
    return _solved(sums, pairs, ends.double() - starts.double().mean(dim=1), players)


def _blocks(order: torch.Tensor, pairs: int, together: int) -> Iterator[tuple[torch.Tensor, int]]:
    """Replacements with the number of pairs that each of them gets, at most so many pairs together."""
    each, rest = divmod(pairs, len(order))
    for chosen, count in ((order, each), (order[:rest], 1)):
        few = max(1, together // max(1, count))
        for start in range(0, len(chosen), few):
            for first in range(0, count, together):
                yield chosen[start : start + few], min(together, count - first)


def _sizes(pairs: int, players: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Sizes of coalitions as the Shapley kernel has them, as even as the number of pairs allows, in random order."""
    sizes = np.arange(1, players, dtype=np.int32)
    mass = 1.0 / (sizes * (players - sizes))
    steps = (rng.random() + np.arange(pairs)) / pairs
    return rng.permutation(sizes[np.minimum(np.searchsorted(np.cumsum(mass / mass.sum()), steps), players - 2)])


def _drawn(sizes: npt.NDArray[np.int32], players: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """A random coalition of each size, shape `(coalitions, players)`."""
    places = rng.random((len(sizes), players)).argsort(axis=1)
    drawn: npt.NDArray[np.bool_] = places < sizes[:, np.newaxis]
    return drawn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """What the pairs add up to, float64: all that least squares and its residuals need of them.

    Attributes:
        normal: Products of the columns, shape `(columns, columns)`.
        cross: Products of the columns and the response, shape `(rows, columns, targets)`.
        squares: Of the response, shape `(rows, targets)`.
    """

    normal: torch.Tensor
    cross: torch.Tensor
    squares: torch.Tensor

    def add(self, columns: torch.Tensor, response: torch.Tensor) -> None:
        """Some pairs: shape `(pairs, columns)`, and `(rows, pairs, targets)`."""
        self.normal.addmm_(columns.T, columns)
        self.cross.add_(columns.T @ response)
        self.squares.add_(response.square().sum(dim=1))


def _solved(sums: _Sums, pairs: int, rise: torch.Tensor, players: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One factorisation for all rows; the constraint is met by Lagrange's multiplier."""
    columns = len(sums.normal)
    ridge = _RIDGE * sums.normal.diagonal().mean() * torch.eye(columns, dtype=torch.float64, device=rise.device)
    inverse = torch.linalg.inv(sums.normal + ridge)
    found = inverse @ sums.cross
    direction = inverse[:, :players].sum(dim=1)
    missing = rise - found[:, :players].sum(dim=1)
    found = found + direction[:, None] * (missing / direction[:players].sum()).unsqueeze(1)
    unexplained = sums.squares + (found * (sums.normal @ found - 2.0 * sums.cross)).sum(dim=1)
    noise = unexplained.clamp(min=0) / (pairs - columns)  # the difference of near equal sums may round below 0
    shape = (inverse.diagonal() - direction.square() / direction[:players].sum())[:players].clamp(min=0)
    return found[:, :players], shape[:, None] * noise.unsqueeze(1)
