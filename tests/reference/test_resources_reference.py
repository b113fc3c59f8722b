"""Multiply-accumulates against the textbook formula of each layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditbench_resources.compute import multiply_accumulates


class LastStep(nn.Module):
    """The last output of a recurrent layer over a series."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        return self.layer(series)[0][:, -1]


class SelfAttention(nn.Module):
    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(tokens, tokens, tokens, need_weights=False)[0]


def encoder_layer(width: int, hidden: int) -> nn.Module:
    return nn.TransformerEncoderLayer(width, 2, hidden, batch_first=True)


def encoder_products(steps: int, width: int, hidden: int) -> int:
    projections = steps * width * 3 * width + steps * width * width
    return projections + 2 * steps * steps * width + 2 * steps * width * hidden


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        pytest.param(nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 3)), (10,), 10 * 20 + 20 * 3, id="mlp"),
        pytest.param(nn.Conv2d(3, 8, 3, padding=1), (3, 6, 6), 6 * 6 * 8 * 3 * 9, id="convolution"),
        pytest.param(nn.Conv2d(4, 8, 3, stride=2, groups=2), (4, 9, 9), 4 * 4 * 8 * 2 * 9, id="grouped-and-strided"),
        pytest.param(nn.Conv1d(2, 5, 4), (2, 10), 7 * 5 * 2 * 4, id="convolution-of-a-series"),
        pytest.param(LastStep(nn.LSTM(8, 12, batch_first=True)), (7, 8), 7 * 4 * 12 * (8 + 12), id="lstm"),
        pytest.param(LastStep(nn.GRU(8, 12, batch_first=True)), (7, 8), 7 * 3 * 12 * (8 + 12), id="gru"),
        pytest.param(
            SelfAttention(nn.MultiheadAttention(16, 4, batch_first=True)),
            (5, 16),
            5 * 16 * 16 * 4 + 2 * 5 * 5 * 16,
            id="attention",
        ),
        pytest.param(encoder_layer(16, 32), (5, 16), encoder_products(5, 16, 32), id="transformer"),
    ],
)
def test_counts_equal_the_formula(module: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    module.eval()
    assert multiply_accumulates(module, torch.zeros(1, *shape)).total == expected
    assert multiply_accumulates(module, torch.zeros(4, *shape)).total == 4 * expected


def test_counts_by_module_add_up() -> None:
    module = nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    found = multiply_accumulates(module, torch.zeros(1, 6))
    assert found.by_module["0"] + found.by_module["1"] == found.total == 6 * 4 + 4 * 2
    assert found.by_module["1.1"] == 4 * 2
