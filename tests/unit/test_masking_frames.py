"""Tables with named columns: numbers of several kinds, and columns that differ or come in another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from auditbench.masking import occlusion
from auditbench_lime import lime_weights
from auditbench_shap import shapley_values

FRAME = pd.DataFrame(
    {"x": [0.5, 1.5, 2.5, 0.1, 0.7, 1.9], "n": [1, 2, 3, 1, 2, 5], "flag": [True, False, True, False, True, False]}
)
EXPLAINERS: dict[str, Callable[..., Any]] = {
    "shap": shapley_values,
    "shap.kernel": lambda *given: shapley_values(*given, method="shap.kernel"),
    "lime": lime_weights,
    "occlusion": occlusion,
}


def linear(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(rows, dtype=np.float64) @ np.array([1.0, 10.0, 100.0])


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_numbers_and_flags_are_numbers(explain: Callable[..., Any]) -> None:
    found = explain(linear, FRAME, FRAME)
    plain = explain(linear, FRAME.to_numpy(dtype=np.float64), FRAME.to_numpy(dtype=np.float64))
    assert found.names == ("x", "n", "flag")
    np.testing.assert_allclose(found.values, plain.values, atol=1e-9)


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_columns_in_another_order_are_refused(explain: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"in their order, x, n, flag, got flag, n, x; pass \w+\[rows.columns\]"):
        explain(linear, FRAME, FRAME[["flag", "n", "x"]])
    with pytest.raises(ValueError, match="got a, n, flag"):
        explain(linear, FRAME, FRAME.rename(columns={"x": "a"}))


@pytest.mark.parametrize("explain", [shapley_values, lime_weights, occlusion])
def test_text_is_refused_by_the_name_of_its_column(explain: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"expected numbers in `rows`, got columns town"):
        explain(linear, FRAME.assign(town="Ulm"), FRAME.assign(town="Ulm"))
