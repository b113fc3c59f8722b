"""Largest differences and smallest ratios between groups, with bounds that hold for all pairs of groups at once.

With intervals `[L_ij, U_ij]` of every difference i - j that hold together, the largest difference lies between the
largest `L_ij` (or 0) and the largest `U_ij`, whichever groups it is between: noise in the choice of the pair is covered.
Each interval is made by square-and-add (MOVER) from limits of the two groups, at Šidák's level for the number of
comparisons. Counts are of independent rows; `Shares` and `GroupMeans` say what others are worth and how groups vary
together. The sizes of groups are taken as given. Comparisons that share groups make the bounds conservative, the more
so with many groups or with groups that truly differ. Wilson limits are approximate: far in their tails they cover less
than stated for a handful of expected events, such as a rate of 0.02 in dozens of rows.

Source: Šidák (1967), J. American Statistical Association 62:626 (level); Newcombe (1998), Statistics in Medicine
17:873, method 10 (differences of proportions); Zou and Donner (2008), Statistics in Medicine 27:1693 (square-and-add).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from auditbench.statistics._arguments import check_level
from auditbench.statistics.clusters import FEWEST_CLUSTERS
from auditbench.statistics.contrasts import Contrast, Estimates
from auditbench.statistics.group_means import GroupMeans
from auditbench.statistics.interval import IntervalEstimate, IntervalEstimates, UndefinedReason, undefined_interval
from auditbench.statistics.proportions import wilson_intervals
from auditbench.statistics.shares import Shares
from auditbench.statistics.square_and_add import pair_differences, pair_ratios

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Counts: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]

DIFFERENCE_METHOD = "simultaneous-newcombe"
RATIO_METHOD = "simultaneous-log-ratio"
MEAN_METHOD = "simultaneous-t"


def sidak_level(level: float, comparisons: int) -> float:
    """Level at which each of so many independent intervals must hold for all to hold together at `level`.

    Raises:
        ValueError: `level` is outside (0, 1), or there are fewer than 1 comparisons.
    """
    if comparisons < 1:
        raise ValueError(f"expected `comparisons` of at least 1, got {comparisons}")
    return float(check_level(level) ** (1.0 / comparisons))


def largest_difference(rates: Sequence[Counts | Shares], *, level: float = 0.95) -> IntervalEstimate:
    """Largest difference between the proportions of two groups, in [0, 1]; for two groups |Newcombe's interval|.

    Args:
        rates: (successes, trials) of each rate, each of shape (groups,) with at least one trial a group, or its `Shares`.
            With several rates, pairs are formed within each, and the largest difference is taken over all of them.

    Undefined where a rate has fewer than two groups (`one_group`); the bounds where a group has too few clusters
    (`too_few_clusters`).

    Raises:
        ValueError: No rate, shapes that differ, counts that are not whole with 0 <= successes <= trials and trials > 0,
            a share that is not known, or `level` outside (0, 1).
    """
    shares, pairs = _checked(rates)
    if pairs is None:
        return undefined_interval(DIFFERENCE_METHOD, check_level(level), "one_group")
    estimate = max(float(each.share.max() - each.share.min()) for each in shares)
    if reason := _no_bounds(shares):
        return undefined_interval(DIFFERENCE_METHOD, check_level(level), reason, estimate)
    found = [pair_differences(each.limited(sidak_level(level, pairs))) for each in shares]
    return IntervalEstimate(
        estimate=estimate,
        low=max(0.0, *(low for _, low, _ in found)),
        high=min(1.0, max(high for _, _, high in found)),
        level=level,
        method=DIFFERENCE_METHOD,
    )


def smallest_ratio(rates: Sequence[Counts | Shares], *, level: float = 0.95) -> IntervalEstimate:
    """Smallest ratio of the proportions of two groups, in [0, 1]; arguments and errors as for `largest_difference`.

    Square-and-add on the log scale. Where a group of a pair has no success, which has no logarithm, the bounds are the
    ratios of opposite Wilson limits, 0 among them.

    Undefined where a rate has fewer than two groups (`one_group`) or is 0 in all of them (`zero_denominator`); the bounds as
    for `largest_difference`.
    """
    shares, pairs = _checked(rates)
    if pairs is None:
        return undefined_interval(RATIO_METHOD, check_level(level), "one_group")
    if any(not each.share.any() for each in shares):
        return undefined_interval(RATIO_METHOD, check_level(level), "zero_denominator")
    estimate = min(float(each.share.min() / each.share.max()) for each in shares)
    if reason := _no_bounds(shares):
        return undefined_interval(RATIO_METHOD, check_level(level), reason, estimate)
    found = [pair_ratios(each.limited(sidak_level(level, pairs))) for each in shares]
    return IntervalEstimate(
        estimate=estimate,
        low=min(float(low.min()) for _, low, _ in found),
        high=min(1.0, *(float(high.min()) for _, _, high in found)),
        level=level,
        method=RATIO_METHOD,
    )


def ratios_to_highest(successes: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.95) -> IntervalEstimates:
    """Ratio of each group's proportion to the highest one, in [0, 1], from counts; see `share_ratios_to_highest`.

    Args:
        successes: Of each group, shape (groups,); `trials` alike.

    Errors as for `largest_difference`.
    """
    return share_ratios_to_highest(_of_counts(successes, trials), level=level)


def share_ratios_to_highest(shares: Shares, *, level: float = 0.95) -> IntervalEstimates:
    """Ratio of each group's proportion to the highest one, in [0, 1]: arrays of shape (groups,).

    The bounds hold for all groups at once, and whichever group is in truth the highest: the ratio of a group is its
    smallest to any other, or 1, and lies between the smallest lower and the smallest upper bound of these. The least of
    each is what `smallest_ratio` gives.

    NaN with fewer than two groups, and where no group has a success; the bounds alone where a group has too few clusters.
    Errors as for `largest_difference`.
    """
    import numpy as np

    _, pairs = _checked([shares])
    estimate, low, high = (np.full(len(shares), np.nan) for _ in range(3))
    check_level(level)
    if pairs is not None and shares.share.any():
        estimate = shares.share / shares.share.max()
        if _no_bounds([shares]) is None:
            _, low, high = pair_ratios(shares.limited(sidak_level(level, pairs)))
    return IntervalEstimates(
        estimate=estimate,
        low=np.minimum(low, 1.0),
        high=np.minimum(high, 1.0),
        level=level,
        method=RATIO_METHOD,
        replicates=0,
        undefined_replicates=np.zeros(len(shares), dtype=np.int64),
    )


def largest_difference_to_overall(
    successes: npt.ArrayLike, trials: npt.ArrayLike, overall: tuple[int, int], *, level: float = 0.95
) -> IntervalEstimate:
    """Largest distance of a group's proportion from that of all rows, in [0, 1]; see `largest_contrast`.

    Args:
        successes: Of each group, shape (groups,); `trials` alike.
        overall: Successes and trials of all rows, those of groups that are not given included.

    Undefined (`one_group`) with fewer than two groups. Errors as for `largest_difference`, and `overall` smaller than
    the sum of the groups.
    """
    import numpy as np

    (own,), _ = _checked([(successes, trials)])
    hits, sizes = np.asarray(successes, dtype=np.float64), own.trials
    if len(own) < 2:
        return undefined_interval(DIFFERENCE_METHOD, check_level(level), "one_group")
    if hits.sum() > overall[0] or (sizes - hits).sum() > overall[1] - overall[0]:
        raise ValueError(f"expected `overall` of at least the sum of the groups, got {overall}")
    left = overall[1] - sizes
    rest = Shares(share=(overall[0] - hits) / left, trials=left)
    return largest_contrast(Contrast(own=own, rest=rest, between=None, part=left / overall[1]), level=level)


def largest_contrast(contrast: Contrast[Estimates], *, level: float = 0.95) -> IntervalEstimate:
    """Largest distance of a group's proportion or mean from that of all rows, at least 0.

    A group differs from all rows by its difference to the other rows times their share, so that the two sides are
    independent unless they have clusters in common. Other rows of several groups vary less than one proportion would: their
    limits are conservative.

    Undefined: everything with fewer than two groups (`one_group`), the bounds where a side has too few rows or clusters.

    Raises:
        ValueError: `level` is outside (0, 1).
    """
    import numpy as np

    proportions = isinstance(contrast.own, Shares)
    method, most = (DIFFERENCE_METHOD, 1.0) if proportions else (MEAN_METHOD, math.inf)
    contrast = contrast.among(contrast.part > 0)  # a group that is all rows is compared with nobody
    if len(contrast.own) < 2:
        return undefined_interval(method, check_level(level), "one_group")
    gap, low, high = (contrast.part * each for each in contrast.limits(sidak_level(level, _comparisons(contrast.part))))
    if np.isnan(low).any():
        few: UndefinedReason = "too_few_rows" if contrast.between is None else "too_few_clusters"
        return undefined_interval(method, level, few, float(np.abs(gap).max()))
    return IntervalEstimate(
        estimate=float(np.abs(gap).max()),
        low=max(0.0, float(np.maximum(low, -high).max())),
        high=min(most, float(np.maximum(high, -low).max())),
        level=level,
        method=method,
    )


def largest_mean_difference_of(groups: GroupMeans, *, level: float = 0.95) -> IntervalEstimate:
    """Largest difference between the means of two groups, in the unit of the values, at least 0.

    Square-and-add from Student's t limits of each group, with its own error and degrees of freedom.

    Undefined: everything with fewer than two groups (`one_group`), the bounds where a group has a single row
    (`too_few_rows`) or too few clusters (`too_few_clusters`).

    Raises:
        ValueError: `level` is outside (0, 1).
    """
    import numpy as np

    pairs = math.comb(len(groups), 2)
    if not pairs:
        return undefined_interval(MEAN_METHOD, check_level(level), "one_group")
    estimate = float(groups.mean.max() - groups.mean.min())
    limited = groups.limited(sidak_level(level, pairs))
    if np.isnan(limited.low).any():
        few = groups.correlation is not None and bool((groups.freedom + 1 < FEWEST_CLUSTERS).any())
        return undefined_interval(MEAN_METHOD, level, "too_few_clusters" if few else "too_few_rows", estimate)
    _, low, high = pair_differences(limited)
    return IntervalEstimate(estimate=estimate, low=max(0.0, low), high=high, level=level, method=MEAN_METHOD)


def largest_mean_difference(
    sizes: npt.ArrayLike, means: npt.ArrayLike, variances: npt.ArrayLike, *, level: float = 0.95
) -> IntervalEstimate:
    """The same of independent rows.

    Args:
        sizes: Rows of each group, shape (groups,); `means` and `variances` (with n - 1) alike. The variance of a group
            of one row is not read.

    Raises:
        ValueError: Shapes that differ, sizes below 1, values that are not finite, or `level` outside (0, 1).
    """
    return largest_mean_difference_of(_independent(*_moments(sizes, means, variances)), level=level)


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
    total, mean, variance = overall
    rest = total - n
    if len(n) < 2:
        return undefined_interval(MEAN_METHOD, check_level(level), "one_group")
    if n.sum() > total:
        raise ValueError(f"expected `overall` of at least the sum of the groups, got {overall}")
    if (n < 2).any() or (rest < 2).any():
        check_level(level)
        return undefined_interval(MEAN_METHOD, level, "too_few_rows", float(np.abs(centre - mean).max()))
    rest_centre = (total * mean - n * centre) / rest
    between = n * rest / total * (centre - rest_centre) ** 2
    rest_squares = (total - 1) * variance - (n - 1) * spread - between
    others = _independent(rest, rest_centre, np.maximum(rest_squares, 0.0) / (rest - 1))
    contrast = Contrast(own=_independent(n, centre, spread), rest=others, between=None, part=rest / total)
    return largest_contrast(contrast, level=level)


def _checked(rates: Sequence[Counts | Shares]) -> tuple[list[Shares], int | None]:
    """Shares of each rate, and the pairs over all rates; None where a rate has no pair."""
    import numpy as np

    if not rates:
        raise ValueError("expected at least one rate, got none")
    found = [rate if isinstance(rate, Shares) else _of_counts(*rate) for rate in rates]
    if any(np.isnan(each.share).any() for each in found):
        raise ValueError("expected shares that are known, got NaN")
    pairs = [math.comb(len(each), 2) for each in found]
    return found, sum(pairs) if min(pairs) else None


def _of_counts(successes: npt.ArrayLike, trials: npt.ArrayLike) -> Shares:
    import numpy as np

    wilson_intervals(successes, trials)
    hits, sizes = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if (sizes == 0).any():
        raise ValueError("expected at least one trial in each group, got 0")
    return Shares(share=hits / sizes, trials=sizes)


def _no_bounds(shares: Sequence[Shares]) -> UndefinedReason | None:
    import numpy as np

    return "too_few_clusters" if any(np.isnan(each.trials).any() for each in shares) else None


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


def _independent(sizes: Numbers, means: Numbers, variances: Numbers) -> GroupMeans:
    import numpy as np

    error = np.sqrt(np.where(sizes < 2, np.nan, variances) / sizes)
    return GroupMeans(mean=means, error=error, freedom=np.maximum(sizes - 1.0, 1.0))


def _comparisons(rest: Numbers) -> int:
    """Comparisons that groups are adjusted for when each is compared with all other rows.

    Of two groups that are all rows, each is the other's mirror image. Otherwise as many as there are pairs, at least one
    a group: limits of small groups at the level for the groups alone cover slightly less than stated.

    Args:
        rest: Share of the other rows of each group.
    """
    groups = len(rest)
    whole = math.isclose(float((1.0 - rest).sum()), 1.0, rel_tol=1e-9)
    return 1 if groups == 2 and whole else max(groups, math.comb(groups, 2))
