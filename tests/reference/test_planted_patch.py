"""A network whose answer follows from a patch in the corner of an image: every explainer points at the corner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import auditbench_captum
import auditbench_lime
import auditbench_shap
from auditbench.data import ImageInput
from auditbench.data.arrays import from_arrays
from auditbench.models import wrap_module
from auditbench.testing import ToySubject, toy_context
from tests.plugin_results import analyzer_of

SIDE, PATCH = 12, 4
AREA = PATCH**2 / SIDE**2
GRID = {"superpixels": "grid", "regions": 36}


@pytest.fixture(scope="module")
def subject() -> ToySubject:
    """Noise of 12 x 12 pixels and a patch of 4 x 4 in the upper left corner of half of the images, those of the class `yes`."""
    rng, labels = np.random.default_rng(0), np.arange(1000) % 2
    images = rng.normal(110.0, 40.0, (1000, 1, SIDE, SIDE))
    images[labels == 1, :, :PATCH, :PATCH] += 60.0
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(576, 1),
    )  # fmt: skip
    item = ImageInput(channels=1, height=SIDE, width=SIDE, mean=(0.43,), scale=(0.16,))
    rows = np.clip(images, 0, 255).astype(np.uint8)
    encoded = torch.from_numpy((rows[200:] / 255.0 - 0.43) / 0.16).float()
    y_true = torch.tensor(labels[200:], dtype=torch.float32)
    optimizer = torch.optim.Adam(network.train().parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(encoded)[:, 0], y_true).backward()
        optimizer.step()
    network.eval().requires_grad_(False)
    model = wrap_module(
        network,
        task="binary-classification",
        classes=("no", "yes"),
        output="logit",
        inputs={"image": item},
        device="cpu",
    )
    data = from_arrays(
        {"image": rows[:200]}, labels[:200], task="binary-classification", classes=("no", "yes"), inputs={"image": item}
    )
    assert ((model.predict({"image": rows[:200]})[:, 0] > 0) == labels[:200]).mean() > 0.97
    return ToySubject(model=model, data=data, weights=np.empty((0, 0)), bias=np.empty(0))


@pytest.mark.parametrize(
    ("plugin", "params", "least"),
    [
        (auditbench_captum, {"method": "integrated_gradients"}, 4),
        (auditbench_captum, {"method": "gradient_shap"}, 4),
        (auditbench_captum, {"method": "deep_lift"}, 4),
        (auditbench_captum, {"method": "relevance"}, 2),
        (auditbench_captum, {"method": "grad_cam"}, 3),
        (auditbench_captum, {"method": "guided_grad_cam"}, 3),
        (auditbench_captum, {"method": "smooth_grad"}, 2),
        (auditbench_captum, {"method": "occlusion", "window": 3, "stride": 1}, 3),
        (auditbench_captum, {"method": "occlusion", "players": GRID}, 3),
        (auditbench_shap, {"players": GRID, "budget": 500}, 3),
        (auditbench_lime, {"players": GRID}, 2),
    ],
    ids=lambda value: value.get("method", "") if isinstance(value, dict) else None,
)
def test_the_patch_has_more_than_its_area_of_what_is_found(
    plugin: Any, params: dict[str, Any], least: float, subject: ToySubject
) -> None:
    analyzer = analyzer_of(plugin)
    assert analyzer.Params is not None
    chosen = analyzer.Params.model_validate({**params, "rows": 40, "background": 40})
    context = toy_context(subject, analyzer=analyzer.name, params=chosen)
    (attribution,) = analyzer.analyze(context, chosen).attributions
    sizes = np.abs(np.asarray(attribution.values, dtype=np.float64)[:, 0])
    with_patch = sizes[attribution.outputs[:, 0] > 0]
    assert len(with_patch) > 10
    share = with_patch[:, :PATCH, :PATCH].sum() / with_patch.sum()
    assert share > least * AREA
