"""How well scores rank positives above negatives: area under the ROC curve and average precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from auditbench.statistics._arguments import binary_labels, check_level, finite_array
from auditbench.statistics.clusters import Clusters, jackknife_error
from auditbench.statistics.influence import auc_influence
from auditbench.statistics.interval import IntervalEstimate, normal_quantile, undefined_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float | None:
    """Area under the ROC curve, in [0, 1]: P(positive scores above negative) + half of P(equal).

    `scores` has shape (n,), higher for more likely positives; `labels` has shape (n,), 0 or 1. `None` unless both
    classes occur.

    Raises:
        ValueError: Another shape, scores that are not finite, or other labels.

    Source: Hanley and McNeil (1982), Radiology 143:29 (the Mann-Whitney statistic with midranks).
    """
    values = finite_array("scores", scores, 1)
    positive = binary_labels("labels", labels, len(values))
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if positives == 0 or negatives == 0:
        return None
    ranks = float(_midranks(values)[positive].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def delong_interval(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    level: float = 0.95,
    transform: Literal["logit", "none"] = "logit",
    clusters: Clusters | None = None,
) -> IntervalEstimate:
    """Area under the ROC curve with DeLong's interval; all in [0, 1].

    Undefined: everything where a class is missing (`no_rows`, `one_class`); the bounds where a class has one row
    (`too_few_rows`), where there are fewer clusters than `FEWEST_CLUSTERS` (`too_few_clusters`), or where the variance
    is 0, as for a perfect ranking (`no_variation`): the formula would give an interval of width 0 there.

    Args:
        transform: `logit` builds the interval on the log-odds of the area, by the delta method: it stays inside (0, 1)
            and covers better near 1. `none` is the plain normal interval, cut to [0, 1].
        clusters: Of the rows, where those of one cluster depend on each other. The structural components of a cluster are
            then summed, and Student's quantile takes the place of the normal one.

    Raises:
        ValueError: As for `auc`, or a bad `level` or `transform`.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837, through the midranks of Sun and Xu
    (2014), IEEE Signal Processing Letters 21:1389; logit form: Pepe (2003), section 5.2; clusters: Obuchowski (1997),
    Biometrics 53:567, with the variance of `jackknife_error`.
    """
    check_level(level)
    if transform not in ("logit", "none"):
        raise ValueError(f"expected `transform` logit or none, got {transform!r}")
    method = ("" if clusters is None else "cluster-") + ("delong-logit" if transform == "logit" else "delong")
    values = finite_array("scores", scores, 1)
    positive = binary_labels("labels", labels, len(values))
    area = auc(values, positive)
    if area is None:
        return undefined_interval(method, level, "one_class" if len(values) else "no_rows")
    if min(int(positive.sum()), int((~positive).sum())) < 2:
        return undefined_interval(method, level, "too_few_rows", area)
    if clusters is not None and not clusters.are_enough:
        return undefined_interval(method, level, "too_few_clusters", area)
    z, variance = _spread(values, positive, clusters, level)
    if variance <= 0.0 or not 0.0 < area < 1.0:
        return undefined_interval(method, level, "no_variation", area)
    half = z * math.sqrt(variance)
    if transform == "none":
        low, high = max(0.0, area - half), min(1.0, area + half)
    else:
        centre, half = math.log(area / (1 - area)), half / (area * (1 - area))
        low, high = _logistic(centre - half), _logistic(centre + half)
    return IntervalEstimate(estimate=area, low=low, high=high, level=level, method=method)


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float | None:
    """Average precision, in (0, 1]: the precision at each threshold, weighted by the recall that it adds.

    Rows with equal scores pass a threshold together, and nothing is interpolated. A random ranking is near the share of
    positives. Arguments and errors as for `auc`; `None` without positives.

    Source: sum over thresholds k of (R_k - R_{k-1}) P_k; Davis and Goadrich (2006) on why not to interpolate.
    """
    import numpy as np

    values = finite_array("scores", scores, 1)
    positive = binary_labels("labels", labels, len(values))
    if not positive.any():
        return None
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    found = np.cumsum(positive[order])[last_of_ties]
    precision = found / (last_of_ties + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


def _midranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    import numpy as np

    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(size) - (size - 1) / 2)[group], dtype=np.float64)


def _spread(
    values: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], clusters: Clusters | None, level: float
) -> tuple[float, float]:
    """The quantile of an interval at a level, and the variance of the area."""
    influence = None if clusters is None else auc_influence(values, positive)
    if clusters is None or influence is None:
        return normal_quantile((1.0 + level) / 2.0), _delong_variance(values, positive)
    from scipy import special

    student = float(special.stdtrit(clusters.count - 1, (1.0 + level) / 2.0))
    return student, jackknife_error(influence, clusters) ** 2


def _delong_variance(values: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Variance of the area from the placements of each class among the other; both have at least two rows."""
    import numpy as np

    ranks = _midranks(values)
    positives, negatives = values[positive], values[~positive]
    above = (ranks[positive] - _midranks(positives)) / len(negatives)
    below = (ranks[~positive] - _midranks(negatives)) / len(positives)
    return float(np.var(above, ddof=1) / len(positives) + np.var(below, ddof=1) / len(negatives))


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
