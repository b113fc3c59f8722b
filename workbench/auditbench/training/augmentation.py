"""Augmentation: images varied at random in training, so that a network learns what does not matter about them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch.nn import functional

from auditbench.config_training import TrainTable
from auditbench.data.inputs import ImageInput, ModelInput
from auditbench.errors import TrainingError

MOST_SHIFT = 0.1
"""Largest shift, as a share of height and width; whole pixels."""
MOST_DEGREES = 15.0
LEAST_CROP = 0.8
"""Smallest part of height and width that is cut out and enlarged."""
NOISE = 0.05
"""Standard deviation, as a share of full brightness."""


class Augmentation:
    """Varies the images of encoded batches by the words of `train.augment`, each image by its own random numbers.

    What comes in from outside an image is black. Random numbers come from a generator of its own, on the CPU, so that
    they are the same on every device.

    Raises:
        TrainingError: No input is an image.
    """

    def __init__(self, table: TrainTable, inputs: Mapping[str, ModelInput], seed: int) -> None:
        if not any(isinstance(item, ImageInput) for item in inputs.values()):
            raise TrainingError(
                "only images are varied",
                where="train.augment",
                found=", ".join(f"{name}: {item.modality}" for name, item in inputs.items()),
                allowed="an input of the modality `image`",
                fix="remove train.augment",
            )
        self.generator = torch.Generator().manual_seed(seed)
        self._words = frozenset(table.augment)
        self._inputs = inputs

    def __call__(self, encoded: torch.Tensor) -> torch.Tensor:
        """Encoded rows with other images, in a new tensor of the same shape."""
        if len(self._inputs) == 1:
            (item,) = self._inputs.values()
            return self._vary(encoded, item) if isinstance(item, ImageInput) else encoded
        parts = torch.split(encoded, [math.prod(item.shape) for item in self._inputs.values()], dim=1)
        varied = [
            self._vary(part.reshape(len(part), *item.shape), item).flatten(1) if isinstance(item, ImageInput) else part
            for part, item in zip(parts, self._inputs.values(), strict=True)
        ]
        return torch.cat(varied, dim=1)

    def _vary(self, images: torch.Tensor, item: ImageInput) -> torch.Tensor:
        mean, scale = (images.new_tensor(each).view(-1, 1, 1) for each in (item.mean, item.scale))
        black = -mean / scale
        varied = images
        if self._words - {"noise"}:
            grid = functional.affine_grid(self._placements(images), list(images.shape), align_corners=False)
            moved = functional.grid_sample(images - black, grid, align_corners=False)
            varied = moved + black
        if "noise" in self._words:
            noise = torch.randn(images.shape, generator=self.generator, dtype=images.dtype).to(images.device)
            varied = varied + noise * (NOISE / scale)
        return varied

    def _placements(self, images: torch.Tensor) -> torch.Tensor:
        """Where each image is looked at: from places in the new image to places in the old, shape `(images, 2, 3)`.

        Places go from -1 to 1 along width and height, so that a turn takes the ratio of the two into account.
        """
        count, _, height, width = images.shape
        drawn = torch.rand((7, count), generator=self.generator, dtype=images.dtype)
        flip, angle, size, across, down, side, top = drawn
        one = torch.ones_like(flip)
        mirrored = torch.where(flip < 0.5, -one, one) if "flip" in self._words else one
        turn = (2 * angle - 1) * math.radians(MOST_DEGREES) if "rotate" in self._words else 0 * one
        zoom = LEAST_CROP + (1 - LEAST_CROP) * size if "crop" in self._words else one
        x, y = (2 * side - 1) * (1 - zoom), (2 * top - 1) * (1 - zoom)
        if "shift" in self._words:
            x = x + _whole_pixels(across, width)
            y = y + _whole_pixels(down, height)
        ratio = height / width
        first = torch.stack([zoom * turn.cos() * mirrored, -zoom * turn.sin() * ratio, x], dim=1)
        second = torch.stack([zoom * turn.sin() * mirrored / ratio, zoom * turn.cos(), y], dim=1)
        return torch.stack([first, second], dim=1).to(images.device)


def _whole_pixels(uniform: torch.Tensor, length: int) -> torch.Tensor:
    """Shifts of whole pixels up to the largest in both directions, in units where the image is 2 long."""
    most = int(MOST_SHIFT * length)
    return ((uniform * (2 * most + 1)).floor().clamp(max=2 * most) - most) * (2 / length)
