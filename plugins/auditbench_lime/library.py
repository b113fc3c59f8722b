"""`library_weights`: the same local models by the lime library, row by row: the alternative and the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lime.discretize import QuartileDiscretizer
from lime.lime_tabular import LimeTabularExplainer

from auditbench.masking import Prediction, Target, chosen_targets
from auditbench_lime.weights import LimeWeights, as_table, check_request

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench_lime.bins import Numbers
    from auditbench_lime.weights import Predict, Rows


def library_weights(
    model_or_predict: nn.Module | Predict,
    rows: Rows,
    training_rows: Rows,
    *,
    num_samples: int = 5000,
    target: Target = None,
    rng: np.random.Generator | None = None,
    kernel_width: float | None = None,
    categorical_features: Sequence[int] = (),
) -> LimeWeights:
    """What `lime_weights` with independent samples gives, with each row's samples drawn and fitted by the library.

    Arguments and errors are those of `lime_weights`. One set of samples serves all targets of a row.

    References: `LimeTabularExplainer` of lime 0.2.
    """
    explained, training = as_table(rows, "rows"), as_table(training_rows, "training_rows")
    check_request(explained, training, num_samples, kernel_width, categorical_features)
    prediction, generator = Prediction(model_or_predict), rng or np.random.default_rng(0)
    outputs = prediction.of_all(prediction.as_rows(explained))
    explainer = _explainer(training, list(categorical_features), kernel_width)
    targets = chosen_targets(target, outputs)
    chosen = targets.select(torch.arange(outputs.shape[1], device=outputs.device).expand(outputs.shape))
    fits = [
        _fit(explainer, prediction, row, own.tolist(), num_samples, int(generator.integers(2**32)))
        for row, own in zip(explained, chosen, strict=True)
    ]
    return LimeWeights(
        values=np.stack([weights for weights, _, _ in fits]),
        intercept=np.stack([intercepts for _, intercepts, _ in fits]),
        r2=np.stack([r2 for _, _, r2 in fits]),
        unseen=np.stack([_unseen(explainer, row) for row in explained]),
        model_rows=prediction.rows,
    )


class _Quartiles(QuartileDiscretizer):  # type: ignore[misc]  # the library has no types
    """lime's quartile bins, but a bin that holds a single value gives that value.

    lime 0.2 returns 0 there: the standardised value, not the value itself.
    """

    def get_undiscretize_values(self, feature: int, values: npt.NDArray[np.int64]) -> Numbers:
        drawn = super().get_undiscretize_values(feature, values)
        lowest, highest = np.array(self.mins[feature])[values], np.array(self.maxs[feature])[values]
        return np.where(lowest == highest, lowest, drawn)


def _explainer(training: Numbers, categorical: list[int], kernel_width: float | None) -> Any:
    names = [str(feature) for feature in range(training.shape[1])]
    return LimeTabularExplainer(
        training,
        mode="regression",
        feature_names=names,
        categorical_features=categorical,
        kernel_width=kernel_width,
        feature_selection="none",
        discretizer=_Quartiles(training, categorical, names),
        random_state=0,
    )


def _fit(
    explainer: Any, prediction: Prediction, row: Numbers, targets: list[int], num_samples: int, seed: int
) -> tuple[Numbers, Numbers, Numbers]:
    """Weights `(targets, features)`, intercepts and R squared `(targets,)` of one row.

    The library explains one output a call; the same seed draws the same samples for each, so that the outputs of the
    first call serve the others.
    """
    outputs = np.empty((0, 0))

    def predict(target: int) -> Callable[[Numbers], Numbers]:
        def predicted(perturbed: Numbers) -> Numbers:
            nonlocal outputs
            if not len(outputs):
                outputs = prediction.of_all(prediction.as_rows(perturbed)).double().cpu().numpy()
            return outputs[:, target]

        return predicted

    weights, intercepts, r2 = [], [], []
    for target in targets:
        explainer.random_state = explainer.discretizer.random_state = np.random.RandomState(seed)
        fit = explainer.explain_instance(row, predict(target), num_features=len(row), num_samples=num_samples)
        weights.append([weight for _, weight in sorted(fit.local_exp[1])])
        intercepts.append(fit.intercept[1])
        r2.append(fit.score if np.ptp(outputs[:, target]) > 0 else np.nan)
    return np.asarray(weights), np.asarray(intercepts), np.asarray(r2)


def _unseen(explainer: Any, row: Numbers) -> npt.NDArray[np.bool_]:
    bins = explainer.discretizer.discretize(row)
    return np.asarray([bins[index] not in explainer.feature_values[index] for index in range(len(row))])
