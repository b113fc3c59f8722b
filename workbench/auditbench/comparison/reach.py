"""How far the interval of a value or of a difference reaches below and above it, at any level.

A `Reach` takes the chance of lying outside, in (0, 1], half of it on either side, and gives both distances, in the unit
of the value; neither shrinks as the chance does. Intervals of a few levels and the p-value both follow from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import TypeAlias

from auditbench.results import Interval

Reach: TypeAlias = Callable[[float], tuple[float, float]]

_LEAST_CHANCE = 1e-100
_HALVINGS = 60


def no_reach(_: float) -> tuple[float, float]:
    """Of what has no sampling error."""
    return 0.0, 0.0


def student_reach(error: float, freedom: float) -> Reach:
    """Of a standard error and its degrees of freedom, infinite ones for the normal distribution."""

    def reach(chance: float) -> tuple[float, float]:
        distance = error * _quantile(chance, freedom)
        return distance, distance

    return reach


def unseen_reach(most: float, rows: int) -> Reach:
    """Of a mean over rows that all agree, where rows that were not seen may be off, each by `most` at most.

    Their share is taken to be Wilson's upper limit for none of so many rows. For two rates of the same rows without a
    row that differs, this is the score interval of their difference.

    Source: Wilson (1927), J. American Statistical Association 22:209; Tango (1998), Statistics in Medicine 17:891.
    """

    def reach(chance: float) -> tuple[float, float]:
        square = _quantile(chance, math.inf) ** 2
        distance = most * square / (rows + square)
        return distance, distance

    return reach


def interval_reach(value: float, interval: Interval, freedom: float) -> Reach:
    """Of a value with its interval at one level; half its width both ways where it lies beside its value.

    At other levels both sides grow as Student's quantile. The longer side grows faster, for skewness adds to a quantile
    in proportion to its square: where there is no shorter side, as at a rate of 0 or 1, like the square, as Wilson's
    limits.

    Args:
        freedom: Degrees of freedom; infinite for the normal distribution.

    Source: Hall (1992), The Bootstrap and Edgeworth Expansion, section 2.5 (skewness in a quantile).
    """
    below, above = value - interval.low, interval.high - value
    if min(below, above) < 0:
        below = above = (interval.high - interval.low) / 2.0
    stated = _quantile(1.0 - interval.level, freedom)
    skewness = (above - below) / (above + below) if above + below > 0 else 0.0

    def reach(chance: float) -> tuple[float, float]:
        growth = _quantile(chance, freedom) / stated
        further = growth * max(0.0, growth - 1.0)
        return below * (growth + further * max(0.0, -skewness)), above * (growth + further * max(0.0, skewness))

    return reach


def square_and_add(before: Reach, after: Reach) -> Reach:
    """Of the difference, after less before, of two independent values: each bound takes the sides that reach that way.

    Source: Zou and Donner (2008), Statistics in Medicine 27:1693.
    """

    def reach(chance: float) -> tuple[float, float]:
        first, second = before(chance), after(chance)
        return math.hypot(second[0], first[1]), math.hypot(second[1], first[0])

    return reach


def chance_beyond(distance: float, reach: Callable[[float], float]) -> float:
    """The chance at which one side reaches just so far: 0 where it never does, 1 for a distance of 0."""
    if distance <= 0.0:
        return 1.0
    low, high = math.log(_LEAST_CHANCE), 0.0
    if reach(_LEAST_CHANCE) < distance:
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if reach(math.exp(middle)) >= distance else (low, middle)
    return math.exp(low)


def _quantile(chance: float, freedom: float) -> float:
    """The distance from 0 beyond which so much of a distribution lies, both sides together."""
    if chance >= 1.0:
        return 0.0
    if math.isinf(freedom):
        return -NormalDist().inv_cdf(chance / 2.0)
    from scipy import special

    return -float(special.stdtrit(freedom, chance / 2.0))
