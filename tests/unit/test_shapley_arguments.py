"""Arguments of `shapley_values` that do not fit each other: each message says what was found and what is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from auditbench.masking import Players, Prediction, generator, players_of
from auditbench_shap.shapley import shapley_values
from tests.naive_games import mlp, numbers


class OwnRows:
    """Two replacements for each row, which others do not have."""

    def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
        return torch.stack([rows + 1, rows - 1], dim=1)


GOOD: dict[str, Any] = {"rows": numbers(3, 30), "background": numbers(10, 30, seed=1)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": torch.full((3, 30), float("nan"))}, "got NaN or infinity"),
        ({"rows": numbers(0, 30)}, r"at least one row, got \(0, 30\)"),
        ({"background": numbers(0, 30)}, r"at least one row, got \(0, 30\)"),
        ({"background": numbers(10, 29)}, r"expected background rows like the rows, .*\(30,\).*got \(10, 29\)"),
        ({"background": torch.full((3, 30), float("nan"))}, "got NaN or infinity"),
        ({"method": "permutations"}, r"expected one of auto, exact, .*got 'permutations'; did you mean 'permutation'"),
        ({"method": "exact"}, "expected at most 24 players to enumerate, got 30"),
        ({"method": "exact", "groups": [[i] for i in range(10)], "budget": 9}, "budget of at least 10220 .* got 9"),
        ({"method": "permutation", "budget": 579}, "budget of at least 580 model rows a row .* got 579"),
        ({"method": "kernel", "budget": 239}, "budget of at least 240 model rows a row, got 239"),
        ({"method": "kernel", "budget": 119, "background": numbers(1, 30)}, "budget of at least 120 .* got 119"),
        ({"budget": 239}, "budget of at least 240 model rows a row, got 239"),
        ({"budget": 57, "background": numbers(1, 30)}, "budget of at least 58 model rows a row, got 57"),
        ({"budget": 0}, "at least 1, got 0"),
        ({"budget": 1e3}, "whole model rows a row, at least 1, got 1000.0"),
        ({"target_error": 0.0}, "between 0 and 1, a share of the values, got 0.0"),
        ({"target_error": 5.0}, "between 0 and 1, a share of the values, got 5.0"),
        ({"target_error": float("nan")}, "between 0 and 1, a share of the values, got nan"),
        ({"target_error": 0.1, "budget": 300}, "at least 1160 .* the two rounds .* a target error needs, got 300"),
        ({"target_error": 0.1, "budget": 1159}, "at least 1160 .* the two rounds .* a target error needs, got 1159"),
        ({"target_error": 0.1, "method": "kernel"}, "one of auto, exact, permutation for a target error, .* kernel"),
        ({"target_error": 0.1, "method": "shap.kernel"}, "one of auto, exact, .* got the method shap.kernel"),
        ({"target": 2}, "expected targets from 0 to 1, got 2"),
        ({"target": [0, 1]}, r"one for each of 3 rows, as the target, got \(2,\)"),
        ({"groups": np.array([0] * 29 + [2])}, r"without a gap.*got \[0, 2\]"),
        ({"groups": [[0, 1], [1]]}, "got 1 in 0 and 1"),
        ({"groups": [[30]]}, "from 0 to 29, got 30"),
        ({"groups": players_of(None, (29,))}, r"rows of shape \(3, 30\), got \(29,\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    given_arguments = {**GOOD, **changes}
    with pytest.raises(ValueError, match=said):
        shapley_values(mlp(30, 2), **given_arguments)


PER_ROW = np.tile(np.arange(30), (3, 1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"groups": PER_ROW}, "rows that do not share their replacements and players, got kernel"),
        ({"background": OwnRows()}, "rows that do not share their replacements and players, got kernel"),
        ({"groups": np.minimum(PER_ROW, [[29], [28], [29]]), "background": numbers(1, 30)}, "rows that lack players"),
    ],
)
def test_rows_that_share_no_regression_are_walked(changes: dict[str, Any], said: str) -> None:
    arguments = {**GOOD, **changes}
    with pytest.raises(ValueError, match=f"expected the method permutation for {said}"):
        shapley_values(mlp(30, 2), **arguments, method="kernel", budget=300)
    with pytest.raises(ValueError, match=r"at least (58|116|580) model rows a row for a round of walks, got 57"):
        shapley_values(mlp(30, 2), **arguments, budget=57)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "kernels"},
        {"method": "shap.kernels"},
        {"budget": 0},
        {"budget": 57},
        {"target_error": -1.0},
        {"target_error": 0.1, "budget": 600},
        {"method": "exact"},
    ],
)
def test_no_row_is_evaluated_for_a_plan_that_is_refused(changes: dict[str, Any]) -> None:
    prediction = Prediction(mlp(30))
    with pytest.raises(ValueError, match="expected"):
        shapley_values(prediction, **GOOD, **changes)
    assert prediction.rows == 0


@pytest.mark.parametrize("method", ["exact", "permutation", "kernel"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_outputs_of_masked_rows_are_finite(method: str, wrong: float) -> None:
    rows, background = np.ones((2, 4)), np.zeros((3, 4))

    def predict(given: Any) -> Any:
        mixed = (given.sum(axis=1) > 0) & (given.sum(axis=1) < 4)
        return np.where(mixed, wrong, given.sum(axis=1))

    with pytest.raises(ValueError, match="finite outputs for rows with hidden players, got NaN or infinity"):
        shapley_values(predict, rows, background, method=method)


def test_other_kinds_of_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"expected an nn\.Module or a predict function, got int"):
        shapley_values(5, **GOOD)
    with pytest.raises(TypeError, match="expected a numpy Generator as rng, got int"):
        shapley_values(mlp(30), **GOOD, rng=5)
    with pytest.raises(ValueError, match="got one in training mode"):
        shapley_values(mlp(30).train(), **GOOD)
    with pytest.raises(ValueError, match=r"expected outputs of shape \(10,\) or \(10, outputs\), got \(3,\)"):
        shapley_values(lambda rows: rows[:3, 0], **GOOD)


def test_a_generator_is_given_or_has_seed_0() -> None:
    rng = np.random.default_rng(5)
    assert generator(rng) is rng
    assert generator(None).random() == np.random.default_rng(0).random()
    with pytest.raises(TypeError, match=r"expected a numpy Generator as rng, got int; np\.random\.default_rng\(seed\)"):
        generator(5)  # type: ignore[arg-type]
