"""Where the windows of a convolution or of pooling lie: kernel, steps, gaps and padding of each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows over the axes behind rows and channels; a number for each axis.

    Attributes:
        kernel: Places of a window.
        strides: From one window to the next.
        dilations: From one place of a window to the next.
        before: Padding in front.
        after: Padding behind.
        count: Windows.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    count: tuple[int, ...]

    @property
    def even(self) -> bool:
        """Whether the padding is the same in front and behind."""
        return self.before == self.after


def windows_of(node: GraphNode, sizes: Sequence[int], kernel: Sequence[int]) -> Windows:
    """The windows of a node over axes of these sizes."""
    rank, given = len(sizes), node.attributes
    strides = tuple(given.get("strides", (1,) * rank))
    dilations = tuple(given.get("dilations", (1,) * rank))
    spans = [gap * (places - 1) + 1 for gap, places in zip(dilations, kernel, strict=True)]
    before, after = _padding(node, sizes, spans, strides)
    count = []
    for size, span, stride, front, behind in zip(sizes, spans, strides, before, after, strict=True):
        steps = (size + front + behind - span) / stride
        windows = (math.ceil(steps) if given.get("ceil_mode", 0) else math.floor(steps)) + 1
        if given.get("ceil_mode", 0) and (windows - 1) * stride >= size + front:
            windows -= 1
        count.append(max(windows, 0))
    return Windows(
        kernel=tuple(kernel), strides=strides, dilations=dilations, before=before, after=after, count=tuple(count)
    )


def padded(values: Tensor, windows: Windows, number: float, *, whole: bool = False) -> Tensor:
    """The values with a number around them.

    Args:
        whole: Also behind the padding, as far as the last window goes.
    """
    pads: list[int] = []
    for axis in reversed(range(len(windows.kernel))):
        after = windows.after[axis]
        if whole:
            span = windows.dilations[axis] * (windows.kernel[axis] - 1) + 1
            end = (windows.count[axis] - 1) * windows.strides[axis] + span
            after = max(after, end - values.shape[axis + 2] - windows.before[axis])
        pads += [windows.before[axis], after]
    around = [before + behind for before, behind in zip(pads[::2], pads[1::2], strict=True)][::-1]
    bounded([*values.shape[:2], *(max(size + more, 0) for size, more in zip(values.shape[2:], around, strict=True))])
    return F.pad(values, pads, value=number) if any(pads) else values


def unfolded(values: Tensor, windows: Windows) -> Tensor:
    """What each window holds, of shape `(rows, channels, *windows, places of a window)`; of values that are padded."""
    rank = len(windows.kernel)
    bounded([*values.shape[:2], *windows.count, *windows.kernel])
    for axis in range(rank):
        span = windows.dilations[axis] * (windows.kernel[axis] - 1) + 1
        values = values.unfold(axis + 2, span, windows.strides[axis]).narrow(axis + 2, 0, windows.count[axis])
    for axis in range(rank):
        gap, place = windows.dilations[axis], 2 + rank + axis
        if gap > 1:
            values = values.index_select(place, torch.arange(0, values.shape[place], gap, device=values.device))
    return torch.flatten(values, start_dim=2 + rank)


def _padding(
    node: GraphNode, sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank, kind = len(sizes), node.attributes.get("auto_pad", "NOTSET")
    if kind in ("NOTSET", ""):
        pads = tuple(node.attributes.get("pads", (0,) * (2 * rank)))
        return pads[:rank], pads[rank:]
    if kind == "VALID":
        return (0,) * rank, (0,) * rank
    totals = [
        max((math.ceil(size / stride) - 1) * stride + span - size, 0)
        for size, span, stride in zip(sizes, spans, strides, strict=True)
    ]
    less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (less, more) if kind == "SAME_UPPER" else (more, less)
