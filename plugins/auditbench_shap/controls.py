"""Control variates of the regression: what each replacement has more than the mean replacement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Controls:
    """Any number of controls a player, none where its entries are the same in all replacements.

    Attributes:
        values: Shape `(replacements, controls)`, float64, each control with mean 0 and mean square 1.
        players: The player of each control, int64, shape `(controls,)`.
    """

    values: torch.Tensor
    players: torch.Tensor


def controls_of(columns: torch.Tensor, owners: torch.Tensor, *, most: int) -> Controls:
    """The columns that vary where they are not too many; else one number a player, the first principal component of its
    columns.

    Each column has unit root mean square first, so that no unit of measurement matters.

    Args:
        columns: What each replacement has, shape `(replacements, columns)`.
        owners: The player of each column, shape `(columns,)`.
        most: Columns from which there is one control a player instead, which may be more than that.
    """
    varies = columns.amax(dim=0) > columns.amin(dim=0)
    varying = np.flatnonzero(varies.cpu().numpy())
    owner = owners.cpu().numpy()[varying]
    values = _scaled(columns[:, torch.from_numpy(varying).to(columns.device)].double())
    if len(owner) > most:
        places = [np.flatnonzero(owner == player) for player in np.unique(owner)]
        own = [values[:, torch.from_numpy(place).to(values.device)] for place in places]
        values = torch.cat([one if one.shape[1] == 1 else _first_component(one) for one in own], dim=1)
        owner = np.unique(owner)
    return Controls(values=values, players=torch.from_numpy(owner).to(columns.device))


def _scaled(columns: torch.Tensor) -> torch.Tensor:
    apart = columns - columns.mean(dim=0)
    apart = apart / apart.abs().amax(dim=0)  # squares of far larger numbers might overflow
    return apart / apart.square().mean(dim=0).sqrt()


def _first_component(columns: torch.Tensor) -> torch.Tensor:
    """Shape `(replacements, 1)`, with mean square 1."""
    left: torch.Tensor = torch.linalg.svd(columns, full_matrices=False)[0]
    return left[:, :1] * math.sqrt(len(columns))
