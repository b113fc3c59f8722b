"""Means of groups whose rows may depend on each other and count unequally, by their errors and degrees of freedom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.statistics.interval import normal_quantile
from auditbench.statistics.square_and_add import Limited

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class GroupMeans:
    """Means, or other estimates, of groups with their standard errors.

    Attributes:
        mean: Shape `(groups,)`.
        error: Standard error of each, shape `(groups,)`; NaN where it is not known.
        freedom: Degrees of freedom of each, shape `(groups,)`.
        correlation: Of the estimates of each pair of groups, shape `(groups, groups)`; None where groups are independent.
        log_odds: Whether limits are made on the log-odds scale, as of areas under a curve; NaN for a value of 0 or 1 then.
    """

    mean: Numbers
    error: Numbers
    freedom: Numbers
    correlation: Numbers | None = None
    log_odds: bool = False

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def values(self) -> Numbers:
        """What is estimated of each group."""
        return self.mean

    def limited(self, level: float | Numbers) -> Limited:
        """The means between Student's limits of this level, or of one level a group; NaN where the error is."""
        import numpy as np
        from scipy import special

        half = -special.stdtrit(self.freedom, (1.0 - np.asarray(level)) / 2.0) * self.error
        low, high = self.mean - half, self.mean + half
        if self.log_odds:
            inside = np.where((self.mean > 0) & (self.mean < 1), self.mean, np.nan)
            slope = inside * (1.0 - inside)
            low, high = (special.expit(special.logit(inside) + sign * half / slope) for sign in (-1, 1))
        return Limited(value=self.mean, low=low, high=high, correlation=self.correlation)

    def among(self, chosen: npt.NDArray[Any]) -> GroupMeans:
        """Those of some groups, by a mask of shape `(groups,)` or by their places."""
        return GroupMeans(
            mean=self.mean[chosen],
            error=self.error[chosen],
            freedom=self.freedom[chosen],
            correlation=None if self.correlation is None else self.correlation[chosen][:, chosen],
            log_odds=self.log_odds,
        )


def minimum_detectable_mean_difference(
    error: float, other: float, *, level: float = 0.95, power: float = 0.8
) -> float | None:
    """Smallest difference of two means that a two-sided test would find with the stated power, in their unit.

    Normal approximation, with the standard errors of both as they are; None where both are 0.

    Args:
        level: 1 minus the significance level of the test.

    Raises:
        ValueError: `level` or `power` outside (0, 1).

    Source: Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, section 4.2, for means.
    """
    total = math.hypot(error, other)
    return total * (normal_quantile((1.0 + level) / 2.0) + normal_quantile(power)) if total > 0 else None
