"""How far each row moves an estimate: empirical influence functions, and how they combine.

The influence of row i on an estimate T of n rows is n times the derivative of T by the weight of that row. It has mean
0, and `std(influence, ddof=1) / sqrt(n)` is the standard error of T where T is smooth in the weights (the infinitesimal
jackknife). Estimates on the same rows vary together as their influences do, so the standard error of a difference is
that of the difference of influences. All arrays here have shape (rows,) over **all** evaluated rows, those that play no
part too: these have influence 0.

What it does not tell: at the edge of its range (a rate of 0 or 1, a perfect ranking) an influence is 0 everywhere, and
the estimate still uncertain; comparisons then go by intervals. Largest differences and smallest ratios take the pair of
groups as given that is extreme on these rows; how noise picks the pair is not in it.

Source: Hampel (1974), J. American Statistical Association 69:383; Efron (1981), Biometrika 68:589 (infinitesimal
jackknife).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from auditbench.statistics._arguments import binary_labels, finite_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

MOST_INFLUENCES = 1 << 25
"""Numbers that the influences of all metrics of one result should hold at most: 128 MiB as float32."""
NEGLIGIBLE_BIAS = 0.2
"""Bias, in standard errors, up to which an interval keeps nearly its coverage: 94.5% for 95%."""
_STORED_RANGE = (1e-30, 1e38)


def mean_influence(values: npt.ArrayLike, subset: npt.ArrayLike | None = None) -> Numbers:
    """Influence on the mean of `values`, or on the mean over the rows of `subset` alone.

    A share of rows is the mean of 0 and 1; log loss, the Brier score and the mean absolute error are means of one
    number a row.

    Args:
        values: Shape (rows,), in any unit, which is that of the influence.
        subset: Shape (rows,), booleans.

    Raises:
        ValueError: Another shape, values that are not finite, or no row to take the mean of.
    """
    import numpy as np

    array = finite_array("values", values, 1)
    within = _within(subset, len(array))
    return ratio_of_means_influence(np.where(within, array, 0.0), within.astype(np.float64))


def ratio_of_means_influence(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Numbers:
    """Influence on mean(`numerator`) / mean(`denominator`): a rate, F1, or any ratio of two sums over rows.

    With 2 TP as numerator and 2 TP + FP + FN as denominator, each 0, 1 or 2 a row, this is F1.

    Raises:
        ValueError: Another shape, numbers that are not finite, or a denominator of mean 0.

    Source: Cochran (1977), Sampling Techniques, section 6.3 (the linearized ratio).
    """
    above, below = finite_array("numerator", numerator, 1), finite_array("denominator", denominator, 1)
    if above.shape != below.shape or not below.size:
        raise ValueError(f"expected two arrays of one shape (rows,), got {above.shape} and {below.shape}")
    mean = float(below.mean())
    if mean == 0:
        raise ValueError("expected a `denominator` whose mean is not 0")
    return (above - float(above.mean()) / mean * below) / mean


def combined_influence(derivatives: npt.ArrayLike, influences: Sequence[npt.ArrayLike]) -> Numbers:
    """Influence on a smooth function of several estimates, by the delta method: the sum of derivative x influence.

    The difference of two estimates has the derivatives (1, -1), their mean (0.5, 0.5), the root of one
    1 / (2 x root); see `ratio_derivatives` and the like for others.

    Args:
        derivatives: Of the function by each estimate, at the estimates, shape (estimates,).
        influences: On each estimate, each of shape (rows,).

    Raises:
        ValueError: No estimate, more or fewer derivatives than influences, other shapes, or numbers that are not
            finite.

    Source: van der Vaart (1998), Asymptotic Statistics, theorem 20.8.
    """
    arrays = [finite_array("influences", influence, 1) for influence in influences]
    slopes = finite_array("derivatives", derivatives, 1)
    if not arrays or len(slopes) != len(arrays) or len({array.shape for array in arrays}) != 1:
        raise ValueError(
            f"expected as many `derivatives` as `influences`, all of one shape, got {len(slopes)} and "
            f"{[array.shape for array in arrays]}"
        )
    total: Numbers = slopes[0] * arrays[0]
    for slope, array in zip(slopes[1:], arrays[1:], strict=True):
        total = total + slope * array
    return total


def ratio_derivatives(first: float, second: float) -> Numbers:
    """Derivatives of first / second by both, for `combined_influence`; raises ValueError where `second` is 0."""
    if second == 0:
        raise ValueError("expected a ratio to something other than 0")
    return finite_array("derivatives", [1 / second, -first / second**2], 1)


def largest_difference_derivatives(values: npt.ArrayLike) -> Numbers:
    """Derivatives of max - min by each of `values`, shape (groups,): 1 and -1 for the extreme pair, 0 for others.

    The pair is taken as given. Where several groups are extreme, the first is the largest and the last the smallest, so
    that equal groups are a pair as well.

    Raises:
        ValueError: Another shape, fewer than two groups, or values that are not finite.
    """
    import numpy as np

    array, largest, smallest = _extremes(values)
    derivatives = np.zeros(len(array))
    derivatives[largest], derivatives[smallest] = 1.0, -1.0
    return derivatives


def smallest_ratio_derivatives(values: npt.ArrayLike) -> Numbers:
    """Derivatives of min / max by each of `values`, shape (groups,); the pair and errors as for differences.

    Also raises ValueError where the largest value is 0.
    """
    import numpy as np

    array, largest, smallest = _extremes(values)
    derivatives = np.zeros(len(array))
    derivatives[smallest], derivatives[largest] = ratio_derivatives(float(array[smallest]), float(array[largest]))
    return derivatives


def largest_difference_to_derivatives(values: npt.ArrayLike, other: float) -> Numbers:
    """Derivatives of max |value - other| by each of `values`, then by `other`: shape (groups + 1,).

    The farthest group is taken as given, the first of several.

    Raises:
        ValueError: Another shape, no group, or values that are not finite.
    """
    import numpy as np

    array = finite_array("values", values, 1)
    if not array.size:
        raise ValueError("expected at least one group, got none")
    gap = array - other
    farthest = int(np.argmax(np.abs(gap)))
    sign = 1.0 if gap[farthest] >= 0 else -1.0
    derivatives = np.zeros(len(array) + 1)
    derivatives[farthest], derivatives[-1] = sign, -sign
    return derivatives


def auc_influence(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Numbers | None:
    """Influence on the area under the ROC curve, from DeLong's structural components; see `auc` for the arguments.

    A positive's component is the share of negatives below it (half of those equal), a negative's the share of positives
    above it. `None` unless both classes have two rows, as for `delong_interval`.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837, eq. 4.
    """
    import numpy as np

    values = finite_array("scores", scores, 1)
    positive = binary_labels("labels", labels, len(values))
    positives, negatives = np.sort(values[positive]), np.sort(values[~positive])
    if min(len(positives), len(negatives)) < 2:
        return None
    above = _share_below(values[positive], negatives)
    below = 1.0 - _share_below(values[~positive], positives)
    influence = np.empty(len(values))
    influence[positive] = (above - above.mean()) * (len(values) / len(positives))
    influence[~positive] = (below - below.mean()) * (len(values) / len(negatives))
    return influence


def average_precision_influence(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Numbers | None:
    """Influence on the average precision; arguments and errors as for `average_precision`, `None` without positives.

    With weights w, AP = sum over positives i of w_i P(s_i) / sum of w_i, where P(s) is the precision among the rows
    that score at least s, and R(s) how many these are. Its derivative by the weight of row k has three parts: k's own
    precision and share of the positives, if it is one; and, for each positive i that scores at most s_k, (y_k - P(s_i))
    / R(s_i), for k takes part in its precision.
    """
    import numpy as np

    values = finite_array("scores", scores, 1)
    positive = binary_labels("labels", labels, len(values))
    if not positive.any():
        return None
    _, place = np.unique(-values, return_inverse=True)  # places from the highest score down, ties sharing one
    found = np.bincount(place, weights=positive)
    passed = np.cumsum(np.bincount(place))
    precision = np.cumsum(found) / passed
    # sums over the positives that score at most as much as a row
    each = np.cumsum((found / passed)[::-1])[::-1]
    lost = np.cumsum((found * precision / passed)[::-1])[::-1]
    average = float((found * precision).sum() / found.sum())
    own = np.where(positive, precision[place] - average + each[place], 0.0)
    return np.asarray((own - lost[place]) * (len(values) / found.sum()), dtype=np.float64)


def calibration_error_influence(
    probability: npt.ArrayLike, outcome: npt.ArrayLike, *, bins: int = 10
) -> Numbers | None:
    """Influence on the expected calibration error over equal-width bins, where it has one; arguments as for the error.

    The error is a sum of distances |gap of a bin|, smooth only away from 0. Bins whose gap noise could turn add a bias
    that no influence shows: `None` where that bias, estimated bin by bin from the mean of a folded normal distribution,
    is above `NEGLIGIBLE_BIAS` standard errors, as it is for a model that is calibrated as far as the rows tell; and
    `None` without rows.

    Raises:
        ValueError: Another shape, a probability outside [0, 1], other outcomes, or no bin.

    Source: Cochran (1977), Sampling Techniques, section 1.7 (bias against standard error); Leone, Nelson and Nottingham
    (1961), Technometrics 3:543 (the folded normal).
    """
    import numpy as np

    from auditbench.statistics.calibration import reliability_bins

    table = reliability_bins(probability, outcome, bins=bins)
    predicted, happened = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    rows = len(predicted)
    if rows < 2:
        return None
    place = np.minimum(np.searchsorted(table.edges, predicted, side="right") - 1, bins - 1)
    excess = predicted - happened
    gap = np.bincount(place, weights=excess, minlength=bins) / rows
    spread = (
        np.sqrt(
            np.bincount(
                place, weights=(excess - (gap * rows / np.maximum(table.counts, 1))[place]) ** 2, minlength=bins
            )
        )
        / rows
    )
    influence = np.sign(gap)[place] * excess - float(np.abs(gap).sum())
    error = float(influence.std(ddof=1)) / math.sqrt(rows)
    bias = sum(_folding(abs(mean), deviation) for mean, deviation in zip(gap.tolist(), spread.tolist(), strict=True))
    return None if bias > NEGLIGIBLE_BIAS * error else np.asarray(influence, dtype=np.float64)


def r2_influence(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Numbers:
    """Influence on R2 = 1 - mean((y_pred - y_true)^2) / mean((y_true - its mean)^2), both of shape (rows,).

    How a row moves the mean of the labels adds nothing: the variance is smallest there.

    Raises:
        ValueError: Shapes that differ, values that are not finite, or labels that do not vary.
    """
    labels, predicted = finite_array("y_true", y_true, 1), finite_array("y_pred", y_pred, 1)
    if labels.shape != predicted.shape or not labels.size:
        raise ValueError(f"expected two arrays of one shape (rows,), got {labels.shape} and {predicted.shape}")
    return -ratio_of_means_influence((predicted - labels) ** 2, (labels - labels.mean()) ** 2)


def root_mean_influence(values: npt.ArrayLike) -> Numbers | None:
    """Influence on the root of the mean of `values`, shape (rows,), such as squared errors; `None` for a root of 0.

    Raises:
        ValueError: Another shape, no rows, values that are not finite, or a negative mean.
    """
    array = finite_array("values", values, 1)
    influence = mean_influence(array)
    mean = float(array.mean())
    if mean < 0:
        raise ValueError(f"expected a mean of at least 0, got {mean}")
    return combined_influence([0.5 / math.sqrt(mean)], [influence]) if mean > 0 else None


def stored_influence(influence: npt.ArrayLike | None) -> npt.NDArray[np.float32] | None:
    """An influence as a `Metric` holds it: float32. `None` for `None`, or where float32 would lose its numbers.

    That is where the largest of them is above 1e38, or not 0 and below 1e-30, in whatever unit they are.
    """
    import numpy as np

    if influence is None:
        return None
    array = np.asarray(influence)
    largest = float(np.abs(array).max(initial=0.0))
    if largest > 0 and not _STORED_RANGE[0] <= largest <= _STORED_RANGE[1]:
        return None
    return array.astype(np.float32)


def _within(subset: npt.ArrayLike | None, rows: int) -> npt.NDArray[np.bool_]:
    import numpy as np

    if subset is None:
        return np.ones(rows, dtype=np.bool_)
    mask = np.asarray(subset)
    if mask.shape != (rows,) or mask.dtype != np.bool_:
        raise ValueError(f"expected `subset` of {rows} booleans, got {mask.dtype} of shape {mask.shape}")
    return mask


def _extremes(values: npt.ArrayLike) -> tuple[Numbers, int, int]:
    """The values, the first place of the largest and the last place of the smallest one."""
    import numpy as np

    array = finite_array("values", values, 1)
    if len(array) < 2:
        raise ValueError(f"expected at least two groups, got {len(array)}")
    return array, int(np.argmax(array)), len(array) - 1 - int(np.argmin(array[::-1]))


def _share_below(values: Numbers, ordered: Numbers) -> Numbers:
    """Share of the sorted `ordered` below each of `values`, equal ones counted half."""
    import numpy as np

    twice = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray(twice / (2 * len(ordered)), dtype=np.float64)


def _folding(distance: float, deviation: float) -> float:
    """Mean of |x| for a normal x of mean `distance`, less `distance`: what folding at 0 adds."""
    if deviation == 0:
        return 0.0
    z = distance / deviation
    density = math.exp(-z * z / 2) * math.sqrt(2 / math.pi)
    return deviation * density - distance * math.erfc(z / math.sqrt(2))
