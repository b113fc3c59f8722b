"""The difference of one metric between two runs, with its uncertainty: from rows, from intervals, or exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from auditbench.comparison.record import Design

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.comparison.pairing import RowPairs
    from auditbench.results import Interval, Metric

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """After less before, in the metric's unit.

    Attributes:
        before: Value of the baseline on the compared rows; `after` that of the candidate.
        below: Standard error towards smaller differences; `above` towards larger ones.
        freedom: Degrees of freedom of Student's t; infinite for the normal distribution.
        n: Compared rows: pairs, or the rows of the smaller run.
        design: How the rows of the two runs relate; `exact` has no error.
    """

    before: float
    after: float
    below: float
    above: float
    freedom: float
    n: int
    design: Design

    @property
    def estimate(self) -> float:
        """After less before; 0 where the two are equal up to rounding."""
        difference = self.after - self.before
        return 0.0 if abs(difference) <= _rounding(self.before, self.after) else difference

    def bounds(self, level: float) -> tuple[float, float]:
        """Interval of the difference at a level in (0, 1)."""
        if self.below == self.above == 0.0:
            return self.estimate, self.estimate
        reach = _quantile((1.0 + level) / 2.0, self.freedom)
        return self.estimate - reach * self.below, self.estimate + reach * self.above

    def p_value(self) -> float:
        """Two-sided p-value of "no difference": above 1 - level exactly where the interval of that level holds 0."""
        estimate = self.estimate
        if estimate == 0.0:
            return 1.0
        error = self.below if estimate > 0 else self.above
        return 2.0 * _tail(abs(estimate) / error, self.freedom) if error > 0 else 0.0


def paired_difference(before: Metric, after: Metric, pairs: RowPairs) -> Difference | None:
    """The difference on the rows that both runs have, from what each row does to the two values.

    The value on these rows is the value on all rows plus the mean influence of these: exact for means and, to first
    order, for what is made of means. The standard error is that of the mean difference of influences; Student's t has
    the degrees of freedom that fit the kurtosis of these differences, so that few rows that differ weigh as the few
    they are.

    Returns:
        None without influences, with fewer than 2 pairs, and where every row differs by the same.

    Source: Hampel (1974), JASA 69:383 (influence); O'Neill (2014), The American Statistician 68:282 (degrees of freedom).
    """
    rows = _influences(before, after, pairs)
    if rows is None or pairs.n < 2:
        return None
    first, second = rows[0][pairs.baseline], rows[1][pairs.candidate]
    value_before = _number(before) + (float(first.mean()) if pairs.baseline_only else 0.0)
    value_after = _number(after) + (float(second.mean()) if pairs.candidate_only else 0.0)
    spread, freedom = _spread(second - first)
    error = spread / math.sqrt(pairs.n)
    scale = _rounding(_number(before), _number(after))
    if error <= scale and abs(value_after - value_before) > scale:
        return None
    error = error if error > scale else 0.0
    return Difference(
        before=value_before,
        after=value_after,
        below=error,
        above=error,
        freedom=freedom,
        n=pairs.n,
        design="paired",
    )


def overlapping_difference(before: Metric, after: Metric, pairs: RowPairs) -> Difference | None:
    """The difference of two runs with some rows in common, from the influences of all their rows.

    Its variance is that of two independent values less twice the covariance that the common rows bring in.

    Returns:
        None without influences, with fewer than 2 pairs, and where the variance is not positive.
    """
    rows = _influences(before, after, pairs)
    if rows is None or pairs.n < 2:
        return None
    import numpy as np

    sizes = (len(rows[0]), len(rows[1]))
    spreads = [_spread(part) for part in rows]
    parts = [spread**2 / size for (spread, _), size in zip(spreads, sizes, strict=True)]
    common = float(np.cov(rows[0][pairs.baseline], rows[1][pairs.candidate])[0, 1])
    variance = sum(parts) - 2.0 * pairs.n * common / (sizes[0] * sizes[1])
    if variance <= _rounding(_number(before), _number(after)) ** 2:
        return None
    slack = sum(part**2 / freedom for part, (_, freedom) in zip(parts, spreads, strict=True))
    error = math.sqrt(variance)
    return Difference(
        before=_number(before),
        after=_number(after),
        below=error,
        above=error,
        freedom=sum(parts) ** 2 / slack if slack > 0 else math.inf,
        n=min(sizes),
        design="overlapping",
    )


def independent_difference(before: Metric, after: Metric) -> Difference | None:
    """The difference of two values that rest on rows of their own, from their two intervals.

    Each bound of the difference takes the arm of either interval that reaches that way, so that intervals that are not
    symmetric keep their shape; for two Wilson intervals this is Newcombe's. At another level the arms grow as the normal
    quantile does.

    Returns:
        None where a value has no interval.

    Source: Zou and Donner (2008), Statistics in Medicine 27:1693.
    """
    if before.interval is None or after.interval is None:
        return None
    first, second = _arms(_number(before), before.interval), _arms(_number(after), after.interval)
    return Difference(
        before=_number(before),
        after=_number(after),
        below=math.hypot(second[0], first[1]),
        above=math.hypot(second[1], first[0]),
        freedom=math.inf,
        n=min(before.n, after.n),
        design="independent",
    )


def exact_difference(before: Metric, after: Metric) -> Difference:
    """The difference of two values without sampling error."""
    return Difference(
        before=_number(before),
        after=_number(after),
        below=0.0,
        above=0.0,
        freedom=math.inf,
        n=min(before.n, after.n),
        design="exact",
    )


def _influences(
    before: Metric, after: Metric, pairs: RowPairs
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """What each row does to the two values; None where one is not known, or is not of the evaluated rows."""
    if before.influence is None or after.influence is None:
        return None
    import numpy as np

    first, second = np.asarray(before.influence, np.float64), np.asarray(after.influence, np.float64)
    return (first, second) if (first.shape, second.shape) == ((pairs.baseline_rows,), (pairs.candidate_rows,)) else None


def _spread(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Standard deviation, and the degrees of freedom of its square by the kurtosis of the values."""
    import numpy as np

    n = len(values)
    centred = values - values.mean()
    second = float(np.mean(centred**2))
    if n < 2 or second == 0.0:
        return 0.0, math.inf
    kurtosis = float(np.mean(centred**4)) / second**2
    freedom = 2.0 * n / (kurtosis - (n - 3.0) / (n - 1.0))
    return math.sqrt(second * n / (n - 1.0)), max(1.0, min(freedom, n - 1.0))


def _arms(value: float, interval: Interval) -> tuple[float, float]:
    """Standard errors below and above a value; half the width both ways where the interval lies beside its value."""
    reach = NormalDist().inv_cdf((1.0 + interval.level) / 2.0)
    if interval.low <= value <= interval.high:
        return (value - interval.low) / reach, (interval.high - value) / reach
    half = (interval.high - interval.low) / 2.0
    return half / reach, half / reach


def _number(metric: Metric) -> float:
    """The value of a metric that is known to have one."""
    return math.nan if metric.value is None else float(metric.value)


def _rounding(*values: float) -> float:
    """What two values may differ by without being different."""
    return _ROUNDING * max(1.0, *map(abs, values))


def _quantile(p: float, freedom: float) -> float:
    if math.isinf(freedom):
        return NormalDist().inv_cdf(p)
    from scipy import special

    return float(special.stdtrit(freedom, p))


def _tail(distance: float, freedom: float) -> float:
    if math.isinf(freedom):
        return 0.5 * math.erfc(distance / math.sqrt(2.0))
    from scipy import special

    return float(special.stdtr(freedom, -distance))
