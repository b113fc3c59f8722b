"""Pairs of replacements that are alike, and what a single round of walks gains from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditbench_shap import shapley, shapley_values, walks
from auditbench_shap.similar import similar_order
from tests.naive_games import numbers


def test_twins_stand_beside_each_other_whatever_the_unit() -> None:
    rng = np.random.default_rng(0)
    once = rng.normal(size=(20, 5)) * [1, 1e6, 1e-6, 1, 0]
    shuffled = rng.permutation(40)
    rows = np.repeat(once, 2, axis=0)[shuffled]
    order = similar_order(torch.from_numpy(rows))
    assert sorted(order.tolist()) == list(range(40))
    twins = shuffled[order] // 2
    assert (twins[::2] == twins[1::2]).all()


@pytest.mark.parametrize("count", [2, 3, 7])
def test_each_replacement_comes_once(count: int) -> None:
    order = similar_order(torch.from_numpy(np.random.default_rng(count).normal(size=(count, 2, 2))))
    assert sorted(order.tolist()) == list(range(count))
    assert sorted(similar_order(torch.zeros(count, 3)).tolist()) == list(range(count))


def test_the_second_walk_of_a_pair_begins_in_the_middle_of_the_first() -> None:
    drawn = walks._drawn_in_pairs(5, 8, np.random.default_rng(0))
    assert drawn.shape == (5, 1, 8)
    assert (drawn[1::2] == (drawn[0:4:2] + 4) % 8).all()
    assert (np.sort(drawn, axis=2) == np.arange(8)).all()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.7)
    return layers.eval().requires_grad_(False)


def test_a_single_round_errs_less_where_background_rows_are_alike(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = numbers(3, 10)
    background = numbers(10, 10, seed=1).repeat(2, 1) + 0.02 * numbers(20, 10, seed=2)
    exact = shapley_values(network, rows, background, method="exact").values

    def error() -> float:
        found = [
            shapley_values(
                network, rows, background, method="permutation", budget=20 * 18, rng=np.random.default_rng(seed)
            ).values
            for seed in range(40)
        ]
        return float(np.sqrt(np.mean((np.array(found) - exact) ** 2)))

    paired = error()
    monkeypatch.setattr(shapley, "MOST_PAIRED", 1)
    assert paired < 0.93 * error()


def test_one_round_stays_exact_for_effects_of_two() -> None:
    rows, background = numbers(3, 5, dtype=torch.float64), numbers(6, 5, seed=1, dtype=torch.float64)

    def pairs(table: np.ndarray) -> np.ndarray:
        return table[:, 0] * table[:, 1] + table[:, 2] * table[:, 4] - 2 * table[:, 3]

    found = shapley_values(pairs, rows.numpy(), background.numpy(), method="permutation", budget=6 * 8)
    exact = shapley_values(pairs, rows.numpy(), background.numpy(), method="exact")
    np.testing.assert_allclose(found.values, exact.values, atol=1e-9)
    assert found.standard_error is not None
