"""Occlusion by windows that slide over an image or a series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data.inputs import ImageInput, SeriesInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.masking import Prediction

    Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_NUMBERS = 2**23
"""Entries of hidden rows that are made at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows of one size, from the first entry of a row on; the last ones may be cut off by its end.

    Attributes:
        size: Of a window along each axis of a row.
        stride: From one window to the next along each axis; at most `size`, so that each entry is in a window.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]

    def along(self, row_shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
        """For each axis of a row, which of its places each window hides, shape `(windows along it, length)`."""
        found = []
        for length, size, stride in zip(row_shape, self.size, self.stride, strict=True):
            starts = (torch.arange(1 + math.ceil((length - size) / stride)) * stride).unsqueeze(1)
            place = torch.arange(length)
            found.append((place >= starts) & (place < starts + size))
        return tuple(found)


def windows_of(item: ImageInput | SeriesInput, window: int, stride: int | None, *, by_channel: bool) -> Windows:
    """Square windows of images, runs of steps of series; all channels together, or of series each by itself.

    Args:
        window: Pixels of a side, or steps; what is larger than the row covers it.
        stride: Pixels or steps from one window to the next; half of the window when None.
    """
    step = stride or max(1, window // 2)
    channels, *places = item.shape
    sides = [min(window, length) for length in places]
    alone = isinstance(item, SeriesInput) and by_channel
    return Windows(
        size=(1 if alone else channels, *sides),
        stride=(1 if alone else channels, *(min(step, side) for side in sides)),
    )


def window_occlusion(
    prediction: Prediction,
    rows: torch.Tensor,
    replacements: torch.Tensor,
    targets: torch.Tensor,
    windows: Windows,
) -> Numbers:
    """What an output loses where an entry is hidden: the mean over the windows that hide it, shape `(rows, targets, *row shape)`.

    Args:
        rows: Encoded, shape `(rows, *row shape)`.
        replacements: What stands in for hidden entries, shape `(1 or rows, replacements, *row shape)`; losses are means
            over replacements.
        targets: Output of each row to explain, shape `(rows, targets)`.

    References: arXiv:1311.2901, section 4.2; averaged over windows as `captum.attr.Occlusion` does.
    """
    row_shape = tuple(rows.shape[1:])
    along = tuple(each.to(rows.device) for each in windows.along(row_shape))
    covered = _crossed(tuple(each.sum(dim=0, keepdim=True).double() for each in along))
    every = torch.cartesian_prod(*(torch.arange(len(each), device=rows.device) for each in along))
    found = []
    for at, row in enumerate(rows):
        chosen, others = targets[at], replacements[at if len(replacements) > 1 else 0]
        whole = prediction.of_all(row.unsqueeze(0))[0, chosen].double()
        sums = torch.zeros((len(chosen), row.numel()), dtype=torch.float64, device=rows.device)
        for part in torch.split(every, max(1, MOST_NUMBERS // others.numel())):
            hidden = _crossed(tuple(each[part[:, axis]] for axis, each in enumerate(along)))
            made = torch.where(hidden.unsqueeze(1), others, row).flatten(0, 1)
            outputs = prediction.of_all(made)[:, chosen].double().view(len(part), len(others), -1).mean(dim=1)
            sums += (whole - outputs).t() @ hidden.flatten(1).double()
        found.append(sums.view(-1, *row_shape) / covered)
    return np.asarray(torch.stack(found).cpu().numpy())


def _crossed(along: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Products over the axes of rows, shape `(windows, *row shape)`, from one factor an axis, shape `(windows, length)`."""
    found = along[0]
    for axis in along[1:]:
        found = found.unsqueeze(-1) * axis.view(len(axis), *[1] * (found.ndim - 1), -1)
    return found
