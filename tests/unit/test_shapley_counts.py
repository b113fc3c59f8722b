"""What Shapley values cost, free of noise: model rows, operations, reads by the host and the largest tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from auditbench.masking import Blur, Prediction, players_of
from auditbench.testing.operations import count_operations
from auditbench_shap.exact import enumeration_rows
from auditbench_shap.shapley import ShapleyValues, shapley_values
from auditbench_shap.walks import pair_rows
from tests.limited_model import Limited
from tests.naive_games import mlp, numbers


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that an operation makes; views of others make none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and not func.is_view:
            self.bytes = max(self.bytes, found.numel() * found.element_size())
        return found


def explained(
    rows: int = 200,
    replacements: int = 100,
    players: int = 30,
    *,
    outputs: int = 1,
    factored: bool = True,
    **options: Any,
) -> ShapleyValues:
    module = mlp(players, outputs, hidden=64)
    model = module if factored else Limited(module, 1 << 30)
    return shapley_values(model, numbers(rows, players), numbers(replacements, players, seed=1), **options)


def largest(*arguments: Any, **options: Any) -> int:
    with Largest() as found:
        explained(*arguments, **options)
    return found.bytes


ROUND = pair_rows(30, 100)


def test_a_round_and_an_enumeration_have_the_rows_that_are_documented() -> None:
    assert ROUND == 5800
    assert pair_rows(1, 100) == 0
    assert enumeration_rows(12, 100) == 409_400
    assert enumeration_rows(1, 100) == 0


def test_without_a_budget_twelve_features_are_enumerated_only_where_the_first_layer_is_computed_once() -> None:
    assert [explained(2, 40, 12, factored=factored).method for factored in (True, False)] == ["exact", "permutation"]
    assert explained(2, 40, 9, factored=False).method == "exact"


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize(
    ("method", "budget", "each"),
    [
        ("exact", None, (2**6 - 2) * 7),
        ("permutation", None, 12 * 2 * 7 * 5),
        ("permutation", 2 * 7 * 5, 2 * 7 * 5),
        ("permutation", 3 * 2 * 7 * 5 + 1, 2 * 2 * 7 * 5),
        ("kernel", None, 2 * (1024 + 6)),
        ("kernel", 101, 100),
        ("kernel", 48, 48),
    ],
)
def test_model_rows_of_each_method(method: str, budget: int | None, each: int, *, factored: bool) -> None:
    found = explained(10, 7, 6, factored=factored, method=method, budget=budget)
    seen_again = 4 if method == "exact" else 0
    looked_at = (12 if factored else 4) + seen_again
    assert found.model_rows == 10 * each + 10 + 7 + looked_at
    assert budget is None or each <= budget
    again = Prediction(mlp(6))
    rows = [
        shapley_values(again, numbers(10, 6), numbers(7, 6, seed=1), method=method, budget=budget).model_rows
        for _ in range(2)
    ]
    assert rows == [10 * each + 29 + seen_again] * 2


def test_replacements_of_each_row_are_evaluated_for_each_row() -> None:
    images, groups = numbers(5, 1, 4, 4), torch.arange(4).repeat_interleave(4).view(1, 4, 4)
    found = shapley_values(
        lambda rows: rows.reshape(len(rows), -1).sum(axis=1),
        images,
        Blur(sigma=1.0),
        groups=players_of(groups, (1, 4, 4)),
    )
    assert found.method == "exact"
    assert found.model_rows == 5 * 14 + 5 + 5 + 4


def test_auto_takes_what_the_budget_allows() -> None:
    for budget, method in ((enumeration_rows(6, 7), "exact"), (70, "permutation"), (69, "kernel"), (48, "kernel")):
        assert explained(3, 7, 6, budget=budget).method == method
    assert explained(3, 7, 6).method == "exact"
    assert explained(1, 2, 30).method == "permutation"


@pytest.mark.parametrize(("factored", "most"), [(True, 2), (False, 16)])
def test_operations_of_a_row_at_one_round(*, factored: bool, most: int) -> None:
    module, rows, background = mlp(30, hidden=64), numbers(200, 30), numbers(100, 30, seed=1)
    model = module if factored else Limited(module, 1 << 30)
    with count_operations() as counted:
        found = shapley_values(model, rows, background, method="permutation", budget=ROUND)
    assert found.model_rows == 200 * ROUND + 200 + 100 + (12 if factored else 4)
    assert counted.operations / 200 <= most


BUDGETS = {"permutation": 2 * pair_rows(6, 100)}


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("method", ["permutation", "kernel", "exact"])
@pytest.mark.parametrize("size", [{"rows": 250, "replacements": 5}, {"rows": 4, "replacements": 100}])
def test_no_read_by_the_host_within_the_loop(method: str, size: dict[str, Any], *, factored: bool) -> None:
    with count_operations() as few:
        small = explained(4, 5, 6, method=method, budget=BUDGETS.get(method), factored=factored)
    with count_operations() as many:
        large = explained(**size, players=6, method=method, budget=BUDGETS.get(method), factored=factored)
    assert (large.model_rows or 0) > (small.model_rows or 0)
    assert many.host_reads == few.host_reads < 40


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("method", ["permutation", "exact"])
def test_null_players_of_all_rows_are_read_once(method: str, *, factored: bool) -> None:
    reads = []
    for rows in (4, 600):
        with count_operations() as counted:
            explained(rows, 1200, 5, method=method, budget=4 * pair_rows(5, 1200), factored=factored)
        reads.append(counted.host_reads)
    assert reads[0] == reads[1]


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize(
    "change",
    [{"rows": 300}, {"budget": 2 * pair_rows(12, 300)}, {"replacements": 600, "budget": pair_rows(12, 600)}],
    ids=["rows", "rounds", "background"],
)
def test_memory_does_not_grow(change: dict[str, Any], *, factored: bool) -> None:
    plain: dict[str, Any] = {"rows": 256, "replacements": 300, "method": "permutation", "budget": pair_rows(12, 300)}
    base = largest(**plain, players=12, factored=factored)
    assert largest(**{**plain, **change}, players=12, factored=factored) <= 1.1 * base
    assert base < 36 * 2**20


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize(
    "change",
    [{"budget": 60_000}, {"outputs": 40}, {"outputs": 40, "budget": 30_000}, {"replacements": 3000, "budget": 6000}],
    ids=["budget", "outputs", "both", "background"],
)
def test_memory_of_the_regression_does_not_grow(change: dict[str, Any], *, factored: bool) -> None:
    plain: dict[str, Any] = {"rows": 64, "replacements": 100, "method": "kernel", "budget": 2000}
    base = largest(**plain, players=12, factored=factored)
    assert largest(**{**plain, **change}, players=12, factored=factored) <= max(1.1 * base, 12 * 2**20)


def test_memory_does_not_grow_with_a_large_background() -> None:
    base = largest(256, 500, 3, method="exact")
    assert largest(256, 3000, 3, method="exact") <= max(2 * base, 36 * 2**20)


def test_memory_of_enumeration_does_not_grow_with_players_or_background() -> None:
    base = largest(16, 20, 11, method="exact")
    assert largest(16, 40, 12, method="exact") <= 1.1 * base


def test_a_seed_is_all_that_is_drawn() -> None:
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    explained(3, 4, 6, method="permutation", rng=rng)
    other.random((4, 9, 6))
    assert rng.random() == other.random()
