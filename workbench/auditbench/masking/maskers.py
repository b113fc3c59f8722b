"""Maskers: what stands in for hidden players, as a tensor of replacements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from auditbench.masking.players import NOBODY

if TYPE_CHECKING:
    import torch

    from auditbench.masking.players import Players


class Masker(Protocol):
    """Gives what stands in for the entries of hidden players."""

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """What stands in for each entry of some rows, of their dtype and on their device.

        Shape `(1, replacements, *row shape)` where all rows share them, otherwise `(rows, replacements, *row shape)`. A
        game's value is the mean over the replacements. What stands in for a player must not depend on the others:
        explainers may leave out players that hiding would not change.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BackgroundRows:
    """Rows of a background, each of them a replacement: the interventional game.

    Attributes:
        background: Shape `(replacements, *row shape)`.

    References: arXiv:1910.13413, section 2 (interventional conditional expectations).
    """

    background: torch.Tensor

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """The same rows for all."""
        return _like(self.background, rows).unsqueeze(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """One fixed row in place of what is hidden, such as zeros or a mean.

    Attributes:
        baseline: Shape `(*row shape)`.
    """

    baseline: torch.Tensor

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """The same row for all."""
        return _like(self.baseline, rows)[None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """Each row itself, blurred by a Gaussian: fine structure is hidden, the mean brightness of a place is not.

    It assumes rows of numbers whose neighbours along an axis are neighbours in space or time. Beyond an edge the value
    at the edge goes on. The Gaussian is cut at four standard deviations.

    Attributes:
        sigma: Standard deviation of the Gaussian, in pixels or time steps.
        channel_axis: Axis of the rows that is not blurred: 1, -1 for channels last, or None where there are no
            channels.

    References: arXiv:1704.03296, section 4.1 (blur as a meaningful perturbation).
    """

    sigma: float
    channel_axis: int | None = 1

    def __post_init__(self) -> None:
        """Check `sigma`."""
        if not 0 < self.sigma < float("inf"):
            raise ValueError(f"expected a positive and finite sigma, got {self.sigma}")

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """One replacement a row."""
        import torch

        axes = _axes_of_space(rows, self.channel_axis, "a blur")
        blurred = rows.to(torch.promote_types(rows.dtype, torch.float32))
        for axis in axes:
            blurred = _blurred(blurred, self.sigma, axis)
        return blurred.to(rows.dtype).unsqueeze(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskToken:
    """One token in place of each hidden one, such as `[MASK]`, or padding for models that know no mask token.

    It assumes rows of token ids. The text keeps its length, so that the place of a hidden word stays visible.

    Attributes:
        token_id: Its id in the model's vocabulary.

    References: arXiv:1810.04805, section 3.1 (the mask token of BERT).
    """

    token_id: int

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """The same text for all rows."""
        import torch

        if rows.is_floating_point():
            raise ValueError(f"expected rows of whole token ids for a mask token, got {rows.dtype}")
        if not 0 <= self.token_id <= torch.iinfo(rows.dtype).max:
            raise ValueError(f"expected a mask token that {rows.dtype} holds, from 0 on, got {self.token_id}")
        return torch.full_like(rows[:1], self.token_id).unsqueeze(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMean:
    """The mean of a row's own entries of each player, channel by channel, in place of each of them.

    It assumes players whose entries are of one unit, such as superpixels and segments of time. A player that is
    constant in a row is not hidden by it and contributes 0.

    Attributes:
        channel_axis: Axis of the rows whose entries have means of their own: 1, -1 for channels last, or None where
            there are no channels.

    References: arXiv:1602.04938 (LIME) hides superpixels; its implementation does so by their mean colour.
    """

    channel_axis: int | None = 1

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        """One replacement a row; what belongs to nobody is as in the row."""
        import torch

        axes = _axes_of_space(rows, self.channel_axis, "a mean of segments")
        groups = players.groups.to(rows.device).expand(rows.shape)
        order = [axis for axis in range(rows.ndim) if axis not in axes] + axes
        owners, values = (each.permute(order).flatten(-len(axes)) for each in (groups, rows))
        # Sums in double precision are the same in whatever order a GPU adds; Apple's GPUs have none.
        wide = torch.float32 if rows.device.type == "mps" else torch.float64
        slots = (owners + 1).contiguous()
        sums = torch.zeros((*slots.shape[:-1], len(players) + 1), dtype=wide, device=rows.device)
        counts = sums.scatter_add(-1, slots, torch.ones((), dtype=wide, device=rows.device).expand(slots.shape))
        sums.scatter_add_(-1, slots, values.to(wide))
        means = (sums / counts.clamp(min=1)).gather(-1, slots).to(rows.dtype)
        ordered = [rows.shape[axis] for axis in order]
        back = [order.index(axis) for axis in range(rows.ndim)]
        replaced = means.view(ordered).permute(back)
        return torch.where(groups == NOBODY, rows, replaced).unsqueeze(1)


def _axes_of_space(rows: torch.Tensor, channel_axis: int | None, what: str) -> list[int]:
    """Axes of the rows without the first one and that of the channels."""
    if not rows.is_floating_point():
        raise ValueError(f"expected rows of floating numbers for {what}, got {rows.dtype}")
    channels = rows.ndim - 1 if channel_axis == -1 else channel_axis
    axes = [axis for axis in range(1, rows.ndim) if axis != channels]
    if channel_axis is not None and (channel_axis not in (1, -1) or not axes):
        raise ValueError(
            f"expected 1, -1 or None as the channel_axis of {what}, None for rows without channels; "
            f"got {channel_axis} for rows of shape {tuple(rows.shape)}"
        )
    return axes


def _blurred(values: torch.Tensor, sigma: float, axis: int) -> torch.Tensor:
    """The values blurred along one axis: the kernel is symmetric, so that each weight serves a pair of neighbours."""
    import torch

    radius = int(4 * sigma + 0.5)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    size = values.shape[axis]
    places = torch.arange(-radius, size + radius, device=values.device).clamp(0, size - 1)
    padded = values.index_select(axis, places)
    blurred = values * (weights[0] / total)
    for step, weight in enumerate(weights[1:], start=1):
        pair = padded.narrow(axis, radius - step, size) + padded.narrow(axis, radius + step, size)
        blurred.add_(pair, alpha=weight / total)
    return blurred


def _like(given: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """In the dtype and on the device of the rows; raises ValueError where numbers would be cut to whole ones."""
    if given.is_floating_point() and not rows.is_floating_point():
        raise ValueError(f"expected replacements of whole numbers for rows of {rows.dtype}, got {given.dtype}")
    return given.to(device=rows.device, dtype=rows.dtype)
