"""Largest differences and smallest ratios between groups, with bounds that hold for all pairs of groups at once.

With intervals `[L_ij, U_ij]` of every difference i - j that hold together, the largest difference lies between the
largest `L_ij` (or 0) and the largest `U_ij`, whichever groups it is between: noise in the choice of the pair is covered.
Each interval is made by square-and-add (MOVER) from limits of the two groups, at Šidák's level for the number of
comparisons. Rows are taken as independent and the sizes of groups as given. Comparisons that share groups make the
bounds conservative, the more so with many groups or with groups that truly differ. Wilson limits are approximate: far
in their tails they cover less than stated for a handful of expected events, such as a rate of 0.02 in dozens of rows.

Source: Šidák (1967), J. American Statistical Association 62:626 (level); Newcombe (1998), Statistics in Medicine
17:873, method 10 (differences of proportions); Zou and Donner (2008), Statistics in Medicine 27:1693 (square-and-add,
ratios on the log scale).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from auditbench.statistics._arguments import check_level
from auditbench.statistics.interval import IntervalEstimate, undefined_interval
from auditbench.statistics.proportions import wilson_intervals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Counts: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]

DIFFERENCE_METHOD = "simultaneous-newcombe"
RATIO_METHOD = "simultaneous-log-ratio"
MEAN_METHOD = "simultaneous-t"
_BATCH_PAIRS = 1 << 20


def sidak_level(level: float, comparisons: int) -> float:
    """Level at which each of so many independent intervals must hold for all to hold together at `level`.

    Raises:
        ValueError: `level` is outside (0, 1), or there are fewer than 1 comparisons.
    """
    if comparisons < 1:
        raise ValueError(f"expected `comparisons` of at least 1, got {comparisons}")
    return float(check_level(level) ** (1.0 / comparisons))


def largest_difference(rates: Sequence[Counts], *, level: float = 0.95) -> IntervalEstimate:
    """Largest difference between the proportions of two groups, in [0, 1]; for two groups |Newcombe's interval|.

    Args:
        rates: (successes, trials) of each rate, each of shape (groups,) with at least one trial a group. With several
            rates, pairs are formed within each, and the largest difference is taken over all of them.

    Undefined (`one_group`) where a rate has fewer than two groups.

    Raises:
        ValueError: No rate, shapes that differ, counts that are not whole with 0 <= successes <= trials and trials > 0,
            or `level` outside (0, 1).
    """
    sides, pairs = _checked(rates)
    if pairs is None:
        return undefined_interval(DIFFERENCE_METHOD, check_level(level), "one_group")
    each = sidak_level(level, pairs)
    parts = [_differences(hits / trials, *wilson_intervals(hits, trials, each).T) for hits, trials in sides]
    return _largest(parts, level, DIFFERENCE_METHOD, 1.0)


def smallest_ratio(rates: Sequence[Counts], *, level: float = 0.95) -> IntervalEstimate:
    """Smallest ratio of the proportions of two groups, in [0, 1]; arguments and errors as for `largest_difference`.

    Square-and-add on the log scale. Where a group of a pair has no success, which has no logarithm, the bounds are the
    ratios of opposite Wilson limits, 0 among them.

    Undefined where a rate has fewer than two groups (`one_group`) or is 0 in all of them (`zero_denominator`).
    """
    sides, pairs = _checked(rates)
    if pairs is None:
        return undefined_interval(RATIO_METHOD, check_level(level), "one_group")
    if any(not hits.any() for hits, _ in sides):
        return undefined_interval(RATIO_METHOD, check_level(level), "zero_denominator")
    each = sidak_level(level, pairs)
    parts = [_ratios(hits / trials, *wilson_intervals(hits, trials, each).T) for hits, trials in sides]
    return IntervalEstimate(
        estimate=min(estimate for estimate, _, _ in parts),
        low=min(low for _, low, _ in parts),
        high=min(1.0, *(high for _, _, high in parts)),
        level=level,
        method=RATIO_METHOD,
    )


def largest_difference_to_overall(
    successes: npt.ArrayLike, trials: npt.ArrayLike, overall: tuple[int, int], *, level: float = 0.95
) -> IntervalEstimate:
    """Largest distance of a group's proportion from that of all rows, in [0, 1].

    A group differs from all rows by its difference to the other rows times their share, so that the two sides are
    independent. Other rows of several groups vary less than one proportion would: their limits are conservative.

    Args:
        successes: Of each group, shape (groups,); `trials` alike.
        overall: Successes and trials of all rows, those of groups that are not given included.

    Undefined (`one_group`) with fewer than two groups. Errors as for `largest_difference`, and `overall` smaller than
    the sum of the groups.
    """
    ((hits, sizes),), _ = _checked([(successes, trials)])
    if len(hits) < 2:
        return undefined_interval(DIFFERENCE_METHOD, check_level(level), "one_group")
    rest_hits, rest_sizes = overall[0] - hits, overall[1] - sizes
    if hits.sum() > overall[0] or (sizes - hits).sum() > overall[1] - overall[0]:
        raise ValueError(f"expected `overall` of at least the sum of the groups, got {overall}")
    each = sidak_level(level, _contrasts(sizes, overall[1]))
    own, rest = wilson_intervals(hits, sizes, each), wilson_intervals(rest_hits, rest_sizes, each)
    part = _contrast((hits / sizes, *own.T), (rest_hits / rest_sizes, *rest.T), rest_sizes / overall[1])
    return _largest([part], level, DIFFERENCE_METHOD, 1.0)


def largest_mean_difference(
    sizes: npt.ArrayLike, means: npt.ArrayLike, variances: npt.ArrayLike, *, level: float = 0.95
) -> IntervalEstimate:
    """Largest difference between the means of two groups, in the unit of the values, at least 0.

    Square-and-add from Student's t limits of each group, with its own variance and degrees of freedom.

    Args:
        sizes: Rows of each group, shape (groups,); `means` and `variances` (with n - 1) alike. The variance of a group
            of one row is not read.

    Undefined: everything with fewer than two groups (`one_group`), the bounds where a group has one row
    (`too_few_rows`).

    Raises:
        ValueError: Shapes that differ, sizes below 1, values that are not finite, or `level` outside (0, 1).
    """
    n, centre, spread = _moments(sizes, means, variances)
    pairs = math.comb(len(n), 2)
    if not pairs:
        return undefined_interval(MEAN_METHOD, check_level(level), "one_group")
    if (n < 2).any():
        check_level(level)
        return undefined_interval(MEAN_METHOD, level, "too_few_rows", float(centre.max() - centre.min()))
    half = _t_half_widths(n, spread, sidak_level(level, pairs))
    return _largest([_differences(centre, centre - half, centre + half)], level, MEAN_METHOD, math.inf)


def largest_mean_difference_to_overall(
    sizes: npt.ArrayLike,
    means: npt.ArrayLike,
    variances: npt.ArrayLike,
    overall: tuple[int, float, float],
    *,
    level: float = 0.95,
) -> IntervalEstimate:
    """Largest distance of a group's mean from that of all rows, as `largest_difference_to_overall` does for proportions.

    Args:
        overall: Size, mean and variance of all rows, those of groups that are not given included.

    Undefined cases, other arguments and errors as for `largest_mean_difference`; also `too_few_rows` where fewer than
    two rows are outside a group.
    """
    import numpy as np

    n, centre, spread = _moments(sizes, means, variances)
    if len(n) < 2:
        return undefined_interval(MEAN_METHOD, check_level(level), "one_group")
    total, mean, variance = overall
    rest = total - n
    if n.sum() > total:
        raise ValueError(f"expected `overall` of at least the sum of the groups, got {overall}")
    if (n < 2).any() or (rest < 2).any():
        check_level(level)
        return undefined_interval(MEAN_METHOD, level, "too_few_rows", float(np.abs(centre - mean).max()))
    rest_centre = (total * mean - n * centre) / rest
    between = n * rest / total * (centre - rest_centre) ** 2
    rest_squares = (total - 1) * variance - (n - 1) * spread - between
    each = sidak_level(level, _contrasts(n, total))
    half = _t_half_widths(n, spread, each)
    rest_half = _t_half_widths(rest, np.maximum(rest_squares, 0.0) / (rest - 1), each)
    own_side = (centre, centre - half, centre + half)
    rest_side = (rest_centre, rest_centre - rest_half, rest_centre + rest_half)
    return _largest([_contrast(own_side, rest_side, rest / total)], level, MEAN_METHOD, math.inf)


def _checked(rates: Sequence[Counts]) -> tuple[list[tuple[Numbers, Numbers]], int | None]:
    """The counts as float64, and the pairs over all rates; None where a rate has no pair."""
    import numpy as np

    if not rates:
        raise ValueError("expected at least one rate, got none")
    sides = [(np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64)) for hits, trials in rates]
    for hits, trials in sides:
        wilson_intervals(hits, trials)
        if (trials == 0).any():
            raise ValueError("expected at least one trial in each group, got 0")
    pairs = [math.comb(len(hits), 2) for hits, _ in sides]
    return sides, sum(pairs) if min(pairs) else None


def _moments(sizes: npt.ArrayLike, means: npt.ArrayLike, variances: npt.ArrayLike) -> tuple[Numbers, Numbers, Numbers]:
    import numpy as np

    n, centre, spread = (np.asarray(part, dtype=np.float64) for part in (sizes, means, variances))
    if n.ndim != 1 or not n.shape == centre.shape == spread.shape:
        raise ValueError(f"expected three arrays of one shape (n,), got {n.shape}, {centre.shape}, {spread.shape}")
    if not (n >= 1).all():
        raise ValueError(f"expected `sizes` of at least 1, got {n.min()}")
    if not np.isfinite(centre).all() or not np.isfinite(spread[n > 1]).all():
        raise ValueError("expected finite `means` and `variances`, got NaN or infinite")
    return n, centre, spread


def _contrasts(sizes: Numbers, total: float) -> int:
    """Comparisons that groups are adjusted for when each is compared with all other rows.

    Of two groups that are all rows, each is the other's mirror image. Otherwise as many as there are pairs, at least one
    a group: limits of small groups at the level for the groups alone cover slightly less than stated.
    """
    groups = len(sizes)
    return 1 if groups == 2 and sizes.sum() == total else max(groups, math.comb(groups, 2))


def _t_half_widths(sizes: Numbers, variances: Numbers, level: float) -> Numbers:
    import numpy as np
    from scipy import special

    return np.asarray(special.stdtrit(sizes - 1, (1 + level) / 2) * np.sqrt(variances / sizes))


def _differences(value: Numbers, low: Numbers, high: Numbers) -> tuple[float, float, float]:
    """Largest difference over all ordered pairs, its largest lower and its largest upper bound."""
    import numpy as np

    below, above = value - low, high - value
    least, most = -math.inf, -math.inf
    for first in _first_of_pairs(len(value)):
        gap = value[first, np.newaxis] - value
        lower = gap - np.hypot(below[first, np.newaxis], above)
        upper = gap + np.hypot(above[first, np.newaxis], below)
        least, most = max(least, float(lower.max())), max(most, float(_unpaired(upper, first, -math.inf).max()))
    return float(value.max() - value.min()), least, most


def _ratios(value: Numbers, low: Numbers, high: Numbers) -> tuple[float, float, float]:
    """Smallest ratio over all ordered pairs, its smallest lower and its smallest upper bound."""
    import numpy as np

    some = value > 0
    safe = np.where(some, value, 1.0)
    logs = np.log(safe)
    below, above = logs - np.log(np.where(some, low, 1.0)), np.log(np.where(some, high, 1.0)) - logs
    least, most = math.inf, math.inf
    for first in _first_of_pairs(len(value)):
        both = some[first, np.newaxis] & some
        ratio = logs[first, np.newaxis] - logs
        lower = np.exp(ratio - np.hypot(below[first, np.newaxis], above))
        upper = np.exp(ratio + np.hypot(above[first, np.newaxis], below))
        apart = np.divide(high[first, np.newaxis], low, out=np.full(both.shape, math.inf), where=low > 0)
        lower = _unpaired(np.where(both, lower, low[first, np.newaxis] / high), first, math.inf)
        least, most = min(least, float(lower.min())), min(most, float(np.where(both, upper, apart).min()))
    return float(value.min() / value.max()), least, most


def _contrast(
    own: tuple[Numbers, Numbers, Numbers], rest: tuple[Numbers, Numbers, Numbers], share: Numbers
) -> tuple[float, float, float]:
    """Largest |own - rest| x share over groups, its largest lower and its largest upper bound."""
    import numpy as np

    (value, low, high), (other, other_low, other_high) = own, rest
    gap = value - other
    lower = share * (gap - np.hypot(value - low, other_high - other))
    upper = share * (gap + np.hypot(high - value, other - other_low))
    return (
        float(np.abs(share * gap).max()),
        float(np.maximum(lower, -upper).max()),
        float(np.maximum(upper, -lower).max()),
    )


def _largest(parts: Sequence[tuple[float, float, float]], level: float, method: str, most: float) -> IntervalEstimate:
    return IntervalEstimate(
        estimate=max(estimate for estimate, _, _ in parts),
        low=max(0.0, *(low for _, low, _ in parts)),
        high=min(most, max(high for _, _, high in parts)),
        level=level,
        method=method,
    )


def _first_of_pairs(groups: int) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the first group of each pair, in batches that bound the memory of many groups."""
    import numpy as np

    size = max(1, _BATCH_PAIRS // groups)
    for start in range(0, groups, size):
        yield np.arange(start, min(start + size, groups))


def _unpaired(bounds: Numbers, first: npt.NDArray[np.int64], nothing: float) -> Numbers:
    """Replace the bound of each group against itself, which would be wider than nothing."""
    import numpy as np

    bounds[np.arange(len(first)), first] = nothing
    return bounds
