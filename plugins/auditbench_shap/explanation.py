"""`to_shap`: contributions as the `shap.Explanation` that the shap library's plots take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.masking import column_names

if TYPE_CHECKING:
    import numpy.typing as npt
    import shap


def to_shap(
    values: npt.NDArray[np.float64],
    base_value: npt.NDArray[np.float64],
    rows: Any = None,
    names: Sequence[str] | None = None,
) -> shap.Explanation:
    """One explanation of all rows.

    Args:
        values: Shape `(rows, targets, *players)`.
        base_value: Shape `(rows, targets)`.
        rows: What was explained, array, table or tensor of shape `(rows, ...)`; plots show it where players are its
            entries, and then a table names them.
        names: One name a player, where players have one axis.

    Returns:
        With values of shape `(rows, *players)` for one target, else `(rows, *players, targets)`: `explanation[..., 0]`
        is what most plots take.

    Raises:
        ValueError: The shapes do not fit each other.
    """
    import shap

    players = values.shape[2:]
    if values.ndim < 3 or base_value.shape != values.shape[:2]:
        raise ValueError(
            "expected values of shape (rows, targets, *players) and base values of shape (rows, targets), "
            f"got {values.shape} and {base_value.shape}"
        )
    data = None if rows is None else rows.detach().cpu().numpy() if hasattr(rows, "detach") else np.asarray(rows)
    if data is not None and data.shape[:1] != values.shape[:1]:
        raise ValueError(f"expected {len(values)} rows, as values there are, got rows of shape {data.shape}")
    if names is not None and (len(names),) != players:
        raise ValueError(f"expected one name for each of {players} players, got {len(names)}")
    shown = data is not None and data.shape[1:] == players
    if shown and column_names(rows):
        names = column_names(rows)
    one = values.shape[1] == 1
    return shap.Explanation(
        values=values[:, 0] if one else np.moveaxis(values, 1, -1),
        base_values=base_value[:, 0] if one else base_value,
        data=data if shown else None,
        feature_names=None if names is None else list(names),
    )
