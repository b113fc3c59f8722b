"""Each group against all other rows: difference, interval and p-value, one by one or the largest of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from auditbench.statistics._arguments import check_level
from auditbench.statistics.group_means import GroupMeans
from auditbench.statistics.interval import IntervalEstimates
from auditbench.statistics.shares import Shares
from auditbench.statistics.square_and_add import contrasts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

Estimates = TypeVar("Estimates", Shares, GroupMeans)

SMALLEST_P = 1e-12
"""Below it no p-value is told from 0."""
_STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class Contrast(Generic[Estimates]):
    """What is estimated of each group, and of all other rows.

    Attributes:
        own: Of each group.
        rest: Of the rows that are not of it.
        between: Correlation of both estimates, shape `(groups,)`; None where rows are independent.
        part: Share of the rest in the weight of all rows, shape `(groups,)`.
    """

    own: Estimates
    rest: Estimates
    between: Numbers | None
    part: Numbers

    @property
    def gap(self) -> Numbers:
        """Difference of each group to all other rows, shape `(groups,)`."""
        return self.own.values - self.rest.values

    def among(self, chosen: npt.NDArray[Any]) -> Contrast[Estimates]:
        """Those of some groups, by a mask of shape `(groups,)` or by their places."""
        return Contrast(
            own=self.own.among(chosen),
            rest=self.rest.among(chosen),
            between=None if self.between is None else self.between[chosen],
            part=self.part[chosen],
        )

    def limits(self, level: float | Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Differences to the rest with their limits at this level, or one level a group, each of shape `(groups,)`."""
        import numpy as np

        return contrasts(self.own.limited(level), self.rest.limited(level), self.between, np.ones(len(self.part)))


def contrast_intervals(contrast: Contrast[Estimates], *, level: float = 0.95) -> IntervalEstimates:
    """Difference of each group to all other rows, each with its own interval; NaN where one side is not known.

    Raises:
        ValueError: `level` is outside (0, 1).
    """
    import numpy as np

    gap, low, high = contrast.limits(check_level(level))
    return IntervalEstimates(
        estimate=gap,
        low=low,
        high=high,
        level=level,
        method="square-and-add",
        replicates=0,
        undefined_replicates=np.zeros(len(gap), dtype=np.int64),
    )


def contrast_p_values(contrast: Contrast[Estimates]) -> Numbers:
    """Two-sided p-value of no difference of each group to all other rows, shape `(groups,)`.

    One minus the level at which the interval of the difference touches 0, so that test and interval never disagree. At
    least `SMALLEST_P`; 1 where both sides are equal; NaN where there is no interval.
    """
    import numpy as np

    gap, known, _ = contrast.limits(0.5)
    low, high = np.full(len(gap), math.log(SMALLEST_P)), np.zeros(len(gap))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        _, below, above = contrast.limits(-np.expm1(middle))
        holds = (below <= 0) & (above >= 0)
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
    found = np.where(gap == 0, 1.0, np.exp(high))
    return np.asarray(np.where(np.isnan(known), np.nan, found), dtype=np.float64)
