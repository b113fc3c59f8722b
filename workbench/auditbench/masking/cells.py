"""Contributions of players as shares of the cells they cover: pixels of an image, tokens of a text, steps of a series.

Cells are alike for every row and every method, however a row was cut into players; their shares add up to the
contributions. A pixel is one cell, whatever its channels are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from auditbench.masking.players import Players

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Numbers = npt.NDArray[np.float64]


def cell_shares(values: Numbers, players: Players, *, channels: bool) -> Numbers:
    """Each cell's equal share of the contribution of its player, shape `(rows, targets, *cells)`.

    Args:
        values: Contributions, shape `(rows, targets, players)`.
        channels: Whether the first axis of a row holds channels that share their cells, as those of an image do.
    """
    import numpy as np

    owners = cell_owners(players, len(values), channels=channels)
    flat = owners.reshape(len(owners), -1)
    sizes = np.stack([np.bincount(row + 1, minlength=len(players) + 1)[1:] for row in flat])
    each = values / np.maximum(sizes, 1)[:, np.newaxis]
    with_nobody = np.concatenate([each, np.zeros((*values.shape[:2], 1))], axis=2)  # `NOBODY` is the last index
    shares = np.take_along_axis(with_nobody, flat[:, np.newaxis], axis=2)
    return np.asarray(shares.reshape(*values.shape[:2], *owners.shape[1:]))


def cell_owners(players: Players, rows: int, *, channels: bool) -> npt.NDArray[np.int64]:
    """The player of each cell or `NOBODY`, shape `(rows, *cells)`; `channels` as in `cell_shares`."""
    import numpy as np

    groups: npt.NDArray[np.int64] = players.groups.cpu().numpy()
    owners = groups if players.per_row else np.broadcast_to(groups, (rows, *groups.shape))
    return owners[:, 0] if channels else owners


def players_present(players: Players, rows: int) -> npt.NDArray[np.int64]:
    """How many players each row has, shape `(rows,)`: the last ones may be lacking."""
    import numpy as np

    if not players.per_row:
        return np.full(rows, len(players))
    most: npt.NDArray[np.int64] = players.groups.flatten(1).amax(dim=1).cpu().numpy()
    return most + 1


def player_sums(shares: Numbers, owners: torch.Tensor | npt.NDArray[np.integer], players: int) -> Numbers:
    """The shares of each player added up, shape `(rows, targets, players)`.

    Args:
        shares: Shape `(rows, targets, *cells)`.
        owners: The player of each cell or `NOBODY`, shape `(rows, *cells)`.
    """
    import numpy as np

    cells = math.prod(shares.shape[2:])
    slots = np.asarray(owners).reshape(len(shares), cells) + 1  # `NOBODY` is the first
    flat = shares.reshape(*shares.shape[:2], cells)
    sums = np.zeros((*shares.shape[:2], players + 1))
    for row, target in np.ndindex(*shares.shape[:2]):
        sums[row, target] = np.bincount(slots[row], weights=flat[row, target], minlength=players + 1)
    return sums[:, :, 1:]
