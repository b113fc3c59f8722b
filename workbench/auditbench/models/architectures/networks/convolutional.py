"""Blocks of convolutions over images and series, and a network of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from auditbench.data.inputs import ImageInput, SeriesInput
from auditbench.errors import ModelError
from auditbench.models.architectures.networks.checkpointing import CheckpointedNetwork, LayerStack


class ConvolutionalNetwork(CheckpointedNetwork):
    """Blocks of convolutions, all of their last numbers or the mean of each channel, and linear layers."""

    def __init__(self, blocks: LayerStack, head: nn.Module, *, average: bool) -> None:
        super().__init__()
        self.blocks = blocks
        self.pooling = ChannelMeans() if average else nn.Flatten()
        self.head = head

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """Outputs, shape `(rows, outputs)`, of images `(rows, channels, height, width)` or series `(rows, channels, steps)`."""
        outputs: torch.Tensor = self.head(self.pooling(self.blocks(encoded)))
        return outputs


class ChannelMeans(nn.Module):
    """The mean of each channel over pixels or steps."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """From shape `(rows, channels, ...)` to `(rows, channels)`."""
        return states.flatten(2).mean(2)


def image_blocks(item: ImageInput, channels: Sequence[int], *, batch_norm: bool) -> LayerStack:
    """Blocks that each halve height and width: a 3 x 3 convolution, ReLU, and the largest of each 2 x 2 pixels.

    Raises:
        ModelError: The images are too small to be halved so often.
    """
    if not all(pooled_size(item, channels)):
        most = min(item.height, item.width).bit_length() - 1
        raise ModelError(
            "the images are too small for so many blocks, each of which halves them",
            where="architecture",
            found=f"{len(channels)} blocks for images of {item.height} x {item.width} pixels",
            allowed=f"at most {most} block{'' if most == 1 else 's'}",
            fix="name fewer channels, or set a larger `size` of the input",
        )
    return LayerStack(
        nn.Sequential(
            OrderedDict(
                convolution=nn.Conv2d(taken, given, 3, padding=1, bias=not batch_norm),
                **({"norm": nn.BatchNorm2d(given)} if batch_norm else {}),
                activation=nn.ReLU(),
                pooling=nn.MaxPool2d(2),
            )
        )
        for taken, given in pairwise((item.channels, *channels))
    )


def pooled_size(item: ImageInput, channels: Sequence[int]) -> tuple[int, int]:
    """Height and width behind the blocks."""
    return item.height >> len(channels), item.width >> len(channels)


def series_blocks(item: SeriesInput, channels: Sequence[int], *, kernel: int, batch_norm: bool) -> LayerStack:
    """Blocks that keep the number of steps: a convolution along time, and ReLU."""
    return LayerStack(
        nn.Sequential(
            OrderedDict(
                convolution=nn.Conv1d(taken, given, kernel, padding=kernel // 2, bias=not batch_norm),
                **({"norm": nn.BatchNorm1d(given)} if batch_norm else {}),
                activation=nn.ReLU(),
            )
        )
        for taken, given in pairwise((len(item.channels), *channels))
    )
