"""Players that change nothing: found, left out of the coalitions, and given exactly 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.masking import NOBODY, BackgroundRows, Baseline, Blur, MaskedModel, Players, Prediction, players_of
from auditbench_shap.null_players import active_players, only, rows_by_players
from auditbench_shap.shapley import ShapleyValues, shapley_values
from auditbench_shap.walks import pair_rows
from tests.naive_games import mlp, numbers

GROUPS = torch.tensor([[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5], [NOBODY, NOBODY, 6, 6]])

ARGUMENTS: dict[str, Any] = {"background": Baseline(baseline=torch.zeros(1, 4, 4)), "groups": GROUPS.unsqueeze(0)}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """Large activations, so that the coalitions of one image fill a block."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4096, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(4096 * 16, 2))
    return layers.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Five images; the first two have black superpixels, each other ones, and the third is all black."""
    found = numbers(5, 1, 4, 4)
    found[0, :, GROUPS >= 4] = 0
    found[1, :, GROUPS == 0] = 0
    found[2] = 0
    return found


def explained(model: nn.Module, images: torch.Tensor, **options: object) -> ShapleyValues:
    return shapley_values(model, images, **ARGUMENTS, **options)  # type: ignore[arg-type]


def test_active_players_by_a_loop() -> None:
    rows, others = torch.randint(0, 2, (20, 6)).float(), torch.randint(0, 2, (3, 6)).float()
    others[1:] = others[0]
    players = players_of([[0, 1], [2], [4, 5]], (6,))
    found = active_players(rows, others.unsqueeze(0), players)
    for row, active in zip(rows, found.tolist(), strict=True):
        assert active == [bool((row[entries] != others[:, entries]).any()) for entries in ([0, 1], [2], [4, 5])]
    assert 0 < found.float().mean() < 1


def test_one_background_row_that_differs_makes_a_player_active() -> None:
    rows = torch.zeros(1, 3)
    background = torch.tensor([[[0.0, 0, 0], [0, 1, 0], [0, -1, 0]]])
    assert active_players(rows, background, players_of(None, (3,))).tolist() == [[False, True, False]]


def test_some_of_the_players_keep_their_names_and_entries() -> None:
    players = Players(names=("a", "b", "c"), groups=torch.tensor([[0, 1, 2, NOBODY], [2, 1, 0, 0]]), per_row=True)
    some = only(players, np.array([0, 2]))
    assert some.names == ("a", "c")
    assert some.groups.tolist() == [[0, NOBODY, 1, NOBODY], [1, NOBODY, 0, 0]]


@pytest.mark.parametrize(("method", "budget"), [("exact", None), ("permutation", 2000), ("kernel", 400)])
def test_values_are_those_of_all_players(
    network: nn.Module, images: torch.Tensor, method: str, budget: int | None
) -> None:
    found = explained(network, images, method=method, budget=budget)
    unsplit = shapley_values(lambda rows: network(torch.from_numpy(rows)).numpy(), images, **ARGUMENTS, method="exact")
    np.testing.assert_allclose(found.values, unsplit.values, atol=1e-6 if method == "exact" else 0.02)
    assert found.standard_error is not None
    for row, black in enumerate(([4, 5, 6], [0], range(1, 7))):
        assert (found.values[row][:, list(black)] == 0).all()
        assert (found.standard_error[row][:, list(black)] == 0).all()
    whole = network(images).numpy()
    np.testing.assert_allclose(found.values.sum(axis=2) + found.base_value, whole, atol=1e-5)


def test_rows_come_back_in_their_order(network: nn.Module, images: torch.Tensor) -> None:
    target = np.array([0, 1, 0, 1, 1])
    together = explained(network, images, method="exact", target=target)
    alone = [explained(network, images[i : i + 1], method="exact", target=int(target[i])) for i in range(5)]
    np.testing.assert_allclose(together.values[:, 0], [one.values[0, 0] for one in alone], atol=1e-6)


def test_left_out_players_are_not_paid_for(network: nn.Module, images: torch.Tensor) -> None:
    cost = [
        (explained(network, images[i : i + 1], method="exact").model_rows or 0)
        - (explained(network, images[i : i + 1], method="permutation", budget=12).model_rows or 0)
        for i in range(2)
    ]
    seen_again, walks_of_all = 1, pair_rows(7, 1)
    assert cost == [2**4 - 2 + seen_again - walks_of_all, 2**6 - 2 + seen_again - walks_of_all]


def test_a_budget_buys_more_rounds_for_fewer_players(network: nn.Module, images: torch.Tensor) -> None:
    budget = 3 * pair_rows(7, 1)
    found = explained(network, images[:1], method="permutation", budget=budget)
    full = explained(network, images[3:4], method="permutation", budget=budget)
    assert (found.model_rows, full.model_rows) == (6 * pair_rows(4, 1) + 3, 2 * pair_rows(7, 1) + 3)


def test_rows_that_share_a_plan_keep_all_players() -> None:
    rows = numbers(40, 4)
    rows[:20, 1] = 0
    prediction, players = Prediction(mlp(4)), players_of(None, (4,))
    masker = BackgroundRows(background=torch.zeros(1, 4))
    model = MaskedModel(prediction, players, masker, rows, targets=1)
    ((index, active),) = rows_by_players(model, rows, players, each=model.block_rows - 1)
    assert (index.tolist(), active.tolist()) == (list(range(40)), [0, 1, 2, 3])
    apart = list(rows_by_players(model, rows, players, each=model.block_rows))
    assert [(index.tolist(), active.tolist()) for index, active in apart] == [
        (list(range(20)), [0, 2, 3]),
        (list(range(20, 40)), [0, 1, 2, 3]),
    ]


def test_maskers_of_each_row_and_missing_superpixels(network: nn.Module) -> None:
    pictures = numbers(2, 1, 4, 4, seed=3)
    groups = torch.stack([GROUPS.clamp(min=0), GROUPS.clamp(min=0, max=3)]).unsqueeze(1)
    found = shapley_values(network, pictures, Blur(sigma=1.0), groups=groups, method="exact")
    second = shapley_values(network, pictures[1:], Blur(sigma=1.0), groups=groups[1:], method="exact")
    np.testing.assert_allclose(found.values[1, :, :4], second.values[0], atol=1e-6)
    assert (found.values[1, :, 4:] == 0).all()
