"""Differences and ratios of rates between groups: which there are, and how each follows from counts by group.

Values are those of the largest and smallest rates over the estimated groups; the bounds hold for all pairs of groups at
once, see `auditbench.statistics.simultaneous`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditbench.statistics import IntervalEstimate, largest_difference, largest_difference_to_overall, smallest_ratio
from auditbench_fairness.rates import RATES, Counts, Mask, rate_parts


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


def measure_disparity(disparity: Disparity, counts: Counts, estimated: Mask) -> Measurement:
    """The disparity and its interval.

    Args:
        counts: Shape `(groups, 2, 2)`.
        estimated: Shape `(groups, rates)`: which groups take part, by rate.
    """
    hits, trials = rate_parts(counts)
    columns = [RATES.index(name) for name in disparity.rates]
    sides = [(hits[estimated[:, i], i], trials[estimated[:, i], i]) for i in columns]
    if disparity.kind == "difference":
        estimate = largest_difference(sides)
    elif disparity.kind == "ratio":
        estimate = smallest_ratio(sides)
    else:
        (side,), (column,) = sides, columns
        overall = int(hits[:, column].sum()), int(trials[:, column].sum())
        estimate = largest_difference_to_overall(*side, overall)
    return Measurement(
        disparity=disparity,
        estimate=estimate,
        groups=np.asarray(estimated[:, columns].any(axis=1), dtype=np.bool_),
        incomplete=np.asarray(~estimated[:, columns].all(axis=1), dtype=np.bool_),
        denominator=sum(int(rows.sum()) for _, rows in sides),
    )
