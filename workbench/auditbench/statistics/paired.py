"""Comparisons of two measurements of the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from auditbench.statistics._arguments import check_level, check_replicates, finite_array
from auditbench.statistics.bootstrap import BATCH_ELEMENTS, resampling_weights
from auditbench.statistics.interval import UndefinedReason, normal_quantile
from auditbench.statistics.means import mean_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """A paired difference, its interval, and the test of "no difference" against both sides.

    Attributes:
        estimate: First minus second, in the unit of the measurements; `None` without rows.
        low: Lower bound, `None` where undefined or where the method states no interval.
        high: Upper bound, `None` exactly where `low` is.
        p_value: Two-sided, in [0, 1]; `None` where undefined.
        n: Pairs of rows.
        method: Name of the method, for example `"paired-t"`.
        level: Nominal coverage of the interval, in (0, 1); `None` for a method that states no interval.
        reason: Why one of the values is undefined; `None` where the method gave all that it states.
    """

    estimate: float | None
    low: float | None
    high: float | None
    p_value: float | None
    n: int
    method: str
    level: float | None
    reason: UndefinedReason | None = None


def mcnemar(b: int, c: int, n: int, *, level: float = 0.95, method: Literal["exact", "mid-p"] = "mid-p") -> PairedTest:
    """McNemar's test of two proportions over the same rows, from the pairs that disagree.

    Args:
        b: Pairs in which only the first is 1.
        c: Pairs in which only the second is 1.
        n: All pairs, those that agree included.
        method: `exact` (binomial, conservative) or `mid-p` (half the probability of the observed table; nearer to its
            level, which it may exceed slightly).

    Returns:
        The estimate (b - c) / n, its adjusted Wald interval (Bonett and Price), both in [-1, 1], and the p-value of the
        method: 1 where no pair disagrees. All undefined for n = 0 (`no_rows`).

    Raises:
        ValueError: Counts that are not whole with 0 <= b + c <= n, or a bad `level` or `method`.

    Source: Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91 (tests); Bonett and Price
    (2012), J. Educational and Behavioral Statistics 37:479 (interval).
    """
    from scipy import special

    z = normal_quantile((1.0 + check_level(level)) / 2.0)
    if min(b, c) < 0 or b + c > n or b % 1 or c % 1 or n % 1:
        raise ValueError(f"expected whole counts with b, c >= 0 and b + c <= n, got b={b}, c={c}, n={n}")
    if method not in ("exact", "mid-p"):
        raise ValueError(f"expected `method` exact or mid-p, got {method!r}")
    name = f"mcnemar-{method}"
    if n == 0:
        return _undefined(name, level, 0, "no_rows")
    disagree, fewer = b + c, min(b, c)
    up_to = float(special.bdtr(fewer, disagree, 0.5))
    less = float(special.bdtr(fewer - 1, disagree, 0.5)) if fewer else 0.0
    only_first, only_second = (b + 1) / (n + 2), (c + 1) / (n + 2)
    centre = only_first - only_second
    half = z * math.sqrt((only_first + only_second - centre**2) / (n + 2))
    return PairedTest(
        estimate=(b - c) / n,
        low=max(-1.0, centre - half),
        high=min(1.0, centre + half),
        p_value=min(1.0, 2 * up_to if method == "exact" else up_to + less),
        n=n,
        method=name,
        level=level,
    )


def paired_difference(a: npt.ArrayLike, b: npt.ArrayLike, *, level: float = 0.95) -> PairedTest:
    """Mean of a - b over the same rows, with Student's t interval and test.

    `a` and `b` have shape (n,) and one unit. Without rows all is undefined (`no_rows`), with one row all but the
    estimate (`too_few_rows`). Where every difference is the same the interval has width 0 and the p-value is undefined
    (`no_variation`).

    Raises:
        ValueError: Other or different shapes, values that are not finite, or `level` outside (0, 1).

    Source: Student (1908), The Probable Error of a Mean.
    """
    import numpy as np
    from scipy import special

    difference = _differences(a, b)
    n = len(difference)
    mean = mean_interval(difference, level=level)
    p_value: float | None = None
    reason = mean.reason
    if mean.estimate is not None and mean.low is not None:
        spread = float(np.std(difference, ddof=1)) if np.ptp(difference) > 0 else 0.0
        if spread > 0.0:
            p_value = 2 * float(special.stdtr(n - 1, -abs(mean.estimate) / (spread / math.sqrt(n))))
        else:
            reason = "no_variation"
    return PairedTest(
        estimate=mean.estimate,
        low=mean.low,
        high=mean.high,
        p_value=p_value,
        n=n,
        method="paired-t",
        level=level,
        reason=reason,
    )


def paired_difference_bootstrap(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    replicates: int = 1000,
    level: float = 0.95,
) -> PairedTest:
    """Mean of a - b over the same rows, with a percentile bootstrap interval and the p-value that inverts it.

    Pairs are drawn with replacement. The p-value is twice the share of replicates on the far side of 0, the rows
    themselves counted as one replicate, so it is never below 2 / (`replicates` + 1). Arguments, undefined cases and
    errors as for `paired_difference`, but where every difference is the same the p-value is the bootstrap's own.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, sections 13.3 and 15.4; Davison and Hinkley
    (1997), Bootstrap Methods and their Application, eq. 4.11 (the added replicate).
    """
    import numpy as np

    check_replicates(replicates, level)
    difference = _differences(a, b)
    n = len(difference)
    if n < 2:
        estimate = float(difference[0]) if n else None
        return _undefined("paired-bootstrap", level, n, "too_few_rows" if n else "no_rows", estimate)
    drawn = np.concatenate([weights @ difference / n for weights in resampling_weights(rng, n, replicates)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    far = min(int(np.count_nonzero(drawn <= 0)), int(np.count_nonzero(drawn >= 0)))
    return PairedTest(
        estimate=float(difference.mean()),
        low=float(low),
        high=float(high),
        p_value=min(1.0, 2 * (far + 1) / (replicates + 1)),
        n=n,
        method="paired-bootstrap",
        level=level,
    )


def permutation_test_paired(
    a: npt.ArrayLike, b: npt.ArrayLike, *, rng: np.random.Generator, replicates: int = 9999
) -> PairedTest:
    """Mean of a - b over the same rows, tested by exchanging the two within pairs; states no interval.

    All 2**n sign patterns are counted where they are no more than `replicates`; otherwise that many are drawn, with the
    observed one counted among them. Assumes that under "no difference" each difference is as likely as its negative.
    All undefined without rows (`no_rows`). Arguments as for `paired_difference`.

    Raises:
        ValueError: Other or different shapes, values that are not finite, or fewer than 1 replicate.

    Source: Fisher (1935), The Design of Experiments, section 21; Phipson and Smyth (2010), arXiv:1603.05766, eq. 2.
    """
    import numpy as np

    if replicates < 1:
        raise ValueError(f"expected `replicates` of at least 1, got {replicates}")
    difference = _differences(a, b)
    n = len(difference)
    if n == 0:
        return _undefined("sign-flip", None, 0, "no_rows")
    observed = abs(float(difference.sum()))
    threshold = observed - 1e-12 * float(np.abs(difference).sum())  # equal sums may differ by rounding
    every = n < 63 and 2**n <= replicates
    count = 2**n if every else replicates
    batch = max(1, BATCH_ELEMENTS // n)
    extreme = 0
    for start in range(0, count, batch):
        size = min(batch, count - start)
        if every:
            flipped = np.arange(start, start + size)[:, np.newaxis] >> np.arange(n) & 1
        else:
            flipped = rng.integers(0, 2, size=(size, n), dtype=np.int8)
        sums = difference.sum() - 2 * (flipped.astype(np.float64) @ difference)
        extreme += int(np.count_nonzero(np.abs(sums) >= threshold))
    return PairedTest(
        estimate=float(difference.mean()),
        low=None,
        high=None,
        p_value=extreme / count if every else (extreme + 1) / (count + 1),
        n=n,
        method="sign-flip-exact" if every else "sign-flip",
        level=None,
    )


def _differences(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    first, second = finite_array("a", a, 1), finite_array("b", b, 1)
    if first.shape != second.shape:
        raise ValueError(f"expected `a` and `b` of one shape, got {first.shape} and {second.shape}")
    return first - second


def _undefined(
    method: str, level: float | None, n: int, reason: UndefinedReason, estimate: float | None = None
) -> PairedTest:
    return PairedTest(
        estimate=estimate, low=None, high=None, p_value=None, n=n, method=method, level=level, reason=reason
    )
