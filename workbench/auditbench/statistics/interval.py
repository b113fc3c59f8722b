"""An estimate with its confidence interval, alone or as arrays, and the quantile that most intervals start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

UndefinedReason: TypeAlias = Literal[
    "no_rows",  # there is nothing to estimate from
    "too_few_rows",  # the estimate exists, its variance does not
    "too_few_clusters",  # rows depend on each other, and there are too few clusters of them
    "one_class",  # the labels hold one class where two are needed
    "one_group",  # fewer than two groups to compare
    "zero_denominator",  # a ratio to 0
    "no_variation",  # the formula would give an interval of width 0 at the edge of the range
    "undefined_statistic",  # the statistic is undefined on the rows themselves
    "undefined_replicates",  # too few bootstrap replicates are defined for the tails
]
"""Why a value is undefined: a key that a message catalogue can resolve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalEstimate:
    """An estimate and its two-sided confidence interval, in the unit of the estimate.

    Attributes:
        estimate: `None` where undefined; then the bounds are `None` too.
        low: Lower bound, `None` where undefined.
        high: Upper bound, `None` exactly where `low` is.
        level: Nominal coverage, in (0, 1).
        method: Name of the method, for example `"newcombe"`.
        replicates: Bootstrap replicates drawn; 0 for a method that draws none.
        undefined_replicates: Those among them on which the statistic was undefined. The bounds are conditional on the
            others, so this count belongs beside them.
        reason: Why `estimate`, or the bounds alone, are undefined; `None` where both are defined.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    replicates: int = 0
    undefined_replicates: int = 0
    reason: UndefinedReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class IntervalEstimates:
    """Estimates and their confidence intervals, one for each element of an array of any shape.

    Attributes:
        estimate: Shape `(...)`; NaN where undefined.
        low: Lower bounds, same shape; NaN where undefined.
        high: Upper bounds, same shape; NaN exactly where `low` is.
        level: Nominal coverage of each interval by itself, in (0, 1).
        method: Name of the method, for example `"student-t"`.
        replicates: Bootstrap replicates drawn; 0 for a method that draws none.
        undefined_replicates: Shape `(...)`, integer: those among them on which the element was undefined.
    """

    estimate: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    level: float
    method: str
    replicates: int
    undefined_replicates: npt.NDArray[np.int64]


def normal_quantile(p: float) -> float:
    """Quantile of the standard normal distribution: the z with P(Z <= z) = `p`.

    Raises:
        ValueError: `p` is not strictly between 0 and 1.

    Source: Wichura (1988), algorithm AS 241, as in the standard library.
    """
    from statistics import NormalDist

    if not 0.0 < p < 1.0:
        raise ValueError(f"expected `p` strictly between 0 and 1, got {p!r}")
    return NormalDist().inv_cdf(p)


def undefined_interval(
    method: str, level: float, reason: UndefinedReason, estimate: float | None = None
) -> IntervalEstimate:
    """An interval without bounds, and without an estimate unless one is given."""
    return IntervalEstimate(estimate=estimate, low=None, high=None, level=level, method=method, reason=reason)
