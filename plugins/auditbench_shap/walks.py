"""Shapley values from walks: antithetic pairs of permutations, as many for each replacement.

A walk and its reverse are exact for all effects of one and two players of `f(x on S, b elsewhere)`, and visiting each
replacement `b` equally often makes the mean over `b` exact too; only interactions of three and more are sampled. Rounds
come in twos: the second walk of a replacement begins in the middle of the first, so that each player comes once early
and once late among the others. That takes up to half of the variance (measured in docs/design/0003).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.masking import Coalitions

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.masking import Evaluator


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """What some rounds of walks found of some rows; float64.

    Attributes:
        values: Mean contributions, shape `(rows, players, targets)`.
        variance: Of these means, of the same shape; None where there is nothing to take it from.
        rounds: Pairs of walks for each replacement.
    """

    values: torch.Tensor
    variance: torch.Tensor | None
    rounds: int


def joined(
    values: torch.Tensor, variance: torch.Tensor, rounds: int, further: Sums
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """What was found in so many rounds and in further ones, each with the weight of its rounds."""
    if further.variance is None:
        raise ValueError("expected at least two further rounds, got one")
    together = rounds + further.rounds
    own, theirs = rounds / together, further.rounds / together
    return (
        own * values + theirs * further.values,
        own**2 * variance + theirs**2 * further.variance,
        together,
    )


def pair_rows(players: int, replacements: int) -> int:
    """Model rows of one round, a row."""
    return 2 * replacements * (players - 1)


def walk(
    evaluator: Evaluator,
    players: int,
    starts: torch.Tensor,
    ends: torch.Tensor,
    rounds: int,
    rng: np.random.Generator,
    *,
    pairs: npt.NDArray[np.int64] | None = None,
    orders: Callable[[int, int], npt.NDArray[np.int64]] | None = None,
) -> Sums:
    """Walk so many pairs for each replacement.

    The variance comes from what the rounds of one replacement find differently: that replacements differ is no error,
    since all of them are visited. Twos of rounds are compared; of two rounds each with the other, which is an upper
    bound, since they are made to differ. With a single round there is only the spread between replacements, a loose
    bound.

    Args:
        rounds: One, or an even number.
        starts: Outputs where everybody is hidden, shape `(rows, replacements, targets)`.
        ends: Outputs of the rows, shape `(rows, targets)`.
        pairs: For a single round, the replacements in an order in which two and two are alike: the walk of the second
            begins in the middle of that of the first.
        orders: From a number of replacements and of rounds to the place of each player in each walk, shape
            `(replacements, rounds, players)`; any order is drawn when absent.

    References: arXiv:2104.12199 (antithetic permutations); Castro, Gomez and Tejada (2009), Polynomial calculation of
    the Shapley value based on sampling.
    """
    count, targets = evaluator.replacements, ends.shape[1]
    total = torch.zeros((len(ends), players, targets), dtype=torch.float64, device=ends.device)
    spread = torch.zeros_like(total)
    together = max(1, evaluator.pairs_together() // max(1, rounds * (players - 1)))
    draw = orders or functools.partial(_drawn, players=players, rng=rng)
    order = np.arange(count) if pairs is None else pairs
    if pairs is not None:
        together += together % 2
    for start in range(0, count, together):
        chosen = torch.from_numpy(order[start : start + together]).to(ends.device)
        drawn = draw(len(chosen), rounds) if pairs is None else _drawn_in_pairs(len(chosen), players, rng)
        positions = torch.from_numpy(drawn).to(ends.device)
        rise = ends.double().unsqueeze(1) - starts[:, chosen].double()
        found = _sums(evaluator, chosen, positions, rise)
        total += found[0]
        spread += found[1]
    values = total / count
    if rounds > 1:
        return Sums(values=values, variance=spread / count**2, rounds=rounds)
    variance = (spread / count - values.square()).clamp_(min=0) / (count - 1) if count > 1 else None
    return Sums(values=values, variance=variance, rounds=1)


def _sums(
    evaluator: Evaluator, replacements: torch.Tensor, positions: torch.Tensor, rise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over some replacements of the mean contributions, and of their variances, or of their squares for one round.

    Each of shape `(rows, players, targets)`.
    """
    _, rounds, players = positions.shape
    unit = 2 if rounds > 2 else 1
    walks = max(1, evaluator.pairs_together() // max(1, unit * (players - 1))) * unit
    sizes = torch.arange(1, players, device=rise.device).unsqueeze(1)
    parts = []
    for first in range(0, rounds, walks):
        place = positions[:, first : first + walks]
        kept = (place.unsqueeze(2) < sizes).flatten(1, 2)
        differences = evaluator.differences(Coalitions(kept=kept, replacements=replacements)).double()
        parts.append(_moments(_contributions(differences, place, rise), unit))
    found = functools.reduce(_gathered, parts)
    if found.units == 1:
        return found.means.sum(dim=1), found.means.square().sum(dim=1)
    return found.means.sum(dim=1), found.squares.sum(dim=1) / (found.units * (found.units - 1))


def _drawn(count: int, rounds: int, players: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Place of each player in each walk, shape `(replacements, rounds, players)`."""
    first = rng.random((count, -(-rounds // 2), players)).argsort(axis=2)
    second = (first + players // 2) % players
    return np.stack([first, second], axis=2).reshape(count, -1, players)[:, :rounds]


def _drawn_in_pairs(count: int, players: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The same of a single round, where two and two replacements share what two rounds of one would have."""
    return _drawn(-(-count // 2), 2, players, rng).reshape(-1, 1, players)[:count]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moments:
    """Means over some units of rounds, and the sums of squared differences from them.

    Each of shape `(rows, replacements, players, targets)`.
    """

    means: torch.Tensor
    squares: torch.Tensor
    units: int


def _moments(each: torch.Tensor, unit: int) -> _Moments:
    """Of what each round finds, shape `(rows, replacements, rounds, players, targets)`, in units of so many rounds."""
    rows, count, rounds, players, targets = each.shape
    found = each if unit == 1 else each.view(rows, count, rounds // unit, unit, players, targets).mean(dim=3)
    units = found.shape[2]
    means = found.mean(dim=2) if units > 1 else found[:, :, 0]
    squares = (found - means.unsqueeze(2)).square_().sum(dim=2) if units > 1 else torch.zeros_like(means)
    return _Moments(means=means, squares=squares, units=units)


def _gathered(one: _Moments, other: _Moments) -> _Moments:
    """Source: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, equation 2.1."""
    units = one.units + other.units
    step = other.means - one.means
    means = one.means + (other.units / units) * step
    squares = one.squares + other.squares + (one.units * other.units / units) * step.square()
    return _Moments(means=means, squares=squares, units=units)


def _contributions(differences: torch.Tensor, positions: torch.Tensor, rise: torch.Tensor) -> torch.Tensor:
    """What each pair of walks finds; shape `(rows, replacements, rounds, players, targets)`.

    The player at place `k` of a walk gets `v(first k + 1) - v(first k)` there, and in the reverse walk the difference
    of the two complements; half of their sum is half a step of `v(S) - v(complement of S)`.
    """
    rows, count, _, targets = differences.shape
    rounds, players = positions.shape[1:]
    along = differences.view(rows, count, rounds, players - 1, targets)
    end = rise[:, :, None, None, :].expand(rows, count, rounds, 1, targets)
    steps = torch.cat([-end, along, end], dim=3).diff(dim=3).mul_(0.5)
    place = positions[None, ..., None].expand(rows, count, rounds, players, targets)
    return steps.gather(3, place)
