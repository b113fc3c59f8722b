"""Shares of groups whose rows may depend on each other and count unequally, by the trials that they are worth.

A share of a group is as uncertain as that of so many independent rows: its rows; or Kish's effective number of their
weights; or with clusters the effective number of `ClusterTrials`. Groups that have rows in the same clusters vary
together, as the jackknife of clusters says. So one set of formulas serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.statistics.clusters import ClusterTrials
from auditbench.statistics.proportions import score_limits
from auditbench.statistics.square_and_add import Limited

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class Shares:
    """Shares of groups, as `largest_difference` and its like take them beside counts.

    Attributes:
        share: Shape `(groups,)`, in [0, 1].
        trials: How many independent rows tell as much at a level of 95 %, shape `(groups,)`; NaN with fewer clusters than
            `FEWEST_CLUSTERS`.
        correlation: Of the estimates of each pair of groups, shape `(groups, groups)`; None where groups are independent.
        of_clusters: What `trials` are at any level; None where they are the same at all.
    """

    share: Numbers
    trials: Numbers
    correlation: Numbers | None = None
    of_clusters: ClusterTrials | None = None

    def __len__(self) -> int:
        return len(self.share)

    @property
    def values(self) -> Numbers:
        """What is estimated of each group."""
        return self.share

    def limited(self, level: float | Numbers) -> Limited:
        """The shares between Wilson's limits of this level, or of one level a group; NaN where `trials` are."""
        trials = self.trials if self.of_clusters is None else self.of_clusters.at(level)
        low, high = score_limits(self.share, trials, level)
        return Limited(value=self.share, low=low, high=high, correlation=self.correlation)

    def among(self, chosen: npt.NDArray[Any]) -> Shares:
        """Those of some groups, by a mask of shape `(groups,)` or by their places."""
        return Shares(
            share=self.share[chosen],
            trials=self.trials[chosen],
            correlation=None if self.correlation is None else self.correlation[chosen][:, chosen],
            of_clusters=None if self.of_clusters is None else self.of_clusters.among(chosen),
        )
