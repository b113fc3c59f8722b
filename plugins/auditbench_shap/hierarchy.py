"""Players that stand together on several levels: orders that keep them together, and their values in closed form."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Levels: TypeAlias = npt.NDArray[np.int64]
    """The group of each player on each level, shape `(levels, players)`, numbered from 0; coarse levels first, each group
    within one of the level before it."""


def checked_levels(levels: npt.ArrayLike, players: int) -> Levels:
    """Levels of so many players, the last of them the players themselves.

    Raises:
        ValueError: They are not of shape `(levels, players)`, or a group lies in two of the level before it.
    """
    if np.ndim(levels) != 2 or np.shape(levels)[1] != players:
        raise ValueError(f"expected levels of shape (levels, {players}), got {np.shape(levels)}")
    whole = np.concatenate([np.asarray(levels, dtype=np.int64), np.arange(players)[np.newaxis]])
    for coarse, fine in itertools.pairwise(whole):
        if len(set(zip(coarse.tolist(), fine.tolist(), strict=True))) != len(set(fine.tolist())):
            raise ValueError("expected each group of a level within one group of the level before it")
    return whole


def together_orders(levels: Levels, replacements: int, rounds: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Place of each player in each walk, shape `(replacements, rounds, players)`: groups stand together on all levels.

    The second walk of two begins in the middle of the first on each level.
    """
    walks = np.empty((replacements, rounds + rounds % 2, levels.shape[1]), dtype=np.int64)
    for replacement, first in np.ndindex(replacements, walks.shape[1] // 2):
        keys = [_ranks(levels, depth, rng) for depth in range(len(levels))]
        for place in (0, 1):
            order = np.lexsort([key[place] for key in reversed(keys)])
            walks[replacement, 2 * first + place, order] = np.arange(len(order))
    return walks[:, :rounds]


def coalition_rows(levels: Levels) -> int:
    """How many coalitions make up the values, those that groups share counted for each group."""
    _, some = np.unique(levels[-2] if len(levels) > 1 else np.zeros_like(levels[-1]), return_index=True)
    return sum(2 * math.prod(2 ** len(beside) for beside in _siblings(levels, player)) for player in some.tolist())


def coalition_weights(levels: Levels) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Coalitions and the weight of each one's value in each player's value, each of shape `(coalitions, players)`.

    On each level any of the groups beside that of the player may have come before it, as in a Shapley value.

    References: Owen (1977), Values of games with a priori unions; Winter (1989), A value for cooperative games with levels
    structure of cooperation (several levels).
    """
    players = levels.shape[1]
    weights: defaultdict[frozenset[int], npt.NDArray[np.float64]] = defaultdict(lambda: np.zeros(players))
    for player in range(players):
        for chosen in itertools.product(*(list(_subsets(beside)) for beside in _siblings(levels, player))):
            before = frozenset().union(*(members for members, _ in chosen))
            weight = math.prod(share for _, share in chosen)
            weights[before][player] -= weight
            weights[before | {player}][player] += weight
    kept = np.zeros((len(weights), players), dtype=np.bool_)
    for row, coalition in enumerate(weights):
        kept[row, list(coalition)] = True
    return kept, np.stack(list(weights.values()))


def opened(
    levels: Levels, coarse: npt.NDArray[np.int64], chosen: Sequence[int]
) -> tuple[npt.NDArray[np.int64], Levels]:
    """Items that are the players of some groups, and the other groups whole.

    Args:
        coarse: The group of each player, one of the levels.
        chosen: The groups whose players are items of their own.

    Returns:
        The item of each player, shape `(players,)`, and the levels of the items.
    """
    marks = np.where(np.isin(coarse, chosen), np.arange(len(coarse)), -1 - coarse)
    _, first, items = np.unique(marks, return_index=True, return_inverse=True)
    return items, np.concatenate([levels[:-1, first], np.arange(len(first))[np.newaxis]])


def _ranks(levels: Levels, depth: int, rng: np.random.Generator) -> tuple[Levels, Levels]:
    """Place of each player's group among those of one group above, drawn, and the same places moved on by half of them."""
    groups, place = np.unique(levels[depth], return_index=True)
    above = levels[depth - 1, place] if depth else np.zeros(len(groups), dtype=np.int64)
    order = np.lexsort([rng.random(len(groups)), above])
    counts = np.bincount(above)
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - (np.cumsum(counts) - counts)[above[order]]
    moved = (ranks + counts[above] // 2) % counts[above]
    own = np.searchsorted(groups, levels[depth])
    return ranks[own], moved[own]


def _siblings(levels: Levels, player: int) -> list[list[frozenset[int]]]:
    """On each level the other groups in the player's group of the level above, as sets of players."""
    found = []
    above = np.ones(levels.shape[1], dtype=np.bool_)
    for level in levels:
        others = np.unique(level[above & (level != level[player])])
        found.append([frozenset(np.flatnonzero(level == group).tolist()) for group in others])
        above = level == level[player]
    return found


def _subsets(groups: list[frozenset[int]]) -> list[tuple[frozenset[int], float]]:
    """Each set of groups as its players, with the share of orders in which these and no others come first."""
    count = len(groups) + 1
    return [
        (frozenset().union(*some), 1 / (count * math.comb(count - 1, size)))
        for size in range(count)
        for some in itertools.combinations(groups, size)
    ]
