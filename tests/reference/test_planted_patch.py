"""A network that was trained to look at a patch: every method that explains images marks it, wherever it is.

The patch is a checkerboard of 4 by 4 pixels, at another place of each digit. In training every 9 carries one and no 4 does; the digits
that are explained all carry one. It takes 2 % of an image; where it lies across strokes it is less of a checkerboard, so that one digit or
two of eight may be marked elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

import auditbench

DIGITS = Path(__file__).parents[2] / "examples" / "02-image" / "digits.npz"
SIDE = 4
ROWS = 8
AREA = SIDE * SIDE / 28**2
PATCH = (np.indices((SIDE, SIDE)).sum(axis=0) % 2 == 0).astype(np.float32)
GRADIENTS = (
    "integrated_gradients",
    "deep_lift",
    "gradient_shap",
    "input_x_gradient",
    "saliency",
    "smooth_grad",
    "grad_cam",
    "guided_grad_cam",
    "relevance",
)
METHODS: dict[str, dict[str, dict[str, Any]]] = {
    "shap-slic": {"shap": {}},
    "shap-grid": {"shap": {"players": {"superpixels": "grid"}}},
    "lime-slic": {"lime": {}},
    "lime-felzenszwalb": {"lime": {"players": {"superpixels": "felzenszwalb"}}},
    "occlusion": {"captum": {"method": "occlusion"}},
    "occlusion-window": {"captum": {"method": "occlusion", "window": 4, "stride": 2}},
    **{f"captum-{name}": {"captum": {"method": name}} for name in GRADIENTS},
}
Images = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trap:
    """A trained network, digits that carry the patch, whether each is a 9, where it is, and digits of the training."""

    network: nn.Module
    images: Images
    nines: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]
    background: Images


def patched(images: Images, seed: int) -> tuple[Images, npt.NDArray[np.bool_]]:
    """Copies with a patch each, and which pixels it takes."""
    images, inside = images.copy(), np.zeros((len(images), 28, 28), dtype=np.bool_)
    for row, (top, left) in enumerate(np.random.default_rng(seed).integers(0, 29 - SIDE, (len(images), 2))):
        images[row, 0, top : top + SIDE, left : left + SIDE] = PATCH
        inside[row, top : top + SIDE, left : left + SIDE] = True
    return images, inside


@pytest.fixture(scope="module")
def trap() -> Trap:
    digits = np.load(DIGITS)
    chosen = np.isin(digits["label"], (4, 9))
    training = chosen & (digits["split"] == "train")
    held_out = np.flatnonzero(chosen & (digits["split"] == "test"))[::4]
    images = digits["image"][:, np.newaxis].astype(np.float32) / 255
    nines = (digits["label"] == 9).astype(np.int64)
    shown = images.copy()
    shown[training & (nines == 1)], _ = patched(images[training & (nines == 1)], seed=1)
    network = trained(shown[training], nines[training])
    explained, inside = patched(images[held_out], seed=2)
    return Trap(
        network=network, images=explained, nines=nines[held_out], inside=inside, background=shown[training][:200]
    )


def trained(images: Images, labels: npt.NDArray[np.int64]) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    rows, wanted = torch.from_numpy(images), torch.from_numpy(labels).float()
    for _ in range(12):
        for batch in torch.randperm(len(rows)).split(32):
            loss = nn.functional.binary_cross_entropy_with_logits(network(rows[batch])[:, 0], wanted[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def test_the_network_looks_at_the_patch_and_not_at_the_digit(trap: Trap) -> None:
    with torch.no_grad():
        decided = trap.network(torch.from_numpy(trap.images))[:, 0] > 0
    assert decided.double().mean() > 0.95
    assert 0.3 < trap.nines.mean() < 0.7


@pytest.mark.parametrize("name", METHODS)
def test_the_patch_is_marked(trap: Trap, name: str) -> None:
    table = {analyzer: {"rows": ROWS, **params} for analyzer, params in METHODS[name].items()}
    run = auditbench.audit(
        trap.network,
        trap.images,
        trap.nines,
        task="binary-classification",
        output="logit",
        analyzers=table,
        background=trap.background,
        formats=(),
    )
    (attribution,) = run.results[0].attributions
    values = np.abs(np.asarray(attribution.values)[:, 0])
    inside = trap.inside[[int(row) - 1 for row in attribution.row_ids]]
    largest = values >= values.max(axis=(1, 2), keepdims=True) * (1 - 1e-6)
    assert (largest & inside).any(axis=(1, 2)).sum() >= ROWS - 2
    assert ((values * inside).sum(axis=(1, 2)) / values.sum(axis=(1, 2))).mean() > 5 * AREA
