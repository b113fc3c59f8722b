"""`lime_weights`: LIME for all rows of a table at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.masking import (
    Prediction,
    Target,
    check_finite,
    check_same_columns,
    chosen_targets,
    column_names,
    frame_numbers,
    generator,
)
from auditbench_lime.bins import NO_BIN, training_bins
from auditbench_lime.outputs import check_outputs
from auditbench_lime.sampling import Perturbations
from auditbench_lime.table_fitting import TableFitting

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench_lime.bins import Numbers
    from auditbench_lime.fitting import LocalFits

    Rows: TypeAlias = Any
    """An array or tensor, or what numpy makes one of, such as a DataFrame."""
    Model: TypeAlias = nn.Module | Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | Prediction

FEWEST_SAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LimeWeights:
    """Local linear models of some rows, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, players)`. Of a table: the weight of "the feature is in this row's bin or
            category". Of masked players: the weight of "the player is there".
        intercept: Shape `(rows, targets)`.
        r2: Local fidelity, shape `(rows, targets)`: weighted R squared on the samples that the linear model was fitted
            to; at most 1, NaN where the outputs of all of them are equal, 0 where those that the kernel leaves some
            weight are, such as the row itself alone.
        effective_samples: How many samples of equal weight would leave as much noise, `(sum w)^2 / sum w^2`, from 1 to
            the samples, shape `(rows,)`. Where they are fewer than the players, a narrow kernel lets the penalty
            decide.
        unseen: Shape `(rows, players)`: no sample but the row itself can be in the row's bin or category, so that it
            alone informs the weight. Never so for masked players.
        model_rows: Rows that the model evaluated for these weights.
        names: Of the players: the columns of a DataFrame, else `player 0`, ...
    """

    values: Numbers
    intercept: Numbers
    r2: Numbers
    effective_samples: Numbers
    unseen: npt.NDArray[np.bool_]
    model_rows: int
    names: tuple[str, ...]

    def __repr__(self) -> str:
        rows, targets, players = self.values.shape
        return f"LimeWeights({rows=}, {targets=}, {players=}, model_rows={self.model_rows})"


def lime_weights(
    model_or_predict: Model,
    rows: Rows,
    training_rows: Rows,
    *,
    num_samples: int = 5000,
    independent: bool = False,
    target: Target = None,
    rng: np.random.Generator | None = None,
    kernel_width: float | None = None,
    categorical_features: Sequence[int | str] = (),
) -> LimeWeights:
    """Fit lime's ridge regression around each row of a table, with all features kept.

    Numbers are cut at the quartiles of the training rows; bins and categories are drawn with their shares there, each
    feature by itself, and numbers from the normal distribution of their bin, cut off at its borders. A sample counts by
    `exp(-d^2 / (2 kernel_width^2))`, where `d^2` features are in another bin than the row's; the row itself is the
    first.

    The law of the samples does not depend on the row. So all rows share them unless `independent`: the model evaluates
    `num_samples - 1 + rows` rows in all. Each weight then has the same noise as lime's own, but the noise of
    different rows is not independent, and does not average out in means over rows.

    Values of a feature come from a table of 4,096 that each call draws. A category with a smaller share of the training
    rows may lack there; the row is then `unseen` in it, and over calls the share is exact.

    Apart from the noise of sampling, weights and intercepts are exact up to about 1e-6 of the spread of the outputs
    over the samples, with few samples in effect up to float64.

    Args:
        model_or_predict: A module in evaluation mode, a function from an array of rows to outputs of shape
            `(rows,)` or `(rows, targets)`, or a `Prediction`.
        rows: Shape `(rows, features)`, without NaN; a DataFrame gives the players their names.
        training_rows: Shape `(training rows, features)`, without NaN; the model does not see them.
        num_samples: Samples of each fit, with the row itself.
        independent: Whether each row has samples of its own.
        target: None for all outputs, the index of one, `"predicted"` for each row's highest, or one index a row.
        rng: Seed 0 when absent.
        kernel_width: 0.75 x sqrt(features) when absent.
        categorical_features: The columns that hold categories, by index, or by name where the rows are a DataFrame.

    Raises:
        TypeError: `rng` is no generator.
        ValueError: Columns differ, a number or an output is NaN or infinite, a column or target does not exist, the
            kernel width is not above 0, or there are fewer than 10 samples.

    References: arXiv:1602.04938, section 3.4; `LimeTabularExplainer` of lime 0.2, with `feature_selection="none"`.
    """
    random = generator(rng)
    names, explained, training = tables(rows, training_rows)
    check_samples(num_samples, kernel_width)
    categorical = columns_of(categorical_features, names)
    prediction, bins = as_prediction(model_or_predict), training_bins(training, categorical)
    before = prediction.rows
    given = prediction.as_rows(explained)
    outputs = prediction.of_all(given)
    check_outputs(outputs, "row")
    perturbations = Perturbations(bins, random, device=prediction.device, dtype=given.dtype)
    own = perturbations.known(bins.of(explained))
    fitting = TableFitting(
        prediction=prediction,
        perturbations=perturbations,
        rows=given,
        own=own,
        outputs=outputs,
        targets=chosen_targets(target, outputs),
        samples=num_samples,
        kernel_width=float(kernel_width or default_kernel_width(explained.shape[1])),
    )
    fits = fitting.independent() if independent else fitting.shared()
    return weights_of(fits, unseen=own == NO_BIN, model_rows=prediction.rows - before, names=names)


def default_kernel_width(features: int) -> float:
    """As lime chooses it for tables."""
    return 0.75 * math.sqrt(features)


def as_prediction(model_or_predict: Model) -> Prediction:
    """The `Prediction` that was given, or one of the model."""
    return model_or_predict if isinstance(model_or_predict, Prediction) else Prediction(model_or_predict)


def weights_of(
    fits: LocalFits, *, unseen: npt.NDArray[np.bool_], model_rows: int, names: tuple[str, ...]
) -> LimeWeights:
    """Fits as arrays, with what else is known of them."""
    return LimeWeights(
        values=fits.coefficients.cpu().numpy(),
        intercept=fits.intercept.cpu().numpy(),
        r2=fits.r2.cpu().numpy(),
        effective_samples=fits.effective_samples.cpu().numpy(),
        unseen=unseen,
        model_rows=model_rows,
        names=names,
    )


def tables(rows: Rows, training_rows: Rows) -> tuple[tuple[str, ...], Numbers, Numbers]:
    """Names of the features, and both tables as arrays.

    Raises:
        ValueError: One is no table of finite numbers, or they do not have the same columns.
    """
    explained, training = _as_table(rows, "rows"), _as_table(training_rows, "training_rows")
    if explained.shape[1] != training.shape[1]:
        raise ValueError(
            f"expected as many features in `training_rows` as in `rows`, got {training.shape[1]} and {explained.shape[1]}"
        )
    check_same_columns(rows, training_rows, "training_rows")
    names = column_names(rows) or column_names(training_rows)
    return names or tuple(f"player {i}" for i in range(explained.shape[1])), explained, training


def columns_of(categorical: Sequence[int | str], names: tuple[str, ...]) -> list[int]:
    """Indices of columns.

    Raises:
        ValueError: One is no index and no name of a feature.
    """
    features, named = len(names), [column for column in categorical if isinstance(column, str)]
    unknown = [column for column in named if column not in names]
    if unknown:
        raise ValueError(f"expected categorical features among {', '.join(names[:10])}, ..., got {unknown[0]!r}")
    chosen = np.asarray([names.index(column) if isinstance(column, str) else column for column in categorical])
    if chosen.size and (chosen.dtype.kind not in "iu" or chosen.ndim != 1):
        raise ValueError(
            f"expected indices of columns as `categorical_features`, got {chosen.dtype} of shape {chosen.shape};"
            " np.flatnonzero gives those of a mask"
        )
    wrong = [feature for feature in chosen.tolist() if not 0 <= feature < features]
    if wrong:
        raise ValueError(f"expected categorical features from 0 to {features - 1}, got {wrong[0]}")
    return [int(feature) for feature in chosen]


def check_samples(num_samples: int, kernel_width: float | None) -> None:
    """Raise ValueError for too few samples and for a kernel width that is not above 0."""
    whole = isinstance(num_samples, (int, np.integer, type(None)))  # callers may have no type checker
    if not whole or num_samples < FEWEST_SAMPLES:
        raise ValueError(f"expected a whole number of at least {FEWEST_SAMPLES} samples, got num_samples={num_samples}")
    if kernel_width is not None and not 0 < kernel_width < float("inf"):
        raise ValueError(f"expected a kernel width above 0, got {kernel_width}")


def _as_table(rows: Rows, name: str) -> Numbers:
    given = rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else np.asarray(rows)
    if column_names(rows) and given.dtype.kind == "O":
        given = frame_numbers(rows, name)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "fiub":
        hint = "; masked_lime_weights explains images, texts and series" if given.ndim > 2 else ""
        raise ValueError(f"expected `{name}` of shape (rows, features), got {given.dtype} of shape {given.shape}{hint}")
    found = given.astype(np.float64)
    check_finite(torch.from_numpy(found), name, column_names(rows))
    return found
