"""`Players`: what contributions belong to, and which entries of a row each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from auditbench.data import FeatureSpec

    Groups: TypeAlias = Sequence[Sequence[int]] | npt.NDArray[np.integer] | torch.Tensor

NOBODY = -1
"""In `Players.groups`: the entry belongs to no player and is never hidden, such as padding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Players:
    """The players of some rows.

    Attributes:
        names: One name a player.
        groups: Index of the player that each entry of a row belongs to, or `NOBODY`; int64, shape `(*row shape)` where
            all rows are alike, otherwise `(rows, *row shape)`.
        per_row: Whether `groups` has the rows first, as superpixels and words have. A row may lack the last players;
            these contribute 0 to it.
    """

    names: tuple[str, ...]
    groups: torch.Tensor
    per_row: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def of_rows(self, part: slice | torch.Tensor) -> Players:
        """The players of some of the rows, by slice or index."""
        if not self.per_row:
            return self
        chosen = part if isinstance(part, slice) else part.to(self.groups.device)
        return Players(names=self.names, groups=self.groups[chosen], per_row=True)

    def to(self, device: torch.device) -> Players:
        """The same players on a device."""
        return Players(names=self.names, groups=self.groups.to(device), per_row=self.per_row)

    def kept_entries(self, kept: torch.Tensor) -> torch.Tensor:
        """Which entries of a row stay, from which players stay.

        Args:
            kept: bool, shape `(coalitions, players)`.

        Returns:
            bool, shape `(coalitions, *row shape)`, or `(rows, coalitions, *row shape)` where players differ by row.
        """
        import torch

        never_hidden = torch.ones((len(kept), 1), dtype=torch.bool, device=kept.device)
        entries = torch.cat([kept, never_hidden], dim=1)[:, self.groups.to(kept.device)]
        return entries.transpose(0, 1) if self.per_row else entries


def feature_players(features: tuple[FeatureSpec, ...]) -> Players:
    """The raw features of a table, each with all of its encoded columns."""
    columns = [list(range(feature.start, feature.stop)) for feature in features]
    width = max((feature.stop for feature in features), default=0)
    return players_of(columns, (width,), names=tuple(feature.name for feature in features))


def players_of(
    groups: Groups | None, row_shape: tuple[int, ...], *, rows: int | None = None, names: tuple[str, ...] | None = None
) -> Players:
    """Players from the forms that users write.

    Args:
        groups: None makes each entry a player; lists of entries, one a player (of rows with one axis; what is in no
            list is never hidden); or the index of the player of each entry, shape `row_shape` or `(rows, *row_shape)`.
        rows: Number of rows, checked where the groups differ by row.
        names: `player 0`, ... when absent.

    Raises:
        ValueError: The groups do not fit the rows, an entry is in two of them, or a player has no entry.
    """
    import numpy as np
    import torch

    if groups is None:
        index = torch.arange(_size(row_shape)).reshape(row_shape)
    elif isinstance(groups, (torch.Tensor, np.ndarray)):
        index = _whole_numbers(groups)
    else:
        index = _from_lists(groups, row_shape)
    per_row = index.ndim == len(row_shape) + 1
    if tuple(index.shape[per_row:]) != row_shape or (per_row and rows is not None and len(index) != rows):
        raise ValueError(f"expected groups of shape {row_shape} or (rows, *{row_shape}), got {tuple(index.shape)}")
    if not index.numel():
        what = "groups" if per_row else "rows"
        raise ValueError(f"expected rows with entries, got {what} of shape {tuple(index.shape)}")
    found = torch.unique(index)
    count = int(found[-1]) + 1
    if int(found[0]) < NOBODY or len(found) - int(found[0] == NOBODY) != count or not count:
        raise ValueError(
            f"expected the players 0, 1, ... without a gap, or {NOBODY} for nobody; got {found.tolist()[:20]}"
        )
    if names is not None and len(names) != count:
        raise ValueError(f"expected {count} names of players, got {len(names)}")
    return Players(names=names or tuple(f"player {i}" for i in range(count)), groups=index, per_row=per_row)


def check_players(players: Players, rows: torch.Tensor) -> None:
    """Raises ValueError where the players are not those of such rows."""
    expected = tuple(rows.shape) if players.per_row else tuple(rows.shape[1:])
    if tuple(players.groups.shape) != expected:
        raise ValueError(f"expected players of rows of shape {tuple(rows.shape)}, got {tuple(players.groups.shape)}")


def _whole_numbers(groups: npt.NDArray[np.integer] | torch.Tensor) -> torch.Tensor:
    import numpy as np
    import torch

    index = groups if isinstance(groups, torch.Tensor) else torch.from_numpy(np.array(groups))
    if index.dtype == torch.bool or index.is_floating_point() or index.is_complex():
        raise ValueError(f"expected whole numbers as player indices, got {index.dtype}")
    return index.to(torch.int64)


def _from_lists(groups: Sequence[Sequence[int]], row_shape: tuple[int, ...]) -> torch.Tensor:
    import torch

    if len(row_shape) != 1:
        raise ValueError(f"expected an array of player indices for rows of shape {row_shape}, got lists")
    index = torch.full(row_shape, NOBODY, dtype=torch.int64)
    for player, entries in enumerate(groups):
        if isinstance(entries, int):
            raise ValueError(
                f"expected a list of entries for each player, or an array of player indices, got {entries}"
            )
        if not len(entries):
            raise ValueError(f"expected an entry in each group, got none in group {player}")
        for entry in entries:
            if not 0 <= entry < row_shape[0]:
                raise ValueError(f"expected entries from 0 to {row_shape[0] - 1}, got {entry} in group {player}")
            if index[entry] != NOBODY:
                raise ValueError(f"expected each entry in one group, got {entry} in {int(index[entry])} and {player}")
            index[entry] = player
    return index


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
