"""Shapley values of the players of one row: exactly where they are few, otherwise by walks through random orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.masking import Coalitions, Evaluator

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowValues:
    """Contributions of one row's players, in the unit of the outputs.

    Attributes:
        values: Shape `(outputs, players)`.
        standard_error: Shape of `values`; 0 where all coalitions were evaluated, NaN where one pair of walks tells none.
        base_value: Outputs with every player hidden, shape `(outputs,)`.
        output: Outputs of the row itself, shape `(outputs,)`.
    """

    values: Numbers
    standard_error: Numbers
    base_value: Numbers
    output: Numbers


def shapley_row(evaluator: Evaluator, players: int, *, budget: int, rng: np.random.Generator) -> RowValues:
    """Shapley values of the only row of an evaluator.

    Each pair of walks adds the players in a random order, and in the reverse of it. Contributions add up to the output minus
    the base value, whatever the number of walks.

    Args:
        players: At least 1.
        budget: Coalitions to evaluate at most, but for those of the first pair of walks.

    References: Castro, Gomez and Tejada (2009), Computers & Operations Research 36:1726; Mitchell et al.,
    arXiv:2104.12199, section 4.1 (a permutation and its reverse).
    """
    if 2**players <= budget:
        return _exact(evaluator, players)
    pairs = max(1, (budget - 2) // (2 * (players - 1)))
    orders = np.stack([rng.permutation(players) for _ in range(pairs)])
    both = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, players)
    ranks = np.argsort(both, axis=1)
    inner = ranks[:, np.newaxis, :] < np.arange(1, players)[:, np.newaxis]
    ends = np.stack([np.zeros(players, dtype=bool), np.ones(players, dtype=bool)])
    outputs = _outputs(evaluator, np.concatenate([ends, inner.reshape(-1, players)]))
    base, whole = outputs[0], outputs[1]
    steps = outputs[2:].reshape(len(both), players - 1, -1)
    path = np.concatenate(
        [np.broadcast_to(base, (len(both), 1, len(base))), steps, np.broadcast_to(whole, (len(both), 1, len(whole)))],
        axis=1,
    )
    gains = np.take_along_axis(np.diff(path, axis=1), ranks[:, :, np.newaxis], axis=1)
    by_pair = gains.reshape(pairs, 2, players, -1).mean(axis=1)
    error = by_pair.std(axis=0, ddof=1) / math.sqrt(pairs) if pairs > 1 else np.full(by_pair.shape[1:], np.nan)
    return RowValues(values=by_pair.mean(axis=0).T, standard_error=error.T, base_value=base, output=whole)


def hidden_one_by_one(evaluator: Evaluator, players: int) -> RowValues:
    """What the outputs of the only row lose when one player is hidden; contributions need not add up to anything."""
    kept = np.concatenate(
        [np.zeros((1, players), dtype=bool), np.ones((1, players), dtype=bool), ~np.eye(players, dtype=bool)]
    )
    outputs = _outputs(evaluator, kept)
    values = (outputs[1] - outputs[2:]).T
    return RowValues(values=values, standard_error=np.zeros_like(values), base_value=outputs[0], output=outputs[1])


def _exact(evaluator: Evaluator, players: int) -> RowValues:
    """Every coalition, weighted as Shapley (1953) does."""
    codes = np.arange(2**players)
    kept = (codes[:, np.newaxis] >> np.arange(players) & 1).astype(bool)
    outputs = _outputs(evaluator, kept)
    sizes = kept.sum(axis=1)
    values = []
    for player in range(players):
        without = codes[~kept[:, player]]
        ways = [1.0 / (players * math.comb(players - 1, int(size))) for size in sizes[without]]
        values.append(np.asarray(ways) @ (outputs[without + (1 << player)] - outputs[without]))
    found = np.stack(values, axis=1)
    return RowValues(values=found, standard_error=np.zeros_like(found), base_value=outputs[0], output=outputs[-1])


def _outputs(evaluator: Evaluator, kept: npt.NDArray[np.bool_]) -> Numbers:
    """Outputs of each coalition, shape `(coalitions, outputs)`."""
    coalitions = Coalitions(
        kept=torch.from_numpy(kept).unsqueeze(0).to(evaluator.device),
        replacements=torch.zeros(1, dtype=torch.int64, device=evaluator.device),
    )
    return np.asarray(evaluator.outputs(coalitions)[0, 0].double().cpu().numpy())
