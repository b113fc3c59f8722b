"""Whether rows of a slice cost more than all other rows: many slices at once, each tested exactly or by its mean.

Of independent rows that are right or wrong the test is Fisher's exact one; of any other loss it is Welch's. Where rows depend
on each other, the difference of means has the standard error of whole clusters, but no smaller one than that of rows. All
p-values are two-sided, twice the tail of what is worse, so that they say what two-sided intervals say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from auditbench.statistics import FEWEST_CLUSTERS
from auditbench_slices.tails import hypergeometric_tail

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.statistics import Clusters
    from auditbench_slices.losses import Losses

    Numbers = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Slices against all other rows, arrays of shape `(slices,)`.

    Attributes:
        n: Rows of the slice.
        mean: Mean loss of its rows, NaN without rows; `elsewhere` that of all others.
        error: Standard error of the difference of the two, NaN where there are too few rows.
        freedom: Degrees of freedom of that error.
        p_value: Two-sided, of what is worse; NaN where `testable` is false.
        testable: Whether slice and rest have enough rows, and enough clusters where these depend on each other.
    """

    n: npt.NDArray[np.int64]
    mean: Numbers
    elsewhere: Numbers
    error: Numbers
    freedom: Numbers
    p_value: Numbers
    testable: npt.NDArray[np.bool_]


def compare(codes: Codes, count: int, losses: Losses, *, minimum: int) -> Comparison:
    """Each of `count` slices against all other rows.

    Args:
        codes: The slice that each row is of, shape `(rows,)`.
        minimum: Rows below which a slice, or all others, are not tested.

    Source: Fisher (1935), J. Royal Statistical Society 98:39; Welch (1947), Biometrika 34:28.
    """
    values, rows = losses.values, len(losses)
    n = np.bincount(codes, minlength=count).astype(np.int64)
    total = _sums(codes, values, count)
    squares = total if losses.is_share else _sums(codes, values**2, count)
    inside = _Side(n=n, total=total, squares=squares)
    outside = _Side(n=rows - n, total=float(values.sum()) - total, squares=float(np.square(values).sum()) - squares)
    testable = np.minimum(inside.n, outside.n) >= max(2, minimum)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.stack([inside.variance / inside.n, outside.variance / outside.n])
        variance = parts.sum(axis=0)
        freedom = variance**2 / (parts[0] ** 2 / (inside.n - 1) + parts[1] ** 2 / (outside.n - 1))
    if losses.clusters is not None:
        dependent, inner, outer = _of_clusters(codes, losses.values, losses.clusters, inside, outside)
        variance, fewest = np.maximum(variance, dependent), np.minimum(inner, outer)
        freedom = (fewest - 1).astype(np.float64)
        testable &= fewest >= FEWEST_CLUSTERS
    p_value, error = np.full(count, np.nan), np.sqrt(variance)
    if losses.is_share and losses.clusters is None:
        whole = np.full(int(testable.sum()), values.sum()), np.full(int(testable.sum()), float(rows))
        tail = hypergeometric_tail(total[testable], n[testable].astype(np.float64), *whole)
    else:
        tail = _student_tail(inside.mean - outside.mean, error, freedom)[testable]
    p_value[testable] = np.minimum(1.0, 2.0 * tail)
    return Comparison(
        n=n,
        mean=inside.mean,
        elsewhere=outside.mean,
        error=error,
        freedom=freedom,
        p_value=p_value,
        testable=testable,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    """Rows of each slice, or all other rows: how many, the sum of their losses and of their squares."""

    n: npt.NDArray[np.int64]
    total: Numbers
    squares: Numbers

    @property
    def mean(self) -> Numbers:
        mean: Numbers = np.divide(self.total, self.n, out=np.full(len(self.n), np.nan), where=self.n > 0)
        return mean

    @property
    def variance(self) -> Numbers:
        """Of one loss; NaN of fewer than two rows."""
        spread = np.maximum(self.squares - self.n * np.nan_to_num(self.mean) ** 2, 0.0)
        variance: Numbers = np.divide(spread, self.n - 1, out=np.full(len(self.n), np.nan), where=self.n > 1)
        return variance


def _sums(codes: Codes, values: Numbers, count: int) -> Numbers:
    return np.bincount(codes, weights=values, minlength=count).astype(np.float64)


def _student_tail(difference: Numbers, error: Numbers, freedom: Numbers) -> Numbers:
    """Chance of so large a difference or a larger one; 1 where losses do not vary, which says nothing of other rows."""
    known = (error > 0) & np.isfinite(freedom)
    safe = np.where(known, error, 1.0), np.where(known, np.maximum(freedom, 1.0), 1.0)
    return np.where(known, special.stdtr(safe[1], -np.nan_to_num(difference) / safe[0]), 1.0)


def _of_clusters(
    codes: Codes, values: Numbers, clusters: Clusters, inside: _Side, outside: _Side
) -> tuple[Numbers, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Variance of each difference of means, linearised and summed by cluster; clusters with rows inside, and outside.

    The sum over all clusters is that of clusters without a row in the slice, of which only sums over all are needed, with
    what those that have one add beyond that.

    Source: Cochran (1977), Sampling Techniques, section 6.3 (the linearised ratio of cluster totals).
    """
    count, sizes, sums = len(inside.n), clusters.sums(np.ones(len(values))), clusters.sums(values)
    pairs, place = np.unique(codes * clusters.count + clusters.of_row, return_inverse=True)
    of_slice, of_cluster = np.divmod(pairs, clusters.count)
    n, total = np.bincount(place), _sums(place.astype(np.intp), values, len(pairs))
    mean, elsewhere = np.nan_to_num(inside.mean), np.nan_to_num(outside.mean)
    rest = np.maximum(outside.n, 1)

    def outer(sums: Numbers, sizes: Numbers) -> Numbers:
        return np.asarray((sums - elsewhere[of_slice] * sizes) / rest[of_slice])

    without = (sums @ sums - 2 * elsewhere * (sums @ sizes) + elsewhere**2 * (sizes @ sizes)) / rest**2
    as_if_without = outer(sums[of_cluster], sizes[of_cluster])
    moved = (total - mean[of_slice] * n) / np.maximum(inside.n, 1)[of_slice]
    moved = moved - outer(sums[of_cluster] - total, sizes[of_cluster] - n)
    variance = without + _sums(of_slice, moved**2 - as_if_without**2, count)
    variance *= clusters.count / max(1, clusters.count - 1)
    inner = np.bincount(of_slice, minlength=count)
    only_inside = np.bincount(of_slice, weights=n == sizes[of_cluster], minlength=count).astype(np.int64)
    return np.maximum(variance, 0.0), inner, clusters.count - only_inside
