"""Networks that draw masks or boxes, as classifiers of the whole image: what an audit asks them is one number a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn


class SegmentationShare(nn.Module):
    """The share of an image that each class is expected to cover: the mean over its pixels of the class probability.

    With two classes or more the shares of an image add up to 1; a network of one channel gives that of its class.
    Declare the outputs as `probability`.

    Args:
        network: Maps images of shape `(rows, channels, height, width)` to logits `(rows, classes, height, width)`, or to
            a mapping that has them as `out`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shares, shape `(rows, classes)`.

        Raises:
            ValueError: The network gives something else than logits of pixels.
        """
        given: Any = self.network(images)
        logits = given["out"] if isinstance(given, Mapping) else given
        if not isinstance(logits, torch.Tensor) or logits.ndim != 4:
            shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise ValueError(f"expected logits of shape (rows, classes, height, width), got {shape}")
        probabilities = logits.softmax(dim=1) if logits.shape[1] > 1 else logits.sigmoid()
        return probabilities.mean(dim=(2, 3))


class BestDetection(nn.Module):
    """How sure a detector is that an image shows an object of a class: the highest score of its boxes, 0 without one.

    With a box, how sure it is that the object is there: each score counts times the overlap of its box with that one.
    Declare the output as `probability`.

    Args:
        network: Maps images of shape `(rows, channels, height, width)` to one mapping an image, with `boxes` of shape
            `(objects, 4)` as x0, y0, x1, y1 in pixels, `labels` and `scores` of shape `(objects,)`.
        label: Of the class.
        box: x0, y0, x1, y1 in pixels.

    Source: arXiv:2006.03204 (D-RISE), section 3.2, the overlap and the score of its similarity.
    """

    def __init__(self, network: nn.Module, label: int, *, box: Sequence[float] | None = None) -> None:
        super().__init__()
        self.network, self.label = network, label
        self.box = None if box is None else tuple(map(float, box))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Highest scores, shape `(rows, 1)`."""
        return torch.stack([self._best(found, images) for found in self.network(images)]).unsqueeze(1)

    def _best(self, found: Mapping[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        own = found["labels"] == self.label
        scores = found["scores"][own]
        if self.box is not None:
            scores = scores * overlap(found["boxes"][own], self.box)
        return scores.max() if len(scores) else images.new_zeros(())


def overlap(boxes: torch.Tensor, box: Sequence[float]) -> torch.Tensor:
    """Intersection over union of boxes, shape `(objects, 4)`, with one box; 0 where both are empty."""
    one = boxes.new_tensor(tuple(box))
    sides = (torch.minimum(boxes[:, 2:], one[2:]) - torch.maximum(boxes[:, :2], one[:2])).clamp(min=0)
    shared = sides.prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1) + (one[2:] - one[:2]).clamp(min=0).prod() - shared
    return torch.where(areas > 0, shared / areas.clamp(min=torch.finfo(areas.dtype).tiny), 0.0)
