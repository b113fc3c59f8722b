"""Null players: what is hidden without a change contributes nothing, so that a row is explained by its other players.

The black part of an image against a black baseline is one, and so is a superpixel that an image lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.masking import NOBODY, Players

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.masking import MaskedModel
    from auditbench_shap.planning import Plan

    Indices: TypeAlias = npt.NDArray[np.int64]


def rows_by_players(
    model: MaskedModel, rows: torch.Tensor, players: Players, plan: Plan
) -> Iterator[tuple[torch.Tensor, Indices]]:
    """Rows in groups that have the same players to explain, with these players.

    All players stay where rows share the products of a first layer, unless what each row needs fills a block of the
    evaluator by itself. Otherwise sharing coalitions saves no model rows, and leaving players out does. Walks keep two
    players, so that their repeats show the noise of a model.

    Yields:
        Indices of at most `rows_together` rows, and of their players, at least one.
    """
    index, everyone = torch.arange(len(rows), device=rows.device), np.arange(len(players))
    shared = model.first is not None and plan.model_rows < model.block_rows
    groups = [(index, everyone)] if shared else _alike(model, rows, players, fewest=1 if plan.method == "exact" else 2)
    for members, active in groups:
        for start in range(0, len(members), model.rows_together):
            yield members[start : start + model.rows_together], active


def _alike(
    model: MaskedModel, rows: torch.Tensor, players: Players, *, fewest: int
) -> Iterator[tuple[torch.Tensor, Indices]]:
    """All rows, by their active players; where these are fewer than the fewest, the first others count as such."""
    found = []
    for start in range(0, len(rows), model.rows_together):
        part = slice(start, start + model.rows_together)
        here = players.of_rows(part)
        found.append(active_players(rows[part], model.masker.replacements(rows[part], here), here))
    active = torch.cat(found).cpu().numpy()
    for player in range(min(fewest, len(players))):
        active[:, player] |= active.sum(axis=1) < fewest
    patterns, members = np.unique(active, axis=0, return_inverse=True)
    for which, pattern in enumerate(patterns):
        index = torch.from_numpy(np.flatnonzero(members.ravel() == which))
        yield index.to(rows.device), np.flatnonzero(pattern)


def active_players(rows: torch.Tensor, replacements: torch.Tensor, players: Players) -> torch.Tensor:
    """Which players change an entry of a row when they are hidden; bool, shape `(rows, players)`.

    Args:
        replacements: Shape `(rows or 1, replacements, *row shape)`.
        players: Of these rows.
    """
    differs = ((replacements.amin(dim=1) != rows) | (replacements.amax(dim=1) != rows)).flatten(1)
    owners = players.groups.to(rows.device).reshape(-1, differs.shape[1])
    found = torch.zeros((len(rows), len(players) + 1), dtype=torch.bool, device=rows.device)
    found.scatter_(1, torch.where(differs, owners - NOBODY, 0), value=True)
    return found[:, 1:]


def only(players: Players, chosen: Indices) -> Players:
    """Some of the players; the entries of the others are never hidden."""
    if len(chosen) == len(players):
        return players
    place = np.full(len(players) + 1, NOBODY)
    place[chosen] = np.arange(len(chosen))
    groups = torch.from_numpy(place).to(players.groups.device)[players.groups]
    return Players(names=tuple(players.names[player] for player in chosen), groups=groups, per_row=players.per_row)
