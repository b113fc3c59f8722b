"""`lime_weights`: LIME for all rows of a table at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.masking import Prediction, Target, chosen_targets
from auditbench_lime.bins import NO_BIN, training_bins
from auditbench_lime.sampling import Perturbations
from auditbench_lime.table_fitting import TableFitting

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench_lime.bins import Numbers

    Rows: TypeAlias = npt.ArrayLike | torch.Tensor
    Predict: TypeAlias = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

FEWEST_SAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LimeWeights:
    """Local linear models of some rows, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, players)`. Of a table: the weight of "the feature is in this row's bin or
            category". Of masked players: the weight of "the player is there".
        intercept: Shape `(rows, targets)`.
        r2: Local fidelity, shape `(rows, targets)`: weighted R squared on the samples that the linear model was fitted
            to; at most 1, NaN where the outputs of all of them are equal.
        unseen: Shape `(rows, players)`: no training row is in the row's bin or category, so that only the row itself
            informs the weight. Never so for masked players.
        model_rows: Rows the model evaluated.
    """

    values: Numbers
    intercept: Numbers
    r2: Numbers
    unseen: npt.NDArray[np.bool_]
    model_rows: int


def lime_weights(
    model_or_predict: nn.Module | Predict,
    rows: Rows,
    training_rows: Rows,
    *,
    num_samples: int = 5000,
    independent: bool = False,
    target: Target = None,
    rng: np.random.Generator | None = None,
    kernel_width: float | None = None,
    categorical_features: Sequence[int] = (),
) -> LimeWeights:
    """Fit lime's ridge regression around each row of a table, with all features kept.

    Numbers are cut at the quartiles of the training rows; bins and categories are drawn with their shares there, each
    feature by itself, and numbers from the normal distribution of their bin, cut off at its borders. A sample counts by
    `exp(-d^2 / (2 kernel_width^2))`, where `d^2` features are in another bin than the row's; the row itself is the first.

    The law of the samples does not depend on the row. So all rows share them unless `independent`: the model evaluates
    `num_samples - 1 + rows` rows in all. Each weight then has the same noise as lime's own, but the noise of
    different rows is not independent, and does not average out in means over rows.

    Args:
        model_or_predict: A module in evaluation mode, or a function from an array of rows to outputs of shape
            `(rows,)` or `(rows, targets)`.
        rows: Shape `(rows, features)`, without NaN.
        training_rows: Shape `(training rows, features)`, without NaN; the model does not see them.
        num_samples: Samples of each fit, with the row itself.
        independent: Whether each row has samples of its own.
        target: None for all outputs, the index of one, `"predicted"` for each row's highest, or one index a row.
        rng: Seed 0 when absent.
        kernel_width: 0.75 x sqrt(features) when absent.
        categorical_features: Columns that hold categories.

    Raises:
        ValueError: Widths differ, a number or an output is NaN or infinite, a column or target does not exist, the kernel width is
            not above 0, or there are fewer than 10 samples.

    References: arXiv:1602.04938, section 3.4; `LimeTabularExplainer` of lime 0.2, with `feature_selection="none"`.
    """
    explained, training = as_table(rows, "rows"), as_table(training_rows, "training_rows")
    check_request(explained, training, num_samples, kernel_width, categorical_features)
    prediction, bins = Prediction(model_or_predict), training_bins(training, categorical_features)
    given = prediction.as_rows(explained)
    generator = rng or np.random.default_rng(0)
    own, outputs = bins.of(explained), prediction.of_all(given)
    fitting = TableFitting(
        prediction=prediction,
        perturbations=Perturbations(bins, generator, device=prediction.device, dtype=given.dtype),
        rows=given,
        own=own,
        outputs=outputs,
        targets=chosen_targets(target, outputs),
        samples=num_samples,
        kernel_width=float(kernel_width or default_kernel_width(explained.shape[1])),
    )
    fits = fitting.independent() if independent else fitting.shared()
    check_outputs(fits.intercept)
    return LimeWeights(
        values=fits.coefficients.cpu().numpy(),
        intercept=fits.intercept.cpu().numpy(),
        r2=fits.r2.cpu().numpy(),
        unseen=own == NO_BIN,
        model_rows=prediction.rows,
    )


def default_kernel_width(features: int) -> float:
    """As lime chooses it for tables."""
    return 0.75 * math.sqrt(features)


def as_table(rows: Rows, name: str) -> Numbers:
    """Rows as an array of shape `(rows, features)`.

    Raises:
        ValueError: There is no row or feature, or a number is NaN or infinite.
    """
    given = rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else np.asarray(rows)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "fiub":
        raise ValueError(f"expected `{name}` of shape (rows, features), got {given.dtype} of shape {given.shape}")
    found = given.astype(np.float64)
    if not np.isfinite(found).all():
        row, feature = np.argwhere(~np.isfinite(found))[0]
        raise ValueError(
            f"expected finite numbers in `{name}`, got {found[row, feature]} in row {row}, feature {feature}; fill missing"
            " numbers first"
        )
    return found


def check_request(
    rows: Numbers, training: Numbers, num_samples: int, kernel_width: float | None, categorical: Sequence[int]
) -> None:
    """Raise ValueError where `lime_weights` says so."""
    if rows.shape[1] != training.shape[1]:
        raise ValueError(
            f"expected as many features in `training_rows` as in `rows`, got {training.shape[1]} and {rows.shape[1]}"
        )
    check_samples(num_samples, kernel_width)
    wrong = [feature for feature in categorical if not 0 <= feature < rows.shape[1]]
    if wrong:
        raise ValueError(f"expected categorical features from 0 to {rows.shape[1] - 1}, got {wrong[0]}")


def check_outputs(intercept: torch.Tensor) -> None:
    """Raise ValueError where an output of the model was NaN or infinite, since then the intercept is."""
    wrong = (~torch.isfinite(intercept)).nonzero()
    if len(wrong):
        row, target = wrong[0].tolist()
        raise ValueError(
            f"expected finite outputs of the model, got NaN or infinity among the samples of row {row}, target {target}"
        )


def check_samples(num_samples: int, kernel_width: float | None) -> None:
    """Raise ValueError for too few samples and for a kernel width that is not above 0."""
    if num_samples < FEWEST_SAMPLES:
        raise ValueError(f"expected at least {FEWEST_SAMPLES} samples, got num_samples={num_samples}")
    if kernel_width is not None and not 0 < kernel_width < float("inf"):
        raise ValueError(f"expected a kernel width above 0, got {kernel_width}")
