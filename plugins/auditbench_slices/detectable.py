"""How much worse a slice has to be for the search to find it, at the rows that there are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditbench.statistics import minimum_detectable_difference, normal_quantile

if TYPE_CHECKING:
    from auditbench_slices.losses import Losses

POWER = 0.8
SHARES = (0.01, 0.03, 0.1, 0.25)
"""Of the rows, in slices that are asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """What would be found of a slice of one size.

    Attributes:
        share: Of the rows that are in it; `n` how many these are in the half.
        difference: By how much its mean loss must be above that of all other rows, for the test to find that with
            `POWER`; None where no loss is large enough.
    """

    share: float
    n: int
    difference: float | None


def detectable(losses: Losses, *, level: float, minimum: int) -> tuple[Detectable, ...]:
    """For each of `SHARES` that makes up a slice that is tested.

    The search asks most of a slice that is alone: Benjamini and Hochberg then reject at their rate over the number of
    slices. Normal approximation, at the loss of all rows, of as many independent rows as tell as much.

    Args:
        losses: Of the rows of the half.
        level: 1 minus the significance level of the test.
    """
    rows, effect = len(losses), losses.design_effect()
    found = []
    for share in SHARES:
        n = round(share * rows)
        if min(n, rows - n) < minimum:
            continue
        inside, outside = max(1, round(n / effect)), max(1, round((rows - n) / effect))
        found.append(Detectable(share=share, n=n, difference=_difference(losses, inside, outside, level)))
    return tuple(found)


def _difference(losses: Losses, inside: int, outside: int, level: float) -> float | None:
    if losses.is_share:
        rate = float(losses.values.mean())
        return minimum_detectable_difference(outside, inside, rate, level=level, power=POWER, direction="above")
    quantiles = normal_quantile((1 + level) / 2) + normal_quantile(POWER)
    return quantiles * float(losses.values.std()) * math.sqrt(1 / inside + 1 / outside)
