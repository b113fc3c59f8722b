"""Shapley values of our own estimators: the definition, the axioms, closed forms, shap's enumeration, and their errors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from auditbench.masking import Baseline, Blur, MaskToken, Prediction, evaluator, players_of
from auditbench.models import BatchSize
from auditbench_shap import planning
from auditbench_shap.controls import controls_of
from auditbench_shap.shapley import ShapleyValues, shapley_values
from tests.limited_model import Limited
from tests.naive_games import mlp, naive_shapley, numbers, tokens

OWN = ("exact", "permutation", "kernel")
FULL = {"exact": None, "permutation": 1 << 14, "kernel": 1 << 14}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def by_definition(model: Any, rows: torch.Tensor, background: torch.Tensor, groups: Any = None) -> Any:
    players = players_of(groups, tuple(rows.shape[1:]))
    return np.stack([naive_shapley(model, row, background, players.groups, len(players)) for row in rows])


def pairwise(rows: Any) -> Any:
    """Main effects and interactions of two: what one round of walks gets right."""
    return np.sin(rows).sum(axis=1) + rows[:, 0] * rows[:, 1] - np.exp(-rows[:, 2]) * rows[:, 0]


def parity(rows: Any) -> Any:
    """An interaction of five players, and nothing else where the background is balanced."""
    return np.prod(np.tanh(2 * rows[:, :5]), axis=1)


@pytest.mark.parametrize("players", range(1, 7))
@pytest.mark.parametrize(("outputs", "replacements"), [(1, 1), (3, 1), (2, 4)])
def test_enumeration_is_the_definition(players: int, outputs: int, replacements: int) -> None:
    module, rows = mlp(players, outputs, gain=2.0), numbers(3, players)
    background = numbers(replacements, players, seed=1)
    expected = by_definition(module, rows, background)
    for model in (module, Limited(module, 1000), lambda x: module(torch.from_numpy(x)).detach().numpy()):
        found = shapley_values(model, rows, background, method="exact")
        np.testing.assert_allclose(found.values, expected, atol=3e-6)
        assert found.values.shape == (3, outputs, players)
        assert not found.standard_error.any()


@pytest.mark.parametrize("players", range(1, 7))
@pytest.mark.parametrize(("outputs", "replacements"), [(1, 1), (2, 3)])
@pytest.mark.parametrize("method", ["permutation", "kernel"])
def test_with_a_full_budget_all_methods_come_to_the_definition(
    players: int, outputs: int, replacements: int, method: str
) -> None:
    module, rows = mlp(players, outputs, gain=2.0), numbers(3, players)
    background = numbers(replacements, players, seed=1)
    expected = by_definition(module, rows, background)
    found = shapley_values(module, rows, background, method=method, budget=FULL[method])
    apart = np.linalg.norm(found.values - expected) / np.linalg.norm(expected)
    assert apart < 0.03
    np.testing.assert_allclose(found.values, expected, atol=1e-5 + 6 * found.standard_error.max())


@pytest.mark.parametrize("background", [numbers(1, 5, seed=1), numbers(6, 5, seed=1)], ids=["baseline", "background"])
def test_one_round_is_exact_for_effects_of_one_and_two_players(background: torch.Tensor) -> None:
    rows, background = numbers(4, 5).double(), background.double()
    exact = shapley_values(pairwise, rows, background, method="exact").values
    for seed in range(3):
        found = shapley_values(
            pairwise,
            rows,
            background,
            method="permutation",
            budget=planning.pair_rows(5, len(background)),
            rng=rng(seed),
        )
        np.testing.assert_allclose(found.values, exact, atol=1e-12)
    x, b = rows.numpy(), background.numpy()
    closed = np.sin(x[:, 3:]) - np.sin(b[:, 3:]).mean(axis=0)
    np.testing.assert_allclose(found.values[:, 0, 3:], closed, atol=1e-12)
    product = (x[:, 1, None] - b[:, 1]) * (x[:, 0, None] + b[:, 0]) / 2
    closed = np.sin(x[:, 1]) - np.sin(b[:, 1]).mean() + product.mean(axis=1)
    np.testing.assert_allclose(found.values[:, 0, 1], closed, atol=1e-12)


def test_two_rounds_of_a_game_of_pairs_have_no_standard_error() -> None:
    found = shapley_values(pairwise, numbers(4, 5).double(), numbers(6, 5, seed=1).double(), method="permutation")
    assert found.standard_error.max() < 1e-12


@pytest.mark.parametrize("budget", [40, 60, 400])
def test_the_regression_is_exact_for_linear_models_and_baselines_with_pairs(budget: int) -> None:
    rows, background = numbers(4, 5).double(), numbers(20, 5, seed=1).double()
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    linear = shapley_values(lambda x: x @ weights.numpy(), rows, background, method="kernel", budget=budget)
    np.testing.assert_allclose(linear.values[:, 0], (rows - background.mean(dim=0)) * weights, rtol=1e-6, atol=1e-6)
    assert linear.standard_error.max() < 1e-6
    baseline = Baseline(baseline=background[0])
    found = shapley_values(pairwise, rows, baseline, method="kernel", budget=budget)
    exact = shapley_values(pairwise, rows, baseline, method="exact")
    np.testing.assert_allclose(found.values, exact.values, atol=1e-6)
    found = shapley_values(parity, rows, background, method="kernel", budget=budget)
    np.testing.assert_allclose(found.values.sum(axis=2) + found.base_value, parity(rows.numpy())[:, None], atol=1e-9)


@pytest.mark.parametrize(
    ("groups", "budget"),
    [(None, 120), ([[0, 1], [2], [3, 4, 5], [6], [7]], 120), ([[0, 1], [2], [3, 4, 5], [6], [7]], 44)],
    ids=["columns", "groups", "components"],
)
@pytest.mark.parametrize("factor", [1e-7, 1e5, 1e6, 1e9])
def test_the_regression_does_not_know_units_of_measurement(factor: float, groups: Any, budget: int) -> None:
    rows, background = numbers(4, 8).double().numpy(), numbers(50, 8, seed=1).double().numpy()
    units = np.array([1, 1, 1, factor, 1, 1, 1, 1])

    def explained(scale: Any) -> ShapleyValues:
        return shapley_values(
            lambda x: pairwise(x / scale) + 3.0 * (x / scale)[:, 3] * (x / scale)[:, 4],
            rows * scale,
            background * scale,
            method="kernel",
            budget=budget,
            groups=groups,
        )

    one, other = explained(np.ones(8)), explained(units)
    np.testing.assert_allclose(other.values, one.values, atol=1e-7)
    np.testing.assert_allclose(other.standard_error, one.standard_error, atol=1e-7)
    assert one.standard_error.max() > 1e-3


def test_controls_are_of_one_size_and_none_is_for_a_player_that_does_not_vary() -> None:
    columns = numbers(40, 6).double() * torch.tensor([1.0, 1e9, 1e-9, 5.0, 0.0, 2.0]) + 0.1
    columns[:, 3] = -3 * columns[:, 0] + 7  # with columns 0 a player of one direction
    owners = torch.tensor([1, 0, 3, 1, 2, 4])
    assert controls_of(columns, owners, most=5).players.tolist() == [1, 0, 3, 1, 4]
    found = controls_of(columns, owners, most=4)
    assert found.players.tolist() == [0, 1, 3, 4]
    np.testing.assert_allclose(found.values.mean(dim=0), 0, atol=1e-7)
    np.testing.assert_allclose(found.values.square().mean(dim=0), 1, atol=1e-12)
    for player, column in ((0, 1), (1, 0), (3, 2), (4, 5)):
        control = found.values[:, found.players.tolist().index(player)]
        assert abs(float(np.corrcoef(control, columns[:, column])[0, 1])) == pytest.approx(1, abs=1e-9)
    none = controls_of(torch.ones(1, 3), torch.arange(3), most=0)
    assert none.values.shape == (1, 0)


@pytest.mark.parametrize("budget", [150, 202, 340])
def test_the_regression_uses_all_of_its_budget(budget: int) -> None:
    rows, background = numbers(3, 8).double(), numbers(50, 8, seed=1).double()
    found = shapley_values(pairwise, rows, background, method="kernel", budget=budget)
    assert found.model_rows == 3 * budget + 3 + 50


@pytest.mark.parametrize("method", OWN)
@settings(max_examples=20)
@given(
    players=st.integers(2, 6),
    outputs=st.integers(1, 3),
    replacements=st.integers(1, 5),
    seed=st.integers(0, 999),
    gain=st.floats(0.5, 3.0),
)
def test_values_add_up_and_a_dummy_gets_nothing(
    method: str, players: int, outputs: int, replacements: int, seed: int, gain: float
) -> None:
    module = mlp(players, outputs, gain=gain, seed=seed)
    with torch.no_grad():
        module[0].weight[:, -1] = 0.0
    rows, background = numbers(3, players, seed=seed), numbers(replacements, players, seed=seed + 1)
    budget = None if method == "exact" else 600
    found = shapley_values(module, rows, background, method=method, budget=budget, rng=rng(seed))
    with torch.no_grad():
        outputs_of_rows, base = module(rows).numpy(), module(background).mean(dim=0).numpy()
    np.testing.assert_allclose(found.values.sum(axis=2) + found.base_value, outputs_of_rows, atol=1e-5)
    np.testing.assert_allclose(found.base_value, np.tile(base, (3, 1)), atol=1e-6)
    if method != "kernel":
        np.testing.assert_allclose(found.values[:, :, -1], 0.0, atol=1e-6)


@settings(max_examples=20)
@given(players=st.integers(2, 6), seed=st.integers(0, 999), factor=st.floats(-3.0, 3.0))
def test_enumeration_is_symmetric_linear_and_follows_a_permutation_of_the_players(
    players: int, seed: int, factor: float
) -> None:
    module, other = mlp(players, seed=seed).double(), mlp(players, seed=seed + 1).double()
    rows, background = numbers(2, players, seed=seed).double(), numbers(3, players, seed=seed + 1).double()

    def exact(model: Any, x: torch.Tensor = rows, b: torch.Tensor = background) -> Any:
        return shapley_values(lambda r: model(torch.from_numpy(r)).detach().numpy(), x, b, method="exact").values

    both = exact(lambda r: module(r) + factor * other(r))
    np.testing.assert_allclose(both, exact(module) + factor * exact(other), atol=1e-9)
    order = torch.randperm(players, generator=torch.Generator().manual_seed(seed))
    moved = exact(lambda r: module(r[:, order.argsort()]), rows[:, order], background[:, order])
    np.testing.assert_allclose(moved, exact(module)[:, :, order.numpy()], atol=1e-9)
    alike_rows, alike_background = rows.clone(), background.clone()
    alike_rows[:, 1], alike_background[:, 1] = rows[:, 0], background[:, 0]
    alike = exact(lambda r: module(r) + module(r[:, [1, 0, *range(2, players)]]), alike_rows, alike_background)
    np.testing.assert_allclose(alike[:, :, 0], alike[:, :, 1], atol=1e-9)


@pytest.mark.parametrize("method", OWN)
def test_groups_of_encoded_columns_are_the_raw_players(method: str) -> None:
    module, encode = mlp(5, 2), torch.tensor([[1.0, 0, 0, 0.5, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, -1.0]])
    raw, background = numbers(3, 3), numbers(4, 3, seed=1)
    groups = [[0, 3], [1], [2, 4]]
    found = shapley_values(module, raw @ encode, background @ encode, method=method, groups=groups, rng=rng())
    expected = shapley_values(nn.Sequential(Encoded(encode), module).eval(), raw, background, method="exact")
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6 + 6 * found.standard_error.max())
    naive = by_definition(module, raw @ encode, background @ encode, groups)
    np.testing.assert_allclose(expected.values, naive, atol=1e-6)


class Encoded(nn.Module):
    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self.weights


def test_texts_and_images_are_the_definition() -> None:
    embedded = nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    rows = tokens(2, 4)
    text = shapley_values(embedded, rows, MaskToken(token_id=0))
    np.testing.assert_allclose(text.values, by_definition(embedded, rows, torch.zeros_like(rows[:1])), atol=1e-6)
    convolved = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2)).eval()
    images = numbers(2, 1, 4, 4)
    groups = torch.arange(4).view(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1).unsqueeze(0)
    players = players_of(groups, (1, 4, 4))
    found = shapley_values(convolved, images, Blur(sigma=1.0), groups=groups)
    blurred = Blur(sigma=1.0).replacements(images, players)
    for index, image in enumerate(images):
        naive = naive_shapley(convolved, image, blurred[index], players.groups, 4)
        np.testing.assert_allclose(found.values[index], naive, atol=1e-6)


def test_enumeration_in_single_precision_is_that_in_double_precision() -> None:
    module, rows, background = mlp(10, 2, hidden=32, gain=1.5), numbers(8, 10), numbers(30, 10, seed=1)
    found = shapley_values(module, rows, background, method="exact").values
    other = shapley_values(mlp(10, 2, hidden=32, gain=1.5).double(), rows.double(), background.double(), method="exact")
    apart = np.linalg.norm(found - other.values, axis=2) / np.linalg.norm(other.values, axis=2)
    assert apart.mean() < 1e-6


def test_a_large_enumeration_in_single_precision_is_that_in_double_precision(gold: ShapleyValues) -> None:
    module, rows, background = twelve()
    other = shapley_values(module.double(), rows[:4].double(), background.double(), method="exact").values
    apart = np.linalg.norm(gold.values[:4] - other, axis=2) / np.linalg.norm(other, axis=2)
    assert apart.mean() < 1e-6


def test_shaps_enumeration_agrees() -> None:
    import shap

    module, rows, background = mlp(6, 2), numbers(3, 6).numpy(), numbers(8, 6, seed=1).numpy()

    def predict(given_rows: Any) -> Any:
        with torch.no_grad():
            return module(torch.from_numpy(np.array(given_rows, dtype=np.float32))).numpy()

    masker = shap.maskers.Independent(background, max_samples=100)
    theirs = shap.explainers.ExactExplainer(predict, masker)(rows).values
    ours = shapley_values(module, rows, background).values
    np.testing.assert_allclose(ours, np.moveaxis(theirs, 2, 1), atol=2e-6)


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_look_at() -> Iterator[None]:
    """Keeps what the libraries made out of the collector, which is asked to look after each halving."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def gold() -> ShapleyValues:
    return shapley_values(*twelve(), method="exact")


def twelve() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    return mlp(12, hidden=16, gain=2.0), numbers(12, 12), numbers(100, 12, seed=1)


ROUND = planning.pair_rows(12, 100)
"""Model rows of one round, a row."""
BUDGETS = {4 * ROUND: 100 * planning.pair_rows(12, 1), 120: 400, 1600: 1600}
"""Budgets with a single baseline beside those with a background."""


@pytest.fixture(scope="module")
def gold_of_baseline() -> ShapleyValues:
    module, rows, background = twelve()
    return shapley_values(module, rows, background[:1], method="exact")


@pytest.mark.parametrize("single", [False, True], ids=["background", "baseline"])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "permutation"},
        {"method": "permutation", "budget": 4 * ROUND},
        {"method": "permutation", "target_error": 0.04},
        {"method": "kernel", "budget": 120},
        {"method": "kernel", "budget": 1600},
    ],
    ids=["usual", "more", "target-error", "small-kernel", "kernel"],
)
def test_intervals_cover_and_are_not_too_wide(
    gold: ShapleyValues, gold_of_baseline: ShapleyValues, options: dict[str, Any], *, single: bool
) -> None:
    module, rows, background = twelve()
    exact = gold_of_baseline if single else gold
    if single:
        background, options = background[:1], {**options, "budget": BUDGETS.get(options.get("budget"))}
    runs = [shapley_values(module, rows, background, **options, rng=rng(seed)) for seed in range(25)]
    values, errors = (np.stack([getattr(run, name) for run in runs]) for name in ("values", "standard_error"))
    least = 0.91 if single and options["method"] == "kernel" else 0.93
    assert (np.abs(values - exact.values) <= 1.96 * errors).mean() >= least
    spread = values.std(axis=0, ddof=1)
    assert errors.mean() <= 2.0 * spread.mean()
    assert errors.mean() >= 0.9 * spread.mean()


def test_the_bound_of_a_single_round_is_conservative(gold: ShapleyValues) -> None:
    runs = [shapley_values(*twelve(), method="permutation", budget=ROUND, rng=rng(seed)) for seed in range(25)]
    values, errors = (np.stack([getattr(run, name) for run in runs]) for name in ("values", "standard_error"))
    assert (np.abs(values - gold.values) <= 1.96 * errors).mean() >= 0.97
    assert errors.mean() >= values.std(axis=0, ddof=1).mean()


def relative(found: ShapleyValues, exact: ShapleyValues) -> tuple[float, float]:
    """The error there is and the error that is told, both as a share of the values."""
    size = np.linalg.norm(exact.values)
    return (
        float(np.linalg.norm(found.values - exact.values) / size),
        float(np.linalg.norm(found.standard_error) / size),
    )


@pytest.mark.parametrize("method", ["permutation", "kernel"])
def test_a_hard_model_is_told_to_be_hard(gold: ShapleyValues, method: str) -> None:
    budget = 2 * ROUND if method == "permutation" else 1600
    module, rows, background = twelve()
    exact = shapley_values(parity, rows.double(), background.double(), method="exact")
    hard = shapley_values(parity, rows.double(), background.double(), method=method, budget=budget, rng=rng(1))
    easy = shapley_values(module, rows, background, method=method, budget=budget, rng=rng(1))
    (hard_error, hard_told), (easy_error, easy_told) = relative(hard, exact), relative(easy, gold)
    assert hard_error > 2 * easy_error
    assert hard_told > 2 * easy_told
    assert 0.7 < hard_told / hard_error < 1.5


def test_a_target_error_stops_rows_when_they_reach_it(gold: ShapleyValues) -> None:
    module, rows, background = twelve()
    prediction = Prediction(module)
    plain = shapley_values(*twelve(), method="permutation")
    found = shapley_values(prediction, rows, background, method="permutation", target_error=0.03)
    told = np.linalg.norm(found.standard_error, axis=2) / np.linalg.norm(found.values, axis=2)
    assert told.max() <= 0.03
    assert (np.linalg.norm(plain.standard_error, axis=2) / np.linalg.norm(plain.values, axis=2)).max() > 0.03
    assert found.reached.all()
    assert plain.reached is None
    error = np.linalg.norm(found.values - gold.values, axis=2) / np.linalg.norm(gold.values, axis=2)
    assert error.mean() <= 0.03
    assert 0.7 < told.mean() / error.mean() < 1.4
    fixed = len(rows) + len(background) + 12
    rounds = (found.model_rows - fixed) / ROUND
    assert rounds == int(rounds)
    assert 2 * len(rows) < rounds < planning.MOST_ROUNDS * len(rows)
    distinct = {round(float(value), 12) for value in told[:, 0]}
    assert len(distinct) == len(rows)
    np.testing.assert_allclose(found.values.sum(axis=2) + found.base_value, module(rows).detach().numpy(), atol=1e-5)


def test_a_target_error_ends_with_the_budget() -> None:
    module, rows, background = twelve()
    found = shapley_values(module, rows, background, method="permutation", target_error=1e-9, budget=8 * ROUND)
    assert found.model_rows <= 8 * ROUND * len(rows) + len(rows) + len(background) + 12
    told = np.linalg.norm(found.standard_error, axis=2) / np.linalg.norm(found.values, axis=2)
    assert told.min() > 1e-9
    assert found.reached.shape == (len(rows),)
    assert not found.reached.any()


def test_which_rows_reached_a_target_error_is_told() -> None:
    module, rows, background = twelve()
    found = shapley_values(module, rows, background, method="permutation", target_error=0.03, budget=12 * ROUND)
    told = np.linalg.norm(found.standard_error, axis=2) / np.linalg.norm(found.values, axis=2)
    np.testing.assert_array_equal(found.reached, told[:, 0] <= 0.03)
    assert 0 < found.reached.sum() < len(rows)
    assert shapley_values(mlp(3), numbers(2, 3), numbers(2, 3, seed=1), target_error=0.01).reached.all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_like_the_background_is_not_walked_for_its_rounding(dtype: torch.dtype) -> None:
    module, background = mlp(14, hidden=16, gain=2.0).to(dtype), numbers(1, 14, seed=1, dtype=dtype)
    background = torch.cat([background, background, background + 1e-9])
    found = shapley_values(module, background[:2], background, method="permutation", target_error=0.01)
    usual = shapley_values(module, background[:2], background, method="permutation")
    assert found.model_rows == usual.model_rows
    assert found.reached.all()


@pytest.mark.parametrize("method", OWN)
def test_values_do_not_depend_on_blocks_or_on_memory(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows, background = mlp(5, 2, gain=2.0), numbers(7, 5), numbers(6, 5, seed=1)
    whole = shapley_values(module, rows, background, method=method, rng=rng())
    few = Prediction(Limited(module, 9), batch=BatchSize(64))
    with_few = shapley_values(few, rows, background, method=method, rng=rng())
    assert few.batch.halvings
    np.testing.assert_allclose(with_few.values, whole.values, atol=1e-5)
    for size in (1, 5, 30):
        monkeypatch.setattr(evaluator, "block_rows", lambda widest, device, whole, size=size: size)
        found = shapley_values(module, rows, background, method=method, rng=rng())
        np.testing.assert_allclose(found.values, whole.values, atol=1e-5)
        np.testing.assert_allclose(found.standard_error, whole.standard_error, atol=1e-5)


@pytest.mark.parametrize("method", ["permutation", "kernel"])
def test_seeds_decide_and_global_generators_are_left_alone(method: str) -> None:
    arguments = mlp(8, gain=2.0), numbers(3, 8), numbers(6, 8, seed=1)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 - what must not move
    budget = 200
    first, again, other = (
        shapley_values(*arguments, method=method, budget=budget, rng=rng(seed)).values for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    unsaid = [shapley_values(*arguments, method=method, budget=budget).values for _ in range(2)]
    np.testing.assert_array_equal(*unsaid)
    shared = rng(4)
    one, two = (shapley_values(*arguments, method=method, budget=budget, rng=shared).values for _ in range(2))
    np.testing.assert_array_equal(one, first)
    assert not np.allclose(one, two)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert all(np.array_equal(x, y) for x, y in zip(np.random.get_state(), numpy_state, strict=True))  # noqa: NPY002


def test_tables_and_whole_numbers_are_taken() -> None:
    module, rows, background = mlp(4, 2), numbers(3, 4).numpy(), numbers(5, 4, seed=1).numpy()
    expected = shapley_values(module, rows, background)
    for array in (rows, background):
        array.flags.writeable = False
    frames = shapley_values(module, pd.DataFrame(rows), pd.DataFrame(background))
    np.testing.assert_allclose(frames.values, expected.values, atol=1e-6)
    assert frames.names == ("0", "1", "2", "3")
    named, other = (
        pd.DataFrame(array, columns=["age", "income", "replacements", "sex"]) for array in (rows, background)
    )
    for method in ("auto", "shap.permutation"):
        assert shapley_values(module, named, other, method=method).names == ("age", "income", "replacements", "sex")
    assert shapley_values(module, named, other, groups=[[0], [1, 2], [3]]).names[0] == "player 0"
    whole = np.arange(8).reshape(2, 4)
    found = shapley_values(lambda x: x.sum(axis=1), whole, np.full((1, 4), 0.5))
    np.testing.assert_allclose(found.values[:, 0], whole - 0.5)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2), (torch.float64, 1e-6)])
def test_modules_of_other_precision(dtype: torch.dtype, near: float) -> None:
    module, rows, background = mlp(4, 2), numbers(3, 4), numbers(5, 4, seed=1)
    expected = shapley_values(module, rows, background).values
    found = shapley_values(mlp(4, 2).to(dtype), rows.numpy(), background.numpy())
    np.testing.assert_allclose(found.values, expected, atol=near)
    assert found.values.dtype == np.float64


def test_the_result_becomes_an_explanation_of_shap() -> None:
    found = shapley_values(mlp(4, 2), numbers(3, 4), numbers(5, 4, seed=1), target=1)
    explanation = found.to_shap(numbers(3, 4))
    np.testing.assert_array_equal(explanation.values, found.values[:, 0])
    np.testing.assert_array_equal(explanation.base_values, found.base_value[:, 0])
    assert found.names == ("player 0", "player 1", "player 2", "player 3")
