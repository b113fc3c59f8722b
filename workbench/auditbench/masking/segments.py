"""Segments of time: players of series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.masking.players import Players

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch


def time_segments(
    series: torch.Tensor | npt.NDArray[np.generic],
    *,
    segments: int | None = None,
    length: int | None = None,
    by_channel: bool = False,
) -> Players:
    """Segments of neighbouring time steps, the same for all series; `steps 8 to 11` are the steps 8, 9, 10 and 11.

    Args:
        series: Shape `(rows, channels, time)`, or `(rows, time)`.
        segments: How many, of lengths that differ by one step at most; or
        length: How many steps each has; the last one has what remains.
        by_channel: Whether each channel has segments of its own, rather than all channels of a step being together.

    Raises:
        ValueError: The series are not of this shape, not one of `segments` and `length` is given, or they do not fit.
    """
    import torch

    shape = tuple(series.shape)
    if len(shape) not in (2, 3) or not all(shape[1:]):
        raise ValueError(f"expected series of shape (rows, channels, time) or (rows, time), got {shape}")
    if by_channel and len(shape) == 2:
        raise ValueError(f"expected series of shape (rows, channels, time) for by_channel, got {shape}")
    steps = torch.arange(shape[-1], device=series.device)
    of_step = _segment_of_step(steps, segments, length)
    stops = torch.bincount(of_step).cumsum(dim=0).tolist()
    spans = [f"steps {start} to {stop - 1}" for start, stop in zip([0, *stops], stops, strict=False)]
    if not by_channel:
        return Players(names=tuple(spans), groups=of_step.expand(shape[1:]))
    channels = range(shape[1])
    first = torch.arange(len(channels), device=series.device).unsqueeze(1) * len(spans)
    names = tuple(f"channel {channel}, {span}" for channel in channels for span in spans)
    return Players(names=names, groups=first + of_step)


def _segment_of_step(steps: torch.Tensor, segments: int | None, length: int | None) -> torch.Tensor:
    if segments is not None and length is None:
        if not 1 <= segments <= len(steps):
            raise ValueError(f"expected 1 to {len(steps)} segments of {len(steps)} steps, got {segments}")
        return steps * segments // len(steps)
    if length is not None and segments is None:
        if not 1 <= length <= len(steps):
            raise ValueError(f"expected segments of 1 to {len(steps)} steps, got {length}")
        return steps // length
    raise ValueError(f"expected either segments or length, got segments={segments} and length={length}")
