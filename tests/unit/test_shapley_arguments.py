"""Arguments of `shapley_values` that do not fit each other: each message says what was found and what is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from auditbench.masking import players_of
from auditbench_shap.shapley import shapley_values
from tests.naive_games import mlp, numbers

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
        ({"method": "kernel", "budget": 59}, "budget of at least 60 model rows a row, got 59"),
        ({"budget": 59}, "budget of at least 60 model rows a row, got 59"),
        ({"budget": 0}, "at least 1, got 0"),
        ({"budget": 1e3}, "whole model rows a row, at least 1, got 1000.0"),
        ({"target_error": 0.0}, "expected a target error above 0, got 0.0"),
        ({"target_error": float("nan")}, "expected a target error above 0, got nan"),
        ({"target_error": 0.1, "budget": 100}, "larger budget for a target error, got auto, 100"),
        ({"target_error": 0.1, "method": "kernel"}, "expected the method permutation .* got kernel"),
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


def test_other_kinds_of_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"expected an nn\.Module or a predict function, got int"):
        shapley_values(5, **GOOD)
    with pytest.raises(TypeError, match="expected a numpy Generator as rng, got int"):
        shapley_values(mlp(30), **GOOD, rng=5)
    with pytest.raises(ValueError, match="got one in training mode"):
        shapley_values(mlp(30).train(), **GOOD)
    with pytest.raises(ValueError, match=r"expected outputs of shape \(10,\) or \(10, outputs\), got \(3,\)"):
        shapley_values(lambda rows: rows[:3, 0], **GOOD)
