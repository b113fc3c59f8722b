"""On a GPU every explainer gives what it gives on the CPU, and waits for the device no more often for more rows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.masking import Blur, MaskToken, occlusion, superpixels, token_players
from auditbench.testing import count_operations
from auditbench_captum import integrated_gradients
from auditbench_lime import lime_weights, masked_lime_weights
from auditbench_shap import shapley_values
from tests.naive_games import mlp, numbers

pytestmark = pytest.mark.gpu

ROWS, BACKGROUND = numbers(9, 6), numbers(40, 6, seed=1)


class Opaque(nn.Module):
    """A network that cannot be cut behind its first layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.network(rows) if rows.shape[0] else rows
        return outputs


TABLE_EXPLAINERS: dict[str, Callable[[nn.Module, torch.Tensor], Any]] = {
    "exact": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="exact"),
    "permutation": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="permutation"),
    "until": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="permutation", target_error=0.02),
    "kernel": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="kernel"),
    "lime": lambda model, rows: lime_weights(model, rows.cpu().numpy(), BACKGROUND.numpy()),
    "lime, independent": lambda model, rows: lime_weights(
        model, rows.cpu().numpy(), BACKGROUND.numpy(), independent=True
    ),
    "lime, masked": lambda model, rows: masked_lime_weights(model, rows, BACKGROUND),
    "integrated gradients": lambda model, rows: integrated_gradients(model, rows, baseline=BACKGROUND.mean(dim=0)),
    "occlusion": lambda model, rows: occlusion(model, rows, BACKGROUND),
}


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("name", TABLE_EXPLAINERS)
def test_a_table_has_the_same_contributions(name: str, *, factored: bool) -> None:
    network = mlp(6, 2)
    model = network if factored else Opaque(network)
    expected = TABLE_EXPLAINERS[name](model, ROWS)
    found = TABLE_EXPLAINERS[name](copy.deepcopy(model).cuda(), ROWS.cuda())
    np.testing.assert_allclose(found.values, expected.values, atol=1e-3 if "lime" in name else 1e-4)


def test_images_and_texts_have_the_same_contributions() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 3, 16, 16)
    images[0, :, :8] = 0
    convolutions = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 196, 4)).eval()
    tokens = torch.randint(2, 30, (3, 7))
    texts = nn.Sequential(nn.Embedding(30, 8), nn.Flatten(), nn.Linear(56, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
    players = superpixels(images, count=9, method="grid")
    for model, rows, masker, groups in (
        (convolutions, images, Blur(sigma=2.0), players),
        (texts, tokens, MaskToken(token_id=1), token_players(tokens)),
    ):
        expected = shapley_values(model, rows, masker, groups=groups, target="predicted", method="exact")
        found = shapley_values(
            copy.deepcopy(model).cuda(), rows.cuda(), masker, groups=groups, target="predicted", method="exact"
        )
        np.testing.assert_allclose(found.values, expected.values, atol=1e-4)


@pytest.mark.parametrize("factored", [True, False])
def test_the_device_is_not_waited_for_more_often_with_more_rows(*, factored: bool) -> None:
    network = mlp(6, 2)
    model = (network if factored else Opaque(network)).cuda()
    reads = []
    for rows in (4, 200):
        with count_operations() as counted:
            shapley_values(model, numbers(rows, 6).cuda(), BACKGROUND, method="permutation", budget=400)
        reads.append(counted.host_reads)
    assert reads[0] == reads[1] < 60
