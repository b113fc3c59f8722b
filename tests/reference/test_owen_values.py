"""Owen values against all orders that keep groups together, against shap's PartitionExplainer, and by their budget."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch

from auditbench.masking import Baseline, MaskToken, Players, token_players
from auditbench_shap.hierarchy import checked_levels, coalition_rows, coalition_weights, together_orders
from auditbench_shap.owen import BudgetError, owen_values
from auditbench_shap.walks import pair_rows

SIX = {
    "no level": np.empty((0, 6), dtype=int),
    "two unions": np.array([[0, 0, 0, 1, 1, 1]]),
    "unions of 1, 2 and 3": np.array([[0, 1, 1, 2, 2, 2]]),
    "three levels": np.array([[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2]]),
    "one union of all": np.array([[0] * 6]),
}


def network(players: int, outputs: int = 2, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return (
        torch.nn.Sequential(torch.nn.Linear(players, 16), torch.nn.Tanh(), torch.nn.Linear(16, outputs)).double().eval()
    )


def by_all_orders(value: Callable[[frozenset[int]], np.ndarray], levels: np.ndarray, players: int) -> np.ndarray:
    """The definition: the mean marginal contribution over all orders in which every group stands together."""
    kept = [order for order in itertools.permutations(range(players)) if _together(order, levels)]
    found = np.zeros((players, *value(frozenset()).shape))
    for order in kept:
        for place, player in enumerate(order):
            found[player] += value(frozenset(order[: place + 1])) - value(frozenset(order[:place]))
    return found / len(kept)


def _together(order: tuple[int, ...], levels: np.ndarray) -> bool:
    return all(len(list(itertools.groupby(level[list(order)]))) == len(set(level.tolist())) for level in levels)


@pytest.mark.parametrize("name", SIX)
def test_enumerated_values_are_the_mean_over_all_orders_that_keep_groups_together(name: str) -> None:
    model, levels = network(6), SIX[name]
    rng = np.random.default_rng(1)
    row, background = rng.normal(size=6), rng.normal(size=(3, 6))

    def value(coalition: frozenset[int]) -> np.ndarray:
        rows = background.copy()
        rows[:, list(coalition)] = row[list(coalition)]
        return model(torch.from_numpy(rows)).detach().numpy().mean(axis=0)

    found = owen_values(model, row[np.newaxis], background, [levels], budget=1000)
    expected = by_all_orders(value, levels, 6)
    np.testing.assert_allclose(found.values[0], expected.T, atol=1e-12)
    assert not found.standard_error.any()
    if name == "two unions":
        assert np.abs(expected - by_all_orders(value, SIX["no level"], 6)).max() > 1e-3


@pytest.mark.parametrize("budget", [10_000, 300])
def test_values_along_a_binary_tree_are_those_of_the_partition_explainer(budget: int) -> None:
    shap = pytest.importorskip("shap")
    model, rng = network(8, seed=3), np.random.default_rng(2)
    row, base = rng.normal(size=(1, 8)), rng.normal(size=(1, 8))
    pairs = [
        [0, 1, 0.1, 2],
        [2, 3, 0.1, 2],
        [4, 5, 0.1, 2],
        [6, 7, 0.1, 2],
        [8, 9, 0.5, 4],
        [10, 11, 0.5, 4],
        [12, 13, 1, 8],
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = shap.maskers.Partition(base, clustering=np.array(pairs))
        explainer = shap.explainers.Partition(lambda x: model(torch.from_numpy(x)).detach().numpy(), masker)
        expected = explainer(row, max_evals=5000, silent=True).values[0]
    levels = np.array([[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 3, 3]])
    found = owen_values(model, row, Baseline(baseline=torch.from_numpy(base[0])), [levels], budget=budget)
    enumerated = coalition_rows(checked_levels(levels, 8)) <= budget
    if enumerated:
        np.testing.assert_allclose(found.values[0], expected.T, atol=1e-6)
    else:
        off = np.abs(found.values[0] - expected.T)
        assert (off <= 5 * found.standard_error[0] + 1e-6).all()
        assert off.max() < 0.05 * np.abs(expected).max()


class Pairs(torch.nn.Module):
    """A sum over tokens and over pairs of them: walks that are taken forward and back are exact."""

    def __init__(self, tokens: int, length: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.weights = torch.randn(tokens, generator=generator, dtype=torch.float64)
        self.between = torch.randn(length, length, generator=generator, dtype=torch.float64)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        sizes = self.weights[tokens]
        return (sizes.sum(dim=1) + torch.einsum("ri,ij,rj->r", sizes, self.between, sizes)).unsqueeze(1)


def many_words(words: int) -> tuple[torch.Tensor, Players, np.ndarray]:
    tokens = torch.randint(2, 50, (1, words), generator=torch.Generator().manual_seed(1))
    sentences = np.arange(words) // 10
    return tokens, token_players(tokens), np.stack([sentences // 3, sentences])


def test_walks_that_keep_sentences_together_are_exact_for_effects_of_two_words() -> None:
    model, (tokens, players, levels) = Pairs(50, 60).eval(), many_words(60)
    found = owen_values(model, tokens, MaskToken(token_id=1), [levels], groups=players, budget=2 * pair_rows(60, 1))
    sizes, mask = model.weights[tokens[0]], model.weights[1]
    each = torch.eye(60, dtype=torch.bool)
    alone = model(torch.where(each, tokens, 1)) - model(torch.full((1, 60), 1))
    lost = model(tokens) - model(torch.where(each, 1, tokens))
    np.testing.assert_allclose(found.values[0, 0], (0.5 * (alone + lost))[:, 0].numpy(), rtol=1e-9)
    assert sizes.std() > 0.1
    assert mask.abs() > 0.01
    assert found.opened.all()


class Products(torch.nn.Module):
    """Products of three neighbours: what walks have to sample."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        sizes = torch.sin(tokens.double() * 1.7)
        return (sizes[:, :-2] * sizes[:, 1:-1] * sizes[:, 2:] * 4).sum(dim=1, keepdim=True)


def test_the_standard_error_covers_the_values_of_all_orders() -> None:
    tokens, players, levels = many_words(30)
    exact = owen_values(Products().eval(), tokens, MaskToken(token_id=1), [levels], groups=players, budget=60_000)
    hits, sizes = [], []
    for seed in range(40):
        found = owen_values(
            Products().eval(),
            tokens,
            MaskToken(token_id=1),
            [levels],
            groups=players,
            budget=64 * pair_rows(30, 1),
            rng=np.random.default_rng(seed),
        )
        assert (found.standard_error > 0).any()
        off = np.abs(found.values - exact.values)[0, 0]
        hits.append(off <= 1.96 * found.standard_error[0, 0] + 3 * exact.standard_error[0, 0] + 1e-9)
        sizes.append(found.values[0, 0])
    assert np.mean(hits) > 0.9
    np.testing.assert_allclose(np.mean(sizes, axis=0), exact.values[0, 0], atol=0.1 * np.abs(exact.values).max())


@pytest.mark.parametrize("budget", [40, 170, 320, 500])
def test_a_small_budget_opens_the_sentences_that_contribute_most_and_is_kept(budget: int) -> None:
    tokens, players, levels = many_words(200)
    weights = torch.zeros(200, dtype=torch.float64)
    weights[30:40], weights[110:120] = torch.linspace(1, 2, 10), 3.0
    rows = 0

    def counted(seen: np.ndarray) -> np.ndarray:
        nonlocal rows
        rows += len(seen)
        return np.asarray(((seen != 1) * weights.numpy()).sum(axis=1))

    found = owen_values(counted, tokens, MaskToken(token_id=1), [levels], groups=players, budget=budget)
    assert found.model_rows == rows <= budget + 4
    assert found.values.sum() == pytest.approx(float(weights.sum()))
    assert np.isnan(found.standard_error[0, 0, ~found.opened[0]]).all()
    assert not np.isnan(found.standard_error[0, 0, found.opened[0]]).any()
    np.testing.assert_allclose(found.values[0, 0, found.opened[0]], weights[found.opened[0]], atol=1e-9)
    assert found.opened[0, 110:120].all() == (budget >= 170)
    assert found.opened[0, 30:40].all() == (budget >= 320)
    passages = found.values[0, 0, :180].reshape(-1, 30).sum(axis=1)
    np.testing.assert_allclose(passages, weights[:180].reshape(-1, 30).sum(dim=1), atol=1e-9)


def test_a_budget_below_two_rounds_of_the_coarsest_level_is_refused() -> None:
    tokens, players, levels = many_words(200)
    with pytest.raises(ValueError, match="at least 24 model rows"):
        owen_values(Products().eval(), tokens, MaskToken(token_id=1), [levels], groups=players, budget=20)


def test_a_level_that_is_one_group_is_passed_over() -> None:
    tokens, players, _ = many_words(120)
    clauses = np.arange(120) // 10
    levels = np.stack([np.zeros(120, dtype=int), clauses])
    found = owen_values(Products().eval(), tokens, MaskToken(token_id=1), [levels], groups=players, budget=124)
    assert found.opened.sum() == 10
    assert len(np.unique(found.values[0, 0][~found.opened[0]])) == 11
    with pytest.raises(BudgetError, match="at least 44 model rows"):
        owen_values(Products().eval(), tokens, MaskToken(token_id=1), [levels], groups=players, budget=43)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.array([[0, 0, 1]]), r"\(levels, 4\)"),
        (np.array([[0, 0, 1, 1], [0, 1, 1, 2]]), "within one group"),
    ],
)
def test_levels_that_do_not_fit_are_refused(levels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        owen_values(network(4), np.zeros((1, 4)), np.ones((2, 4)), [levels])


def test_texts_of_other_lengths_and_without_a_word_are_explained_each_by_itself() -> None:
    tokens = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [0, 0, 0, 0]])
    words: list[list[int | None]] = [[0, 1, 2, 3], [0, 1, None, None], [None] * 4]
    players = token_players(tokens, words=words)
    weights = torch.linspace(-1, 2, 12, dtype=torch.float64)
    levels = [np.array([[0, 0, 1, 1]]), np.array([[0, 0]]), np.empty((1, 0))]
    found = owen_values(
        lambda seen: weights[torch.from_numpy(seen)].sum(dim=1).numpy(),
        tokens,
        MaskToken(token_id=1),
        levels,
        groups=players,
        target=0,
    )
    lost = (weights[torch.from_numpy(tokens)] - weights[1]).numpy() * (tokens != 0)
    np.testing.assert_allclose(found.values[:, 0], lost, atol=1e-12)


def test_orders_keep_groups_together_and_place_each_player_early_and_late() -> None:
    levels = checked_levels(np.array([[0] * 6 + [1] * 6, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]]), 12)
    walks = together_orders(levels, 2, 50, np.random.default_rng(0))
    assert walks.shape == (2, 50, 12)
    for places in walks.reshape(-1, 12):
        order = np.argsort(places)
        assert _together(tuple(order.tolist()), levels[:-1])
    first, second = walks[:, ::2], walks[:, 1::2]
    assert ((first < 6) != (second < 6)).all()
    counts = np.bincount(walks.reshape(-1, 12)[:, 0], minlength=12)
    assert counts.min() > 0


def test_weights_of_coalitions_share_out_the_whole() -> None:
    for levels in SIX.values():
        checked = checked_levels(levels, 6)
        kept, weights = coalition_weights(checked)
        np.testing.assert_allclose(weights[kept.all(axis=1)].sum(), 1.0)
        np.testing.assert_allclose(weights[~kept.any(axis=1)].sum(), -1.0)
        np.testing.assert_allclose(weights.sum(axis=0), 0.0, atol=1e-12)
        inner = weights[kept.any(axis=1) & ~kept.all(axis=1)]
        np.testing.assert_allclose(inner.sum(axis=1), 0.0, atol=1e-12)
        assert len(kept) <= coalition_rows(checked)
    assert math.isclose(len(coalition_weights(checked_levels(SIX["no level"], 6))[0]), 64)
