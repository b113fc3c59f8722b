"""The few slices that the search found, tested again on the second half, which had no part in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from auditbench.statistics import (
    IntervalEstimate,
    holm,
    jackknife_error,
    mean_interval,
    newcombe_difference,
    share_interval,
)
from auditbench_slices.comparing import Comparison, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from auditbench_slices.losses import Losses

    Rows = npt.NDArray[np.bool_]

LEVEL = 0.95
"""Of each interval by itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A slice that the search found.

    Attributes:
        labels: Name of its value by name of the column.
        n: Rows in the first half.
        adjusted: P-value of the search, by Benjamini and Hochberg.
        rows: Which rows of the second half are in it, shape `(rows,)`.
    """

    labels: Mapping[str, str]
    n: int
    adjusted: float
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tested:
    """What the second half says of it.

    Attributes:
        n: Rows in the second half.
        mean: Mean loss of its rows; `difference` of it less that of all other rows, which is `elsewhere`. None where
            slice or rest have too few rows or clusters to be tested.
        p_value: Two-sided, of what is worse; `adjusted` by Holm over all slices that were tested.
    """

    found: Found
    n: int
    mean: IntervalEstimate | None = None
    elsewhere: float | None = None
    difference: IntervalEstimate | None = None
    p_value: float | None = None
    adjusted: float | None = None

    def is_confirmed(self, rate: float) -> bool:
        """Whether it is worse than the rest at this rate."""
        return self.adjusted is not None and self.adjusted <= rate


def confirm(found: Sequence[Found], losses: Losses, *, minimum: int) -> tuple[Tested, ...]:
    """Test each slice against all other rows of the second half, and adjust for how many these are.

    Args:
        losses: Of the rows of the second half.
        minimum: Rows below which a slice, or all others, are not tested.
    """
    compared = [compare(each.rows.astype(np.intp), 2, losses, minimum=minimum) for each in found]
    adjusted = holm([comparison.p_value[1] for comparison in compared])
    return tuple(
        _tested(each, comparison, float(level), losses)
        for each, comparison, level in zip(found, compared, adjusted, strict=True)
    )


def _tested(found: Found, comparison: Comparison, adjusted: float, losses: Losses) -> Tested:
    n = int(comparison.n[1])
    if not comparison.testable[1]:
        return Tested(found=found, n=n)
    return Tested(
        found=found,
        n=n,
        mean=_mean(losses.among(found.rows)),
        elsewhere=float(comparison.elsewhere[1]),
        difference=_difference(found.rows, comparison, losses),
        p_value=float(comparison.p_value[1]),
        adjusted=adjusted,
    )


def _mean(losses: Losses) -> IntervalEstimate:
    """Mean loss of a slice: Wilson's interval of a share, Student's of any other, by cluster where rows depend."""
    if losses.is_share:
        return share_interval(losses.values == 1, losses.clusters, level=LEVEL)
    if losses.clusters is None:
        return mean_interval(losses.values, level=LEVEL)
    mean = float(losses.values.mean())
    error = jackknife_error(losses.values - mean, losses.clusters)
    return _student(mean, error, losses.clusters.count - 1, "cluster-t")


def _difference(rows: Rows, comparison: Comparison, losses: Losses) -> IntervalEstimate:
    if losses.is_share and losses.clusters is None:
        inside, outside = losses.values[rows], losses.values[~rows]
        return newcombe_difference(int(inside.sum()), len(inside), int(outside.sum()), len(outside), level=LEVEL)
    difference = float(comparison.mean[1] - comparison.elsewhere[1])
    method = "welch-t" if losses.clusters is None else "cluster-t"
    estimate = _student(difference, float(comparison.error[1]), float(comparison.freedom[1]), method)
    if not losses.is_share or estimate.low is None or estimate.high is None:
        return estimate
    return IntervalEstimate(
        estimate=difference, low=max(-1.0, estimate.low), high=min(1.0, estimate.high), level=LEVEL, method=method
    )


def _student(estimate: float, error: float, freedom: float, method: str) -> IntervalEstimate:
    """Student's interval; without bounds where the losses do not vary."""
    if not error > 0 or math.isnan(freedom):
        return IntervalEstimate(
            estimate=estimate, low=None, high=None, level=LEVEL, method=method, reason="no_variation"
        )
    half = error * float(special.stdtrit(freedom, (1 + LEVEL) / 2))
    return IntervalEstimate(estimate=estimate, low=estimate - half, high=estimate + half, level=LEVEL, method=method)
