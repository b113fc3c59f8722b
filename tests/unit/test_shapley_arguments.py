"""Arguments of `shapley_values` that do not fit each other: each message says what was found and what is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
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
        ({"rows": torch.full((3, 30), float("nan"))}, "finite numbers in `rows`, got nan in row 0, feature 0"),
        ({"rows": numbers(0, 30)}, r"`rows` of shape .* at least one row, got shape \(0, 30\)"),
        ({"background": numbers(0, 30)}, r"`background` of shape .* at least one row, got shape \(0, 30\)"),
        ({"background": numbers(10, 29)}, r"`background` of shape \(background rows, 30\) .*, got shape \(10, 29\)"),
        ({"background": torch.full((3, 30), float("nan"))}, "finite numbers in `background`, got nan in row 0"),
        (
            {"rows": numbers(3, 29), "background": numbers(4, 29)},
            r"rows that the module takes, got shape \(3, 29\) of torch.float32; it says: mat1",
        ),
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
        ({"groups": {"all": ["age"]}}, "by index, since the rows have no named columns, got 'age' in group 0"),
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


def test_a_model_that_changes_its_mind_is_not_enumerated() -> None:
    noise = np.random.default_rng(0)

    def predict(table: Any) -> Any:
        return table.sum(axis=1) + noise.normal(scale=0.1, size=len(table))

    rows, background = numbers(3, 5).numpy(), numbers(40, 5, seed=1).numpy()
    with pytest.raises(ValueError, match=r"same outputs for the same rows to enumerate, got differences up to 0\.\d+"):
        shapley_values(predict, rows, background)
    walked = shapley_values(predict, rows, background, method="permutation")
    assert walked.standard_error is not None
    assert walked.standard_error.min() > 1e-4


def test_a_predict_function_is_enumerated_up_to_fewer_rows() -> None:
    def predict(table: Any) -> Any:
        return table.sum(axis=1)

    for players, method in ((8, "exact"), (9, "permutation")):
        rows, background = numbers(1, players).numpy(), numbers(100, players, seed=1).numpy()
        assert shapley_values(predict, rows, background).method == method
        assert shapley_values(mlp(players), rows, background).method == "exact"


def test_players_are_given_by_the_names_of_columns() -> None:
    rows = pd.DataFrame(numbers(3, 4).numpy(), columns=["age", "sex", "height", "weight"])
    background = pd.DataFrame(numbers(5, 4, seed=1).numpy(), columns=rows.columns)
    groups = {"body": ["height", "weight"], "person": ["age", 1]}
    found = shapley_values(mlp(4), rows, background, groups=groups)
    assert found.names == ("body", "person")
    assert found.to_shap().feature_names == ["body", "person"]
    by_index = shapley_values(mlp(4), rows, background, groups=[[2, 3], [0, 1]])
    np.testing.assert_array_equal(found.values, by_index.values)
    by_library = shapley_values(mlp(4), rows, background, groups=groups, method="shap.kernel")
    assert by_library.names == ("body", "person")
    np.testing.assert_allclose(by_library.values, found.values, atol=1e-5)
    with pytest.raises(
        ValueError, match="expected the name of one column, got 'wieght' in group 0; did you mean 'weight'"
    ):
        shapley_values(mlp(4), rows, background, groups={"body": ["wieght"]})
    assert shapley_values(mlp(4), rows.to_numpy(), background).to_shap(rows).feature_names == list(rows.columns)


def test_results_say_what_they_hold_in_one_line() -> None:
    found = shapley_values(mlp(4, 2), numbers(3, 4), numbers(5, 4, seed=1))
    assert repr(found) == f"ShapleyValues(rows=3, targets=2, players=4, method='exact', model_rows={found.model_rows})"
