"""`Setting`: the rows to explain, their players and what hides them, from the forms that users write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from auditbench.masking.frames import check_same_columns, column_names
from auditbench.masking.maskers import BackgroundRows
from auditbench.masking.players import Players, check_players, players_of

if TYPE_CHECKING:
    from auditbench.masking.maskers import Masker
    from auditbench.masking.players import Groups
    from auditbench.masking.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What a masking explainer works on.

    Attributes:
        rows: As `Prediction.as_rows` gives them, in a dtype that the background has as well.
    """

    rows: torch.Tensor
    players: Players
    masker: Masker


def setting_of(prediction: Prediction, rows: Any, background: Any, groups: Groups | Players | None) -> Setting:
    """Rows, players and masker that fit each other.

    Args:
        rows: Rows to explain, array, table or tensor of shape `(rows, ...)`, without NaN.
        background: Rows that stand in for what is hidden, shape `(background rows, ...)`, or a masker.
        groups: Players, as `players_of` takes them; each entry of a row when absent, with the names of its columns
            where the rows are a table.

    Raises:
        ValueError: Rows, background and groups do not fit each other.
    """
    tensor = prediction.as_rows(rows)
    if isinstance(groups, Players):
        players = groups
        check_players(players, tensor)
    else:
        players = players_of(groups, tuple(tensor.shape[1:]), rows=len(tensor), columns=column_names(rows))
    if callable(getattr(background, "replacements", None)):
        return Setting(rows=tensor, players=players, masker=background)
    check_same_columns(rows, background, "background")
    masker = _background(prediction, background, tensor)
    return Setting(rows=tensor.to(masker.background.dtype), players=players, masker=masker)


def _background(prediction: Prediction, background: Any, rows: torch.Tensor) -> BackgroundRows:
    found = prediction.as_rows(background, "background")
    if found.shape[1:] != rows.shape[1:]:
        raise ValueError(
            f"expected `background` of shape (background rows, {', '.join(map(str, rows.shape[1:]))}) like the rows, got shape"
            f" {tuple(found.shape)}"
        )
    fixed = prediction.module is not None and rows.is_floating_point()
    return BackgroundRows(background=found.to(rows.dtype if fixed else torch.promote_types(found.dtype, rows.dtype)))
