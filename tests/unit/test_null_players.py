"""Players that change nothing: found, left out of the coalitions, and given exactly 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import auditbench.masking.evaluator as evaluator
from auditbench.masking import (
    NOBODY,
    BackgroundRows,
    Baseline,
    Blur,
    MaskedModel,
    MaskToken,
    Players,
    Prediction,
    players_of,
)
from auditbench_shap.null_players import active_players, only, rows_by_players
from auditbench_shap.planning import Plan
from auditbench_shap.shapley import ShapleyValues, shapley_values
from auditbench_shap.walks import pair_rows
from tests.limited_model import Limited
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
    for row, black in enumerate(([4, 5, 6], [0], [2, 3, 4, 5, 6])):
        assert (found.values[row][:, black] == 0).all()
        assert (found.standard_error[row][:, black] == 0).all()
    np.testing.assert_allclose(found.values[2], 0, atol=1e-6)
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
    seen_again = 1
    assert cost == [2**4 - 2 + seen_again - 2 * pair_rows(4, 1), 2**6 - 2 + seen_again - pair_rows(6, 1)]


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
    few, many = (Plan(method="permutation", model_rows=count) for count in (model.block_rows - 1, model.block_rows))
    ((index, active),) = rows_by_players(model, rows, players, few)
    assert (index.tolist(), active.tolist()) == (list(range(40)), [0, 1, 2, 3])
    apart = list(rows_by_players(model, rows, players, many))
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


@pytest.mark.parametrize("given", ["factored", "by row", "opaque", "predict"])
def test_values_are_the_same_however_rows_are_split(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = numbers(12, 6)
    rows[:4, 1], rows[2:8, 3:5], rows[5] = 0, 0, 0
    network, groups = mlp(6, 2), None
    model: Any = network
    if given == "by row":
        groups = torch.stack([torch.arange(6).roll(row) for row in range(12)])
    if given == "opaque":
        model = Limited(network, 1 << 30)
    if given == "predict":
        model = lambda table: network(torch.from_numpy(table)).detach().numpy()  # noqa: E731
    background = torch.zeros(1, 6)
    together = shapley_values(network, rows, background, groups=groups, method="exact")
    monkeypatch.setattr(evaluator, "block_rows", lambda widest, device, whole: 4)
    for options in ({"method": "exact"}, {"method": "permutation", "target_error": 1e-4}):
        apart = shapley_values(model, rows, background, groups=groups, **options)
        np.testing.assert_allclose(apart.values, together.values, atol=1e-5 if len(options) == 1 else 5e-3)
        assert (apart.values[:, :, :][together.values == 0] == 0).all()


def test_noise_of_a_model_is_in_the_error_of_a_row_with_one_player() -> None:
    noise = np.random.default_rng(0)
    rows = np.zeros((2, 6))
    rows[0, 2], rows[1] = 1, 1
    found = shapley_values(
        lambda table: table.sum(axis=1) + noise.normal(scale=0.5, size=len(table)),
        rows,
        np.zeros((1, 6)),
        method="permutation",
    )
    assert found.standard_error is not None
    assert found.standard_error[0, 0, 2] > 0.01


def test_whether_there_is_a_standard_error_does_not_depend_on_the_other_rows() -> None:
    rows = numbers(2, 40)
    rows[1, 20:] = 0
    model = Limited(mlp(40), 1 << 30)
    found = [
        shapley_values(model, chosen, torch.zeros(1, 40), method="permutation", budget=100)
        for chosen in (rows, rows[:1], rows[1:])
    ]
    assert [one.standard_error for one in found] == [None] * 3


def test_tokens_that_are_the_mask_are_left_out() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 1)).eval()
    tokens = torch.tensor([[2, 3, 1, 4, 1], [5, 6, 7, 8, 2]])
    found = shapley_values(Limited(layers, 1 << 30), tokens, MaskToken(token_id=1), method="exact")
    plain = shapley_values(layers, tokens, MaskToken(token_id=1), method="exact")
    np.testing.assert_allclose(found.values, plain.values, atol=1e-6)
    assert (found.values[0, 0, [2, 4]] == 0).all()
    assert (found.model_rows or 0) < (plain.model_rows or 0)
