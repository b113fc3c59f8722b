"""Texts of several lengths in one matrix: where each ends, and what is taken of the states at its tokens."""

from __future__ import annotations

import torch

from auditbench.data.inputs import PADDING


def never_none(counted: torch.Tensor) -> torch.Tensor:
    """Which steps count, shape `(rows, steps)`; in a row without any, the first one does.

    So every row has something to look at, and an empty text gives finite numbers.
    """
    none = ~counted.any(1, keepdim=True)
    return torch.cat([counted[:, :1] | none, counted[:, 1:]], dim=1)


def lengths_of(ids: torch.Tensor) -> torch.Tensor:
    """Tokens up to the last one that is no padding, shape `(rows,)`, int64; 1 for a text without any token."""
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    return torch.where(ids != PADDING, places, 1).amax(1)


def masked_mean(states: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean over the steps that count; from shapes `(rows, steps, width)` and `(rows, steps)` to `(rows, width)`."""
    weights = counted.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def masked_max(states: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Maximum over the steps that count; shapes as of `masked_mean`."""
    return states.masked_fill(~counted.unsqueeze(2), -torch.inf).amax(1)


def states_at(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The state of one step of each row; from shapes `(rows, steps, width)` and `(rows,)` to `(rows, width)`."""
    chosen = places.view(-1, 1, 1).expand(-1, 1, states.shape[2])
    return states.gather(1, chosen).squeeze(1)
