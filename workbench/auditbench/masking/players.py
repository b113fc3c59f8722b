"""`Players`: what contributions belong to, and which entries of a row each of them has."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from auditbench.data import FeatureSpec

    Entries: TypeAlias = Sequence[int | str]
    Groups: TypeAlias = Mapping[str, Entries] | Sequence[Entries] | npt.NDArray[np.integer] | torch.Tensor

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
            kept: Shape `(coalitions, players)`; bool, or zeros and ones.

        Returns:
            Of the dtype given, shape `(coalitions, *row shape)`, or `(rows, coalitions, *row shape)` where players
            differ by row.
        """
        import torch

        never_hidden = torch.ones((len(kept), 1), dtype=kept.dtype, device=kept.device)
        entries = torch.cat([kept, never_hidden], dim=1)[:, self.groups.to(kept.device)]
        return entries.transpose(0, 1) if self.per_row else entries


def feature_players(features: tuple[FeatureSpec, ...]) -> Players:
    """The raw features of a table, each with all of its encoded columns."""
    columns = [list(range(feature.start, feature.stop)) for feature in features]
    width = max((feature.stop for feature in features), default=0)
    return players_of(columns, (width,), names=tuple(feature.name for feature in features))


def players_of(
    groups: Groups | None,
    row_shape: tuple[int, ...],
    *,
    rows: int | None = None,
    names: tuple[str, ...] | None = None,
    columns: tuple[str, ...] = (),
) -> Players:
    """Players from the forms that users write.

    Args:
        groups: None makes each entry a player; lists of entries, one a player, or such lists by the name of the player
            (of rows with one axis; what is in no list is never hidden); or the index of the player of each entry, shape
            `row_shape` or `(rows, *row_shape)`. Entries are given by index, or by name where the columns have names.
        rows: Number of rows, checked where the groups differ by row.
        names: When absent those of the groups, or of the columns where each is a player; else `player 0`, ...
        columns: Names of the entries of a row, where they have any.

    Raises:
        ValueError: The groups do not fit the rows, an entry is in two of them, or a player has no entry.
    """
    import numpy as np
    import torch

    if isinstance(groups, Mapping):
        names, groups = names or tuple(map(str, groups)), list(groups.values())
    if groups is None:
        names = names or columns or None
        index = torch.arange(_size(row_shape)).reshape(row_shape)
    elif isinstance(groups, (torch.Tensor, np.ndarray)):
        index = _whole_numbers(groups)
    else:
        index = _from_lists(groups, row_shape, columns)
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
    if per_row:
        _check_lacking(index, count)
    if names is not None and len(names) != count:
        raise ValueError(f"expected {count} names of players, got {len(names)}")
    return Players(names=names or tuple(f"player {i}" for i in range(count)), groups=index, per_row=per_row)


def check_players(players: Players, rows: torch.Tensor) -> None:
    """Raises ValueError where the players are not those of such rows."""
    expected = tuple(rows.shape) if players.per_row else tuple(rows.shape[1:])
    if tuple(players.groups.shape) != expected:
        raise ValueError(f"expected players of rows of shape {tuple(rows.shape)}, got {tuple(players.groups.shape)}")
    lowest, highest = players.groups.aminmax()
    if int(lowest) < NOBODY or int(highest) >= len(players):
        raise ValueError(
            f"expected groups from {NOBODY} to {len(players) - 1}, as there are {len(players)} names, got {int(lowest)} to"
            f" {int(highest)}"
        )


def _check_lacking(index: torch.Tensor, count: int) -> None:
    """Raise ValueError where a row lacks a player and has a later one."""
    import torch

    owners = index.flatten(1)
    present = torch.zeros((len(owners), count + 1), dtype=torch.bool, device=index.device)
    present = present.scatter_(1, owners - NOBODY, value=True)[:, 1:]
    wrong = (present[:, 1:] & ~present[:, :-1]).any(dim=1).nonzero()[:, 0].tolist()
    if wrong:
        raise ValueError(
            f"expected rows with the players 0, 1, ... without a gap, got {present[wrong[0]].nonzero()[:, 0].tolist()[:20]} in"
            f" row {wrong[0]}"
        )


def _whole_numbers(groups: npt.NDArray[np.integer] | torch.Tensor) -> torch.Tensor:
    import numpy as np
    import torch

    index = groups if isinstance(groups, torch.Tensor) else torch.from_numpy(np.array(groups))
    if index.dtype == torch.bool or index.is_floating_point() or index.is_complex():
        raise ValueError(f"expected whole numbers as player indices, got {index.dtype}")
    return index.to(torch.int64)


def _from_lists(groups: Sequence[Entries], row_shape: tuple[int, ...], columns: tuple[str, ...]) -> torch.Tensor:
    import numpy as np
    import torch

    if len(row_shape) != 1:
        raise ValueError(f"expected an array of player indices for rows of shape {row_shape}, got lists")
    index = torch.full(row_shape, NOBODY, dtype=torch.int64)
    for player, entries in enumerate(groups):
        if np.ndim(entries) == 0:
            raise ValueError(
                f"expected a list of entries for each player, or an array of player indices, got {entries!r}"
            )
        if not len(entries):
            raise ValueError(f"expected an entry in each group, got none in group {player}")
        for entry in entries:
            if isinstance(entry, bool | np.bool_):
                raise ValueError(
                    f"expected entries by index or name, got {entry} in group {player}; np.flatnonzero gives indices"
                )
            place = _place(entry, columns, player) if isinstance(entry, str) else entry
            if not 0 <= place < row_shape[0]:
                raise ValueError(f"expected entries from 0 to {row_shape[0] - 1}, got {entry} in group {player}")
            if index[place] != NOBODY:
                raise ValueError(f"expected each entry in one group, got {entry} in {int(index[place])} and {player}")
            index[place] = player
    return index


def _place(name: str, columns: tuple[str, ...], player: int) -> int:
    """Index of a column."""
    if columns.count(name) == 1:
        return columns.index(name)
    if not columns:
        raise ValueError(
            f"expected entries by index, since the rows have no named columns, got {name!r} in group {player}"
        )
    close = difflib.get_close_matches(name, columns, n=1)
    hint = f"; did you mean {close[0]!r}?" if close and close[0] != name else ""
    raise ValueError(f"expected the name of one column, got {name!r} in group {player}{hint}")


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
