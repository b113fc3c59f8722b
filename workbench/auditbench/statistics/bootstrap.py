"""Bootstrap of rows: intervals of any statistic, and exact replicates of tables of counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from auditbench.statistics._arguments import check_replicates, tail_replicates
from auditbench.statistics.clusters import FEWEST_CLUSTERS, Clusters, expanded_level
from auditbench.statistics.interval import (
    IntervalEstimate,
    IntervalEstimates,
    UndefinedReason,
    undefined_interval,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PERCENTILE_METHOD = "bootstrap-percentile"
CLUSTER_METHOD = "cluster-bootstrap-percentile"
BATCH_ELEMENTS = 1 << 22
"""Array elements that one batch of resampled rows may hold; bounds the memory of every bootstrap here."""


def bootstrap_interval(
    statistic: Callable[..., npt.ArrayLike],
    arrays: Sequence[npt.ArrayLike],
    *,
    rng: np.random.Generator,
    replicates: int = 1000,
    level: float = 0.95,
) -> IntervalEstimate:
    """Percentile bootstrap interval of a statistic of rows, which are drawn with replacement.

    Args:
        statistic: Called as `statistic(*samples)`, where each sample has shape (batch, n, ...): one array of `arrays`
            with a leading axis of resampled data sets. Returns shape (batch,), NaN where undefined. It is called with
            batches of several sizes, 1 for the estimate.
        arrays: Each of shape (n, ...), with the same n; a row keeps its place in all of them.
        replicates: At least one in each tail, 40 for level 0.95.

    Returns:
        The estimate on the rows themselves and its interval. Replicates on which the statistic is NaN are left out and
        counted. All undefined without rows (`no_rows`) or where the statistic is NaN on the rows themselves
        (`undefined_statistic`); the bounds alone for one row (`too_few_rows`), or where fewer than 40 replicates are
        defined at level 0.95 (`undefined_replicates`).

    Raises:
        ValueError: `arrays` is empty or its lengths differ, a bad `level` or `replicates`, or the statistic returns
            another shape or an infinite value.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
    """
    import numpy as np

    check_replicates(replicates, level)
    rows = [np.asarray(array) for array in arrays]
    if not rows or any(array.ndim == 0 or len(array) != len(rows[0]) for array in rows):
        raise ValueError(f"expected `arrays` of one length, got shapes {[array.shape for array in rows]}")
    n = len(rows[0])
    if n == 0:
        return undefined_interval(PERCENTILE_METHOD, level, "no_rows")
    estimate = float(_evaluate(statistic, [array[np.newaxis] for array in rows], 1)[0])
    if math.isnan(estimate):
        return undefined_interval(PERCENTILE_METHOD, level, "undefined_statistic")
    if n == 1:
        return undefined_interval(PERCENTILE_METHOD, level, "too_few_rows", estimate)
    row_size = sum(array[0].size for array in rows)
    batches = _row_picks(rng, n, replicates, row_size)
    drawn = np.concatenate([_evaluate(statistic, [array[picks] for array in rows], len(picks)) for picks in batches])
    defined = drawn[~np.isnan(drawn)]
    low, high = None, None
    reason: UndefinedReason | None = None
    if len(defined) < tail_replicates(level):
        reason = "undefined_replicates"
    else:
        low, high = (float(bound) for bound in np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
    return IntervalEstimate(
        estimate=estimate,
        low=low,
        high=high,
        level=level,
        method=PERCENTILE_METHOD,
        replicates=replicates,
        undefined_replicates=replicates - len(defined),
        reason=reason,
    )


def percentile_intervals(
    estimate: npt.ArrayLike, replicates: npt.ArrayLike, *, level: float = 0.95, clusters: Clusters | None = None
) -> IntervalEstimates:
    """Percentile bootstrap intervals of many estimates, from replicates that are already there.

    Args:
        estimate: Shape (...): the values on the rows themselves; NaN where undefined.
        replicates: Shape (number of replicates, ...); NaN where undefined, and then left out and counted. float32 stays
            float32, which is sorted in half the time.
        clusters: Those that were drawn, where it was not rows: percentiles are taken as `expanded_level` says.

    Returns:
        Arrays of shape (...). Bounds are NaN where the estimate is NaN, where fewer replicates are defined than
        `fewest_replicates` says, so many as put one in each tail, and where there are fewer clusters than
        `FEWEST_CLUSTERS`.

    Raises:
        ValueError: Shapes that do not match, infinite values, too few replicates, or `level` outside (0, 1).

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3; quantiles interpolate
    linearly.
    """
    import numpy as np

    centre, drawn = np.asarray(estimate, dtype=np.float64), np.asarray(replicates)
    if drawn.dtype != np.float32:
        drawn = drawn.astype(np.float64, copy=False)
    if drawn.ndim == 0 or drawn.shape[1:] != centre.shape:
        raise ValueError(f"expected `replicates` of shape (replicates, *{centre.shape}), got {drawn.shape}")
    if np.isinf(drawn).any() or np.isinf(centre).any():
        raise ValueError("expected finite values or NaN, got infinite ones")
    check_replicates(len(drawn), level)
    ordered = np.sort(drawn, axis=0)  # NaN goes last
    defined = np.count_nonzero(~np.isnan(drawn), axis=0)
    span = level
    known = ~np.isnan(centre)
    if clusters is not None:
        known &= clusters.count >= FEWEST_CLUSTERS
        span = expanded_level(level, max(clusters.count, FEWEST_CLUSTERS))
    known &= defined >= fewest_replicates(clusters, level=level)
    bounds = [np.where(known, _ordered_quantile(ordered, defined, (1 + side * span) / 2), np.nan) for side in (-1, 1)]
    return IntervalEstimates(
        estimate=centre,
        low=bounds[0],
        high=bounds[1],
        level=level,
        method=PERCENTILE_METHOD if clusters is None else CLUSTER_METHOD,
        replicates=len(drawn),
        undefined_replicates=np.asarray(len(drawn) - defined, dtype=np.int64),
    )


def fewest_replicates(clusters: Clusters | None = None, *, level: float = 0.95) -> int:
    """Defined replicates below which `percentile_intervals` gives no bounds: 40 at level 0.95, more for few clusters."""
    if clusters is None:
        return tail_replicates(level)
    return tail_replicates(expanded_level(level, max(clusters.count, FEWEST_CLUSTERS)))


def multinomial_replicates(counts: npt.ArrayLike, replicates: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Bootstrap replicates of a table of counts: exactly what resampling its rows would give, at no cost per row.

    A row bootstrap of n rows counted into cells K is a draw from Multinomial(n, K / n), so the time depends on the
    cells and replicates alone. Cells that are 0 stay 0; others may become 0, where a metric of them is undefined.

    Args:
        counts: Whole numbers of at least 0, any shape.

    Returns:
        Shape (replicates, *counts.shape); each replicate has the total of `counts`.

    Raises:
        ValueError: Counts that are negative or not integers, or fewer than 1 replicate.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 20 (resampling vectors).
    """
    import numpy as np

    table = np.asarray(counts)
    if not np.issubdtype(table.dtype, np.integer) or (table < 0).any():
        raise ValueError(f"expected `counts` of integers of at least 0, got {table.dtype} from {table.min(initial=0)}")
    if replicates < 1:
        raise ValueError(f"expected `replicates` of at least 1, got {replicates}")
    cells, total = table.ravel(), int(table.sum())
    filled = np.flatnonzero(cells)  # drawing these alone keeps rounding from moving a row into an empty cell
    if len(filled) == table.size:
        drawn = rng.multinomial(total, cells / total, size=replicates)
    else:
        drawn = np.zeros((replicates, table.size), dtype=np.int64)
        drawn[:, filled] = rng.multinomial(total, cells[filled] / total, size=replicates) if len(filled) else 0
    return drawn.reshape(replicates, *table.shape)


def resampling_weights(
    rng: np.random.Generator, n: int, replicates: int, clusters: Clusters | None = None
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield how often each of `n` rows is drawn, in batches of shape (batch, n) that add up to `replicates` rows.

    Args:
        clusters: Drawn whole, as many as there are, in the place of rows; then a replicate has more or fewer rows than
            `n`, and its means divide by the sum of its weights.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8 (hierarchical data).
    """
    import numpy as np

    units = n if clusters is None else clusters.count
    for picks in _row_picks(rng, units, replicates, math.ceil(n / units)):
        cells = picks + units * np.arange(len(picks))[:, np.newaxis]
        times = np.bincount(cells.ravel(), minlength=picks.size).reshape(picks.shape).astype(np.float64)
        yield times if clusters is None else times[:, clusters.of_row]


def _row_picks(rng: np.random.Generator, n: int, replicates: int, row_size: int) -> Iterator[npt.NDArray[np.int64]]:
    batch = max(1, BATCH_ELEMENTS // (n * max(1, row_size)))
    for start in range(0, replicates, batch):
        yield rng.integers(0, n, size=(min(batch, replicates - start), n))


def _evaluate(
    statistic: Callable[..., npt.ArrayLike], samples: list[npt.NDArray[Any]], batch: int
) -> npt.NDArray[np.float64]:
    import numpy as np

    values = np.asarray(statistic(*samples), dtype=np.float64)
    if values.shape != (batch,):
        raise ValueError(f"expected `statistic` to return shape {(batch,)}, got {values.shape}")
    if np.isinf(values).any():
        raise ValueError("expected `statistic` to return finite values or NaN, got infinite ones")
    return values


def _ordered_quantile(
    ordered: npt.NDArray[np.float64], defined: npt.NDArray[np.int64] | int, probability: float
) -> npt.NDArray[np.float64]:
    """Quantile along axis 0 of the first `defined` values of each column of `ordered`, interpolated linearly."""
    import numpy as np

    position = probability * np.maximum(np.asarray(defined) - 1, 0)
    below = np.floor(position).astype(np.int64)
    above = np.ceil(position).astype(np.int64)
    at_below = np.take_along_axis(ordered, below[np.newaxis], axis=0)[0]
    at_above = np.take_along_axis(ordered, above[np.newaxis], axis=0)[0]
    return np.asarray(at_below + (position - below) * (at_above - at_below), dtype=np.float64)
