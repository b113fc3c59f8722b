"""Differences and ratios of rates between groups: which there are, and how each follows from shares of groups.

Values are those of the largest and smallest rates over the estimated groups; the bounds hold for all pairs of groups at
once, see `auditbench.statistics.simultaneous`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.statistics import (
    IntervalEstimate,
    Shares,
    largest_contrast,
    largest_difference,
    minimum_detectable_difference,
    sidak_level,
    smallest_ratio,
)
from auditbench_fairness.questions import Question
from auditbench_fairness.rates import RATES, Mask, rate_parts

Places: TypeAlias = dict[str, npt.NDArray[np.intp]]

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """What is compared between groups.

    Attributes:
        rates: Those of `RATES` that it is taken over; the worst counts.
    """

    name: str
    kind: Literal["difference", "ratio", "to_overall"]
    rates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """The groups that a disparity is between; all None where it has no value.

    Attributes:
        lowest: Place of the group with the lowest rate, `highest` of that with the highest.
        farthest: Of a difference to all rows, the group that is farthest from them.
        detectable: Smallest difference of these that would be found with power 0.8 at the level of the bounds; None for a
            ratio, and where none would be.
    """

    lowest: int | None = None
    highest: int | None = None
    farthest: int | None = None
    detectable: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A disparity of some groups.

    Attributes:
        groups: Which groups it is taken over: those with any of its rates estimated, shape `(groups,)`.
        incomplete: Which groups lack any of its rates, groups without rows among them, shape `(groups,)`. With two rates
            a group may be in both masks: it takes part in one rate and not in the other.
        denominator: Rows of these groups that the rates are shares of.
    """

    disparity: Disparity
    estimate: IntervalEstimate
    groups: Mask
    incomplete: Mask
    denominator: int
    extremes: Extremes


_ODDS = ("true_positive_rate", "false_positive_rate")
_BETWEEN = (
    Disparity(name="demographic_parity_difference", kind="difference", rates=("selection_rate",)),
    Disparity(name="demographic_parity_ratio", kind="ratio", rates=("selection_rate",)),
    Disparity(name="equal_opportunity_difference", kind="difference", rates=("true_positive_rate",)),
    Disparity(name="equalized_odds_difference", kind="difference", rates=_ODDS),
    Disparity(name="equalized_odds_ratio", kind="ratio", rates=_ODDS),
    Disparity(name="true_positive_rate_difference", kind="difference", rates=("true_positive_rate",)),
    Disparity(name="false_positive_rate_difference", kind="difference", rates=("false_positive_rate",)),
    Disparity(name="precision_difference", kind="difference", rates=("precision",)),
    Disparity(name="precision_ratio", kind="ratio", rates=("precision",)),
    Disparity(name="accuracy_difference", kind="difference", rates=("accuracy",)),
)


def disparities(names: tuple[str, ...], *, to_overall: bool) -> tuple[Disparity, ...]:
    """All disparities of the named rates, those to the rate of all rows where wanted.

    Source: Hardt, Price and Srebro, arXiv:1610.02413 (equalized odds, equal opportunity).
    """
    between = tuple(disparity for disparity in _BETWEEN if set(disparity.rates) <= set(names))
    if not to_overall:
        return between
    return between + tuple(
        Disparity(name=f"{name}_difference_to_overall", kind="to_overall", rates=(name,)) for name in names
    )


def measure_disparity(disparity: Disparity, question: Question, estimated: Mask) -> Measurement:
    """The disparity and its interval.

    Args:
        estimated: Shape `(groups, rates)`: which groups take part, by rate.
    """
    _, trials = rate_parts(question.counts)
    columns = {name: RATES.index(name) for name in disparity.rates}
    taken = {name: np.flatnonzero(estimated[:, column]) for name, column in columns.items()}
    estimate, extremes = (_to_overall if disparity.kind == "to_overall" else _between)(disparity, question, taken)
    mask = estimated[:, list(columns.values())]
    return Measurement(
        disparity=disparity,
        estimate=estimate,
        groups=np.asarray(mask.any(axis=1), dtype=np.bool_),
        incomplete=np.asarray(~mask.all(axis=1), dtype=np.bool_),
        denominator=sum(int(trials[places, columns[name]].sum()) for name, places in taken.items()),
        extremes=extremes,
    )


def detectable_difference(known: float, rate: float, other: float, *, level: float = LEVEL) -> float | None:
    """Smallest distance from a rate of `known` trials that would be found in a group of `other` trials, with power 0.8.

    Trials are rounded down to whole ones.
    """
    if np.isnan(known) or np.isnan(other):
        return None
    return minimum_detectable_difference(int(known), int(other), float(rate), level=level, power=POWER)


def _between(disparity: Disparity, question: Question, taken: Places) -> tuple[IntervalEstimate, Extremes]:
    ratio = disparity.kind == "ratio"
    known = {name: question.shares[name].among(places) for name, places in taken.items()}
    estimate = (smallest_ratio if ratio else largest_difference)(list(known.values()))
    if estimate.estimate is None:
        return estimate, Extremes()
    apart = {name: _ratio(each) if ratio else -_difference(each) for name, each in known.items()}
    rate = min(apart, key=lambda name: apart[name])
    shares, places = known[rate], taken[rate]
    lowest, highest = int(np.argmin(shares.share)), int(np.argmax(shares.share))
    pairs = sum(math.comb(len(each), 2) for each in known.values())
    return estimate, Extremes(
        lowest=int(places[lowest]),
        highest=int(places[highest]),
        detectable=None if ratio else _detectable(shares, (lowest, highest), pairs),
    )


def _to_overall(disparity: Disparity, question: Question, taken: Places) -> tuple[IntervalEstimate, Extremes]:
    ((rate, places),) = taken.items()
    whole = question.contrasts[rate]
    contrast, shares = whole.among(places), question.shares[rate].among(places)
    estimate = largest_contrast(contrast)
    if estimate.estimate is None:
        return estimate, Extremes()
    farthest = int(np.argmax(np.abs(contrast.part * contrast.gap)))
    level = sidak_level(LEVEL, max(1, math.comb(len(places), 2)))
    rest = contrast.rest
    found = detectable_difference(rest.trials[farthest], rest.share[farthest], shares.trials[farthest], level=level)
    detectable = None if found is None else found * float(contrast.part[farthest])
    return estimate, Extremes(farthest=int(places[farthest]), detectable=detectable)


def _difference(shares: Shares) -> float:
    return float(shares.share.max() - shares.share.min())


def _ratio(shares: Shares) -> float:
    return float(shares.share.min() / shares.share.max())


def _detectable(shares: Shares, pair: tuple[int, int], pairs: int) -> float | None:
    """From the rate of the group of the pair that has more trials."""
    first, second = sorted(pair, key=lambda place: -float(shares.trials[place]))
    level = sidak_level(LEVEL, pairs)
    return detectable_difference(shares.trials[first], shares.share[first], shares.trials[second], level=level)
