"""`shapley_values`: interventional Shapley values of raw rows, by the estimators of the shap library.

The analyzer knows this function alone, so that another engine can take the library's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditbench.masking import global_seed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Predict: TypeAlias = Callable[[Numbers], Numbers]

Method: TypeAlias = Literal["exact", "permutation", "kernel", "sampling"]
EXACT_UP_TO = 10
"""Most features for which `auto` enumerates all 2^features coalitions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapleyValues:
    """Shapley values of some rows, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, features)`.
        base_value: Shape `(targets,)`: mean output of the background rows.
        standard_error: Shape of `values`; 0 where exact, absent where the estimator gives none.
        model_rows: Rows the model evaluated.
        method: The estimator used.
    """

    values: Numbers
    base_value: Numbers
    standard_error: Numbers | None
    model_rows: int
    method: Method


def chosen_method(method: Literal["auto"] | Method, features: int) -> Method:
    """The estimator that `auto` stands for; any other name stands for itself."""
    if method != "auto":
        return method
    return "exact" if features <= EXACT_UP_TO else "permutation"


def shapley_values(
    predict: Predict,
    rows: Numbers,
    background: Numbers,
    *,
    method: Literal["auto"] | Method,
    rng: np.random.Generator,
    rounds: int = 10,
    samples: int | None = None,
) -> ShapleyValues:
    """Shapley values of `v(S) = mean over background rows b of f(x on S, b elsewhere)`.

    No estimator selects features (`l1_reg=0`), and every background row is used. The library draws from numpy's global
    generator, which is seeded from `rng` here and put back afterwards.

    Args:
        predict: From raw rows, shape `(any, features)`, to outputs, shape `(any, targets)`.
        rows: Rows to explain, shape `(rows, features)`, without NaN.
        background: Shape `(background rows, features)`, without NaN.
        rounds: Antithetic pairs of permutations of `permutation`, at least 2; their spread gives the standard error.
        samples: Coalitions a row of `kernel` (default 2 features + 2048), or draws a row of `sampling` (default
            1000 x features).

    References: arXiv:1705.07874, equations 5 to 9.
    """
    counted = _CountedPredict(predict)
    used = chosen_method(method, rows.shape[1])
    base_value = counted(background).mean(axis=0)
    with global_seed(rng):
        if used == "exact":
            values, standard_error = _exact(counted, rows, background)
        elif used == "permutation":
            values, standard_error = _permutation(counted, rows, background, rounds)
        else:
            values, standard_error = _regression(counted, rows, background, used, samples), None
    return ShapleyValues(
        values=values,
        base_value=base_value,
        standard_error=standard_error,
        model_rows=counted.rows,
        method=used,
    )


class _CountedPredict:
    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self.rows = 0

    def __call__(self, raw: Numbers) -> Numbers:
        self.rows += len(raw)
        return self._predict(raw)


def _exact(predict: Predict, rows: Numbers, background: Numbers) -> tuple[Numbers, Numbers]:
    import numpy as np
    import shap

    values = _row_by_row(shap.ExactExplainer(predict, _masker(background)), rows, 2 ** rows.shape[1])
    return values, np.zeros_like(values)


def _permutation(predict: Predict, rows: Numbers, background: Numbers, rounds: int) -> tuple[Numbers, Numbers]:
    """One call a round, each with orders of its own, so that rounds are independent and their spread is known."""
    import numpy as np
    import shap

    explainer = shap.PermutationExplainer(predict, _masker(background), seed=int(np.random.randint(2**31)))  # noqa: NPY002 - see `global_seed`
    cost = 2 * rows.shape[1] + 1
    drawn = np.stack([_row_by_row(explainer, rows, cost) for _ in range(rounds)])
    return drawn.mean(axis=0), drawn.std(axis=0, ddof=1) / np.sqrt(rounds)


def _regression(predict: Predict, rows: Numbers, background: Numbers, method: Method, samples: int | None) -> Numbers:
    import shap

    features = rows.shape[1]
    if method == "sampling":
        explainer = shap.SamplingExplainer(predict, background)
        return _by_target(explainer.shap_values(rows, nsamples=samples or 1000 * features, silent=True))
    kernel = shap.KernelExplainer(predict, background)
    return _by_target(kernel.shap_values(rows, nsamples=samples or 2 * features + 2048, l1_reg=0, silent=True))


def _row_by_row(explainer: Any, rows: Numbers, max_evals: int) -> Numbers:
    """One call a row: given several, shap 0.51 also evaluates main effects, unasked, for each row after the first."""
    import numpy as np

    parts = [explainer(rows[index : index + 1], max_evals=max_evals, silent=True).values for index in range(len(rows))]
    return _by_target(np.concatenate(parts))


def _masker(background: Numbers) -> Any:
    import shap

    return shap.maskers.Independent(background, max_samples=len(background))


def _by_target(values: Any) -> Numbers:
    """From the library's `(rows, features, targets)`, whose last axis may be absent, to `(rows, targets, features)`."""
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    return array[:, np.newaxis, :] if array.ndim == 2 else np.ascontiguousarray(array.transpose(0, 2, 1))
