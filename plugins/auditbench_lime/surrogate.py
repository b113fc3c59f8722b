"""`local_surrogates`: lime's weighted linear model around each raw row.

The analyzer knows this function alone, so that another engine can take the library's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from lime.discretize import QuartileDiscretizer
from lime.lime_tabular import LimeTabularExplainer

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import FeatureSpec

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Predict: TypeAlias = Callable[[Numbers], Numbers]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalSurrogates:
    """Local linear models of some rows, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, features)`: weight of "the feature is in this row's bin or category".
        intercepts: Shape `(rows, targets)`.
        fidelity: Shape `(rows, targets)`: weighted R squared on the perturbed rows that the linear model was fitted to;
            at most 1, NaN where the output of all of them is equal.
        unseen: Shape `(rows, features)`: the row's bin or category has no background row, so that only the row itself
            informs the weight.
        model_rows: Rows the model evaluated.
    """

    values: Numbers
    intercepts: Numbers
    fidelity: Numbers
    unseen: npt.NDArray[np.bool_]
    model_rows: int


def local_surrogates(
    predict: Predict,
    rows: Numbers,
    background: Numbers,
    features: tuple[FeatureSpec, ...],
    *,
    num_samples: int,
    rng: np.random.Generator,
    kernel_width: float | None = None,
) -> LocalSurrogates:
    """Fit lime's ridge regression around each row, with all features kept.

    Numbers are cut at the quartiles of the background; bins and categories are drawn with their frequencies there, each
    feature by itself. One set of perturbed rows serves all targets of a row.

    Args:
        predict: From raw rows, shape `(any, features)`, to outputs, shape `(any, targets)`.
        rows: Rows to explain, shape `(rows, features)`, without NaN.
        background: Shape `(background rows, features)`, without NaN.

    References: arXiv:1602.04938, section 3.4.
    """
    explainer = _explainer(background, features, kernel_width)
    fits = [_fit(explainer, predict, row, num_samples, int(rng.integers(2**32))) for row in rows]
    return LocalSurrogates(
        values=np.stack([weights for weights, _, _ in fits]),
        intercepts=np.stack([intercepts for _, intercepts, _ in fits]),
        fidelity=np.stack([fidelity for _, _, fidelity in fits]),
        unseen=np.stack([_unseen(explainer, row) for row in rows]),
        model_rows=num_samples * len(rows),
    )


class _Quartiles(QuartileDiscretizer):  # type: ignore[misc]  # the library has no types
    """lime's quartile bins, but a bin that holds a single value gives that value.

    lime 0.2 returns 0 there: the standardised value, not the value itself.
    """

    def get_undiscretize_values(self, feature: int, values: npt.NDArray[np.int64]) -> Numbers:
        drawn = super().get_undiscretize_values(feature, values)
        lowest, highest = np.array(self.mins[feature])[values], np.array(self.maxs[feature])[values]
        return np.where(lowest == highest, lowest, drawn)


def _explainer(background: Numbers, features: tuple[FeatureSpec, ...], kernel_width: float | None) -> Any:
    groups = {index: feature for index, feature in enumerate(features) if feature.kind == "category"}
    names = [feature.name for feature in features]
    return LimeTabularExplainer(
        background,
        mode="regression",
        feature_names=names,
        categorical_features=list(groups),
        categorical_names={index: [*feature.categories, "missing"] for index, feature in groups.items()},
        kernel_width=kernel_width,
        feature_selection="none",
        discretizer=_Quartiles(background, list(groups), names),
        random_state=0,
    )


def _fit(
    explainer: Any, predict: Predict, row: Numbers, num_samples: int, seed: int
) -> tuple[Numbers, Numbers, Numbers]:
    """Weights `(targets, features)`, intercepts and fidelity `(targets,)` of one row.

    The library explains one output a call; the same seed draws the same perturbed rows for each, so that the outputs
    of the first call serve the others.
    """
    outputs = np.empty((0, 1))
    target, weights, intercepts, fidelity = 0, [], [], []

    def predict_target(perturbed: Numbers) -> Numbers:
        nonlocal outputs
        if not len(outputs):
            outputs = predict(perturbed)
        return outputs[:, target]

    while target == 0 or target < outputs.shape[1]:
        state = np.random.RandomState(seed)
        explainer.random_state = explainer.discretizer.random_state = state
        fit = explainer.explain_instance(row, predict_target, num_features=len(row), num_samples=num_samples)
        weights.append([weight for _, weight in sorted(fit.local_exp[1])])
        intercepts.append(fit.intercept[1])
        fidelity.append(fit.score if np.ptp(outputs[:, target]) > 0 else np.nan)
        target += 1
    return np.asarray(weights), np.asarray(intercepts), np.asarray(fidelity)


def _unseen(explainer: Any, row: Numbers) -> npt.NDArray[np.bool_]:
    bins = explainer.discretizer.discretize(row)
    return np.asarray([bins[index] not in explainer.feature_values[index] for index in range(len(row))])
