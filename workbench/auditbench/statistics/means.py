"""Intervals of means: Student's t and the bootstrap, of rows or of clusters, for one vector or for many columns at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from auditbench.statistics._arguments import check_level, check_replicates, finite_array
from auditbench.statistics.bootstrap import CLUSTER_METHOD, percentile_intervals, resampling_weights
from auditbench.statistics.interval import IntervalEstimate, IntervalEstimates, undefined_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.statistics.clusters import Clusters


def mean_interval(values: npt.ArrayLike, *, level: float = 0.95) -> IntervalEstimate:
    """Mean of independent values, shape (n,), with Student's t interval; in the unit of the values.

    Undefined: everything without values (`no_rows`), the bounds for a single one (`too_few_rows`). Equal values give
    an interval of width 0.

    Raises:
        ValueError: Another shape, values that are not finite, or `level` outside (0, 1).

    Source: Student (1908), The Probable Error of a Mean.
    """
    import numpy as np

    check_level(level)
    array = finite_array("values", values, 1)
    if len(array) == 0:
        return undefined_interval("student-t", level, "no_rows")
    columns = mean_intervals(array[:, np.newaxis], level=level)
    estimate, low, high = float(columns.estimate[0]), float(columns.low[0]), float(columns.high[0])
    if math.isnan(low):
        return undefined_interval("student-t", level, "too_few_rows", estimate)
    return IntervalEstimate(estimate=estimate, low=low, high=high, level=level, method="student-t")


def mean_intervals(values: npt.ArrayLike, *, level: float = 0.95) -> IntervalEstimates:
    """Means of the columns of `values`, shape (n, m), with Student's t intervals; arrays of shape (m,).

    All NaN without rows; NaN bounds for one row. Errors and source as for `mean_interval`.
    """
    import numpy as np
    from scipy import special

    check_level(level)
    array = finite_array("values", values, 2)
    n, columns = array.shape
    estimate = array.mean(axis=0) if n else np.full(columns, np.nan)
    half = np.full(columns, np.nan)
    if n > 1:
        half = special.stdtrit(n - 1, (1 + level) / 2) * array.std(axis=0, ddof=1) / math.sqrt(n)
    return IntervalEstimates(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        level=level,
        method="student-t",
        replicates=0,
        undefined_replicates=np.zeros(columns, dtype=np.int64),
    )


def clustered_mean_interval(
    values: npt.ArrayLike,
    clusters: Clusters,
    *,
    rng: np.random.Generator,
    replicates: int = 1000,
    level: float = 0.95,
) -> IntervalEstimate:
    """Mean of values that depend on each other within clusters, shape (n,), with a percentile bootstrap interval.

    Clusters are drawn whole and with replacement, as many as there are. Undefined: everything without values (`no_rows`),
    the bounds where clusters are too few (`too_few_clusters`).

    Raises:
        ValueError: Another shape, values that are not finite, too few replicates, or `level` outside (0, 1).

    Source: as for `resampling_weights`.
    """
    import numpy as np

    check_replicates(replicates, level)
    array = finite_array("values", values, 1)
    if not len(array):
        return undefined_interval(CLUSTER_METHOD, level, "no_rows")
    drawn = [
        weights @ array / weights.sum(axis=1) for weights in resampling_weights(rng, len(array), replicates, clusters)
    ]
    found = percentile_intervals(array.mean(), np.concatenate(drawn), level=level, clusters=clusters)
    estimate, low, high = float(found.estimate), float(found.low), float(found.high)
    if math.isnan(low):
        return undefined_interval(found.method, level, "too_few_clusters", estimate)
    return IntervalEstimate(estimate=estimate, low=low, high=high, level=level, method=found.method)


def bootstrap_mean_intervals(
    values: npt.ArrayLike, *, rng: np.random.Generator, replicates: int = 1000, level: float = 0.95
) -> IntervalEstimates:
    """Means of the columns of `values`, shape (n, m), with percentile bootstrap intervals; arrays of shape (m,).

    Rows are drawn with replacement, the same draw for every column, as weights that multiply the values: one matrix
    product for each batch of replicates. All NaN without rows; NaN bounds for one row, whose resamples cannot differ.

    Raises:
        ValueError: Another shape, values that are not finite, too few replicates, or `level` outside (0, 1).

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
    """
    import numpy as np

    check_replicates(replicates, level)
    array = finite_array("values", values, 2)
    n, columns = array.shape
    estimate = array.mean(axis=0) if n else np.full(columns, np.nan)
    if n < 2:
        return percentile_intervals(estimate, np.full((replicates, columns), np.nan), level=level)
    drawn = [weights @ array / n for weights in resampling_weights(rng, n, replicates)]
    return percentile_intervals(estimate, np.concatenate(drawn), level=level)
