"""`library_weights`: the same local models by the lime library, row by row: the alternative and the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lime.discretize import QuartileDiscretizer
from lime.lime_tabular import LimeTabularExplainer

from auditbench.masking import Prediction, Target, chosen_targets, generator
from auditbench_lime.outputs import check_outputs
from auditbench_lime.weights import LimeWeights, as_prediction, check_samples, columns_of, tables

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_lime.bins import Numbers
    from auditbench_lime.weights import Model, Rows


def library_weights(
    model_or_predict: Model,
    rows: Rows,
    training_rows: Rows,
    *,
    num_samples: int = 5000,
    target: Target = None,
    rng: np.random.Generator | None = None,
    kernel_width: float | None = None,
    categorical_features: Sequence[int | str] = (),
) -> LimeWeights:
    """What `lime_weights` with independent samples gives, with each row's samples drawn and fitted by the library.

    Arguments and errors are those of `lime_weights`. One set of samples serves all targets of a row.

    References: `LimeTabularExplainer` of lime 0.2.
    """
    random = generator(rng)
    names, explained, training = tables(rows, training_rows)
    check_samples(num_samples, kernel_width)
    prediction = as_prediction(model_or_predict)
    before = prediction.rows
    outputs = prediction.of_all(prediction.as_rows(explained))
    check_outputs(outputs, "row")
    kernel = _Kernel()
    explainer = _explainer(training, columns_of(categorical_features, names), kernel, kernel_width)
    targets = chosen_targets(target, outputs)
    chosen = targets.select(torch.arange(outputs.shape[1], device=outputs.device).expand(outputs.shape))
    fits = [
        _fit(explainer, kernel, prediction, row, own.tolist(), num_samples, int(random.integers(2**32)))
        for row, own in zip(explained, chosen, strict=True)
    ]
    return LimeWeights(
        values=np.stack([fit.weights for fit in fits]),
        intercept=np.stack([fit.intercepts for fit in fits]),
        r2=np.stack([fit.r2 for fit in fits]),
        effective_samples=np.asarray([fit.effective_samples for fit in fits]),
        unseen=np.stack([_unseen(explainer, row) for row in explained]),
        model_rows=prediction.rows - before,
        names=names,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """The local models of one row: weights `(targets, features)`, intercepts and R squared `(targets,)`."""

    weights: Numbers
    intercepts: Numbers
    r2: Numbers
    effective_samples: float


class _Quartiles(QuartileDiscretizer):  # type: ignore[misc]  # the library has no types
    """lime's quartile bins, but a bin that holds a single value gives that value.

    lime 0.2 returns 0 there: the standardised value, not the value itself.
    """

    def get_undiscretize_values(self, feature: int, values: npt.NDArray[np.int64]) -> Numbers:
        drawn = super().get_undiscretize_values(feature, values)
        lowest, highest = np.array(self.mins[feature])[values], np.array(self.maxs[feature])[values]
        return np.where(lowest == highest, lowest, drawn)


class _Kernel:
    """lime's kernel; `weights` are those of the last samples."""

    weights: Numbers

    def __call__(self, distances: Numbers, kernel_width: float) -> Numbers:
        self.weights = np.exp(-(distances**2) / (2 * kernel_width**2))
        return self.weights


def _explainer(training: Numbers, categorical: list[int], kernel: _Kernel, kernel_width: float | None) -> Any:
    names = [str(feature) for feature in range(training.shape[1])]
    return LimeTabularExplainer(
        training,
        mode="regression",
        feature_names=names,
        categorical_features=categorical,
        kernel=kernel,
        kernel_width=kernel_width,
        feature_selection="none",
        discretizer=_Quartiles(training, categorical, names),
        random_state=0,
    )


def _fit(
    explainer: Any,
    kernel: _Kernel,
    prediction: Prediction,
    row: Numbers,
    targets: list[int],
    num_samples: int,
    seed: int,
) -> _Fit:
    """The local models of one row.

    The library explains one output a call; the same seed draws the same samples for each, so that the outputs of the
    first call serve the others.
    """
    outputs = np.empty((0, 0))

    def predict(target: int) -> Callable[[Numbers], Numbers]:
        def predicted(perturbed: Numbers) -> Numbers:
            nonlocal outputs
            if not len(outputs):
                found = prediction.of_all(prediction.as_rows(perturbed))
                check_outputs(found, "perturbed row")
                outputs = found.double().cpu().numpy()
            return outputs[:, target]

        return predicted

    weights, intercepts, r2 = [], [], []
    for target in targets:
        explainer.random_state = explainer.discretizer.random_state = np.random.RandomState(seed)
        fit = explainer.explain_instance(row, predict(target), num_features=len(row), num_samples=num_samples)
        weights.append([weight for _, weight in sorted(fit.local_exp[1])])
        intercepts.append(fit.intercept[1])
        r2.append(_fidelity(fit.score, outputs[:, target], kernel.weights))
    return _Fit(
        weights=np.asarray(weights),
        intercepts=np.asarray(intercepts),
        r2=np.asarray(r2),
        effective_samples=kernel.weights.sum() ** 2 / (kernel.weights**2).sum(),
    )


def _fidelity(score: float, outputs: Numbers, weights: Numbers) -> float:
    """The library's score, where outputs differ and not only those without weight do."""
    if np.ptp(outputs) == 0:
        return np.nan
    return score if np.ptp(outputs[weights > 0]) > 0 else 0.0


def _unseen(explainer: Any, row: Numbers) -> npt.NDArray[np.bool_]:
    bins = explainer.discretizer.discretize(row)
    return np.asarray([bins[index] not in explainer.feature_values[index] for index in range(len(row))])
