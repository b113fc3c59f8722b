"""Masks and boxes as numbers of an image: closed forms, a naive overlap, gradients, and an audit of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import auditbench
from auditbench.models import BestDetection, SegmentationShare
from auditbench.models.reducers import overlap


class Halves(nn.Module):
    """Logits of two classes: the pixel itself for the second, 0 for the first; as a mapping where asked."""

    def __init__(self, *, mapping: bool = False) -> None:
        super().__init__()
        self.mapping = mapping

    def forward(self, images: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        logits = torch.cat([torch.zeros_like(images), images], dim=1)
        return {"out": logits} if self.mapping else logits


class Brightest(nn.Module):
    """One box of label 1 around the brighter half of an image, with that brightness as its score; none where it is dark."""

    def forward(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        found = []
        for image in images:
            width = image.shape[2] // 2
            halves = torch.stack([image[..., :width].mean(), image[..., width:].mean()])
            side = int(halves.argmax())
            box = torch.tensor([[side * width, 0, (side + 1) * width, image.shape[1]]], dtype=torch.float32)
            kept = halves.max().reshape(1) > 0.1
            found.append(
                {
                    "boxes": box[kept],
                    "labels": torch.ones(1, dtype=torch.int64)[kept],
                    "scores": halves.max().reshape(1)[kept],
                }
            )
        return found


@pytest.mark.parametrize("mapping", [False, True])
def test_shares_are_means_of_pixel_probabilities(mapping: bool) -> None:
    images = torch.linspace(-3, 3, 2 * 4 * 6).reshape(2, 1, 4, 6)
    shares = SegmentationShare(Halves(mapping=mapping))(images)
    expected = 1 / (1 + np.exp(-images.numpy()))
    np.testing.assert_allclose(shares[:, 1].numpy(), expected.mean(axis=(1, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(shares.sum(dim=1).numpy(), 1, rtol=1e-6)


def test_one_channel_is_the_share_of_its_class() -> None:
    images = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(
        SegmentationShare(nn.Identity())(images), images.sigmoid().mean(dim=(1, 2, 3)).unsqueeze(1)
    )


def test_what_is_no_mask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected logits of shape \(rows, classes, height, width\), got \(2, 4\)"):
        SegmentationShare(nn.Flatten())(torch.zeros(2, 1, 2, 2))


def test_best_detection_is_the_highest_score_of_the_class() -> None:
    images = torch.zeros(3, 1, 4, 8)
    images[0, :, :, :4], images[1, :, :, 4:] = 0.5, 0.8
    np.testing.assert_allclose(BestDetection(Brightest(), 1)(images)[:, 0], [0.5, 0.8, 0.0])
    np.testing.assert_array_equal(BestDetection(Brightest(), 2)(images)[:, 0], [0.0, 0.0, 0.0])
    left = BestDetection(Brightest(), 1, box=(0, 0, 4, 4))(images)[:, 0]
    np.testing.assert_allclose(left, [0.5, 0.0, 0.0])
    images.requires_grad_()
    (slope,) = torch.autograd.grad(BestDetection(Brightest(), 1)(images).sum(), images)
    np.testing.assert_allclose(slope[0, 0, :, :4].numpy(), 1 / 16)
    assert not slope[2].any()


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=1, max_size=5), st.tuples(*[st.integers(0, 6)] * 4))
def test_overlap_is_that_of_counted_pixels(boxes: list[tuple[int, ...]], box: tuple[int, ...]) -> None:
    def pixels(one: tuple[int, ...]) -> set[tuple[int, int]]:
        return {(x, y) for x in range(one[0], one[2]) for y in range(one[1], one[3])}

    found = overlap(torch.tensor(boxes, dtype=torch.float64), box)
    for value, one in zip(found.tolist(), boxes, strict=True):
        union = pixels(one) | pixels(box)
        assert value == pytest.approx(len(pixels(one) & pixels(box)) / len(union) if union else 0.0)


@pytest.mark.parametrize(
    ("model", "task"),
    [
        pytest.param(SegmentationShare(Halves()), "multiclass-classification", id="masks"),
        pytest.param(BestDetection(Brightest(), 1), "binary-classification", id="boxes"),
    ],
)
def test_both_are_audited_as_classifiers(model: nn.Module, task: str) -> None:
    images = np.random.default_rng(0).random((30, 1, 4, 8), dtype=np.float32)
    run = auditbench.audit(
        model,
        images,
        np.arange(30) % 2,
        task=task,  # type: ignore[arg-type]
        output="probability",
        analyzers={"performance": {}},
    )
    (result,) = run.results
    assert result.status == "ok"
    assert {metric.name for metric in result.metrics} >= {"accuracy", "log_loss"}
