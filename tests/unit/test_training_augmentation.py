"""Augmentation: what each word does to an image, and that nothing else happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.data.inputs import ImageInput, SeriesInput
from auditbench.errors import TrainingError
from auditbench.training.augmentation import LEAST_CROP, MOST_DEGREES, NOISE, Augmentation
from auditbench.training.examples import Batch, Examples
from auditbench.training.loop import fit
from auditbench.training.losses import LossValue
from tests.small_training import LOSS, quiet

ITEM = ImageInput(channels=2, height=20, width=30, mean=(0.25, 0.5), scale=(0.5, 0.2))
INPUTS = {"image": ITEM}
BLACK = torch.tensor([-0.5, -2.5]).view(1, 2, 1, 1)
COUNT = 200


def varied(words: list[str], images: torch.Tensor, seed: int = 0, inputs: Any = None) -> torch.Tensor:
    table = TrainTable.model_validate({"augment": words})
    return Augmentation(table, INPUTS if inputs is None else inputs, seed)(images)


def noisy_images(count: int = COUNT) -> torch.Tensor:
    return torch.rand((count, *ITEM.shape), generator=torch.Generator().manual_seed(3))


def test_half_of_the_images_are_mirrored_and_the_others_stay() -> None:
    images = noisy_images()
    found = varied(["flip"], images)
    mirrored = [torch.allclose(new, old.flip(-1), atol=1e-4) for new, old in zip(found, images, strict=True)]
    same = [torch.allclose(new, old, atol=1e-4) for new, old in zip(found, images, strict=True)]
    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


def test_shifts_are_whole_pixels_and_bring_in_black() -> None:
    images = noisy_images()
    found = varied(["shift"], images)
    seen = set()
    for new, old in zip(found, images, strict=True):
        fitting = []
        for down in range(-2, 3):
            for right in range(-3, 4):
                moved = BLACK[0].expand(ITEM.shape).clone()
                rows, columns = range(max(0, down), min(20, 20 + down)), range(max(0, right), min(30, 30 + right))
                moved[:, rows.start : rows.stop, columns.start : columns.stop] = old[
                    :, rows.start - down : rows.stop - down, columns.start - right : columns.stop - right
                ]
                if torch.allclose(new, moved, atol=1e-3):
                    fitting.append((down, right))
        assert len(fitting) == 1
        seen.add(fitting[0])
    assert {down for down, _ in seen} == set(range(-2, 3))
    assert {right for _, right in seen} == set(range(-3, 4))


def ramps(count: int = COUNT) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images whose channels say how far right and how far down a pixel is, in pixels from the middle."""
    down = (torch.arange(20.0) - 9.5)[:, None].expand(20, 30)
    right = (torch.arange(30.0) - 14.5)[None, :].expand(20, 30)
    return torch.stack([right, down]).expand(count, 2, 20, 30).clone(), right, down


def test_a_turn_keeps_distances_and_stays_below_its_limit() -> None:
    images, right, down = ramps()
    found = varied(["rotate"], images)
    inside = (right.abs() < 9) & (down.abs() < 5)
    turns = []
    for new in found:
        across, along = new[0][inside], new[1][inside]
        torch.testing.assert_close(across**2 + along**2, (right**2 + down**2)[inside], atol=0.05, rtol=1e-3)
        angle = torch.atan2(
            along * right[inside] - across * down[inside], across * right[inside] + along * down[inside]
        )
        torch.testing.assert_close(angle, angle[:1].expand_as(angle), atol=1e-2, rtol=0)
        turns.append(float(angle.mean().rad2deg()))
    assert max(map(abs, turns)) <= MOST_DEGREES + 0.1
    assert max(turns) > 12
    assert min(turns) < -12


def test_a_crop_is_a_part_of_the_image_enlarged() -> None:
    images, _, _ = ramps()
    found = varied(["crop"], images)
    for channel, axis, size in ((0, 2, 30), (1, 1, 20)):
        values = found[:, channel].mean(dim=2 if axis == 1 else 1)  # along the other axis nothing changes
        steps = values[:, 2:-2].diff(dim=1)
        torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-3, rtol=0)
        zoom = steps[:, 0]
        assert (zoom >= LEAST_CROP - 1e-3).all()
        assert (zoom <= 1.001).all()
        assert zoom.min() < LEAST_CROP + 0.02
        edge = values[:, size // 2 - 1 : size // 2 + 1].mean(dim=1).abs() + zoom * size / 2
        assert (edge <= size / 2 + 1e-2).all(), "a part reaches beyond the image"


def test_noise_has_its_size_in_the_unit_of_brightness() -> None:
    images = noisy_images()
    added = varied(["noise"], images) - images
    for channel, scale in enumerate(ITEM.scale):
        assert float(added[:, channel].std()) == pytest.approx(NOISE / scale, rel=0.02)
    assert abs(float(added.mean())) < 0.01


def test_equal_seeds_vary_equally_and_the_images_stay() -> None:
    images = noisy_images(8)
    before = images.clone()
    words = ["flip", "shift", "rotate", "noise", "crop"]
    assert torch.equal(varied(words, images), varied(words, images))
    assert not torch.equal(varied(words, images), varied(words, images, seed=1))
    assert torch.equal(images, before)


def test_only_the_image_of_several_inputs_is_varied() -> None:
    series = SeriesInput(channels=("a",), steps=4, mean=(0.0,), scale=(1.0,))
    inputs = {"series": series, "image": ITEM, "more": series}
    images = noisy_images(5)
    packed = torch.cat([torch.rand(5, 4), images.flatten(1), torch.rand(5, 4)], dim=1)
    found = varied(["flip", "noise"], packed, inputs=inputs)
    assert torch.equal(found[:, :4], packed[:, :4])
    assert torch.equal(found[:, -4:], packed[:, -4:])
    assert torch.equal(found[:, 4:-4].reshape(images.shape), varied(["flip", "noise"], images))
    with pytest.raises(TrainingError, match="only images are varied"):
        varied(["flip"], packed, inputs={"series": series})


def test_images_are_varied_in_training_and_never_in_validation() -> None:
    images = noisy_images(40)
    rows = Examples(rows=images.__getitem__, targets=torch.zeros(40), positions=torch.arange(40))
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        seen[module.training].append(batch.inputs)
        return LOSS(module, batch)

    table = TrainTable(epochs=2, batch_size=10, augment=("noise", "shift", "rotate", "crop", "flip"))
    network = nn.Sequential(nn.Flatten(), nn.Linear(ITEM.channels * ITEM.height * ITEM.width, 1))
    train, held = rows.at(np.arange(30)), rows.at(np.arange(30, 40))
    augmentation = Augmentation(table, INPUTS, seed=0)
    fit(network, train, held, loss, table, seed=0, progress=quiet, augmentation=augmentation)
    assert [torch.equal(each, images[30:]) for each in seen[False]] == [True, True]
    trained = torch.cat(seen[True])
    assert len(trained) == 60
    assert len(torch.unique(trained.flatten(1), dim=0)) == 60
    assert not (trained.flatten(1)[:, None] == images.flatten(1)[None]).all(dim=2).any()
