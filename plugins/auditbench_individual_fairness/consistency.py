"""How far what a row is given lies from what its nearest neighbours are given, and how sure that is.

With v_i what row i is given and N(i) its k nearest other rows, the difference of row i is ||v_i - mean of v_j over N(i)||, the
sum of absolute values. Of decisions or probabilities of the positive class, 1 minus its mean is the consistency of Zemel et
al. (2013), yNN = 1 - 1/n sum_i |y_i - 1/k sum_{j in N(i)} y_j|, with two departures. A row is not its own neighbour; where it
is, as in aif360, 1 - consistency with k neighbours is (k - 1) / k times that with k - 1 others. And rows at one distance
share their places among the k, so that the result does not depend on the order of the rows.

Rows are dependent, for each takes part in the differences of those near it. So the standard error is that of leaving out one
row at a time, and finding the neighbours of the others again: of any statistic that treats independent rows alike, this is
too large rather than too small on the mean (Efron and Stein 1981).

Source: Zemel, Wu, Swersky, Pitassi and Dwork (2013), Learning Fair Representations, ICML; Efron and Stein (1981), Annals of
Statistics 9:586.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.spatial.distance import cdist

from auditbench.statistics import IntervalEstimate, Shares, UndefinedReason, normal_quantile

Numbers: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

MEAN_METHOD = "jackknife-student"
SHARE_METHOD = "jackknife-wilson"
SAME_DISTANCE = 1e-9
"""Relative difference up to which two distances count as one: they may differ by rounding."""
_NUMBERS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Differences:
    """What one kind of values came to.

    Attributes:
        rows: Difference of each row, shape `(rows,)`, in the unit of the values.
        moved: How leaving out each row changes the sum of the differences of the others, by grouping: shape
            `(rows, groups)`.
    """

    rows: Numbers
    moved: Mapping[str, Numbers]

    def mean(self, grouping: str, group: int, members: Mask, *, level: float = 0.95) -> IntervalEstimate:
        """Mean over the members of a group, at least 0, with Student's interval.

        Bounds are undefined for one member (`too_few_rows`), and where leaving out any row changes nothing
        (`no_variation`).
        """
        mean, error = self._mean(grouping, group, members)
        if error is None:
            return _without_bounds(mean, members, level, MEAN_METHOD)
        half = _student(members, level) * error
        return IntervalEstimate(
            estimate=mean, low=max(0.0, mean - half), high=mean + half, level=level, method=MEAN_METHOD
        )

    def share(self, grouping: str, group: int, members: Mask, *, level: float = 0.95) -> IntervalEstimate:
        """The same of differences between 0 and 1, with Wilson's interval at the trials that give a share this error.

        Near 0 few rows differ from their neighbours, and Student's interval covers as few as 90 % for 95 %; this one was
        seen to cover 94 % or more.
        """
        mean, error = self._mean(grouping, group, members)
        if error is None or mean >= 1.0:
            return _without_bounds(mean, members, level, SHARE_METHOD)
        trials = mean * (1.0 - mean) / error**2
        trials *= (normal_quantile((1.0 + level) / 2.0) / _student(members, level)) ** 2
        limits = Shares(share=np.array([mean]), trials=np.array([trials])).limited(level)
        return IntervalEstimate(
            estimate=mean, low=float(limits.low[0]), high=float(limits.high[0]), level=level, method=SHARE_METHOD
        )

    def _mean(self, grouping: str, group: int, members: Mask) -> tuple[float, float | None]:
        """The mean and its standard error, None where there is none or nothing varies."""
        size, total = int(members.sum()), float(self.rows[members].sum())
        if size < 2:
            return total / size, None
        without = (total - np.where(members, self.rows, 0.0) + self.moved[grouping][:, group]) / (size - members)
        error = float(np.sqrt(np.sum((without - without.mean()) ** 2)))
        return total / size, error if error > SAME_DISTANCE * total / size else None


def differences(
    places: Numbers,
    values: Mapping[str, Numbers],
    groups: Mapping[str, tuple[Codes, int]],
    neighbours: int,
    progress: Callable[[int, int], None],
) -> dict[str, Differences]:
    """The differences of all rows to their neighbours, exact over all pairs, in blocks of rows.

    Args:
        places: Shape `(rows, numbers)`; distances are Euclidean. At least `neighbours + 2` rows.
        values: By name, shape `(rows, outputs)`.
        groups: By name of the grouping, the group of each row, shape `(rows,)`, and how many groups there are.
        progress: Told how many rows are done, of how many.
    """
    rows = len(places)
    found = {name: np.empty(rows) for name in values}
    moved = {name: {grouping: np.zeros((rows, size)) for grouping, (_, size) in groups.items()} for name in values}
    step = max(1, _NUMBERS_AT_ONCE // (rows * max(array.shape[1] for array in values.values())))
    for start in range(0, rows, step):
        block = np.arange(start, min(start + step, rows))
        near = _Near.of(places, block, neighbours)
        for name, array in values.items():
            own, pairs, change = near.differences(array)
            found[name][block] = own
            for grouping, (codes, _) in groups.items():
                np.add.at(moved[name][grouping], (pairs[1], codes[block[pairs[0]]]), change)
        progress(int(block[-1]) + 1, rows)
    return {name: Differences(rows=found[name], moved=moved[name]) for name in values}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Near:
    """The neighbours of a block of rows, as masks of shape `(block, rows)`.

    Attributes:
        closer: Rows closer than the k-th neighbour; `tied` those as far as it, and `following` those that are next.
        open_places: Places among the k that the tied ones share, shape `(block, 1)`.
    """

    block: Codes
    count: int
    closer: Mask
    tied: Mask
    following: Mask
    open_places: Numbers

    @classmethod
    def of(cls, places: Numbers, block: Codes, count: int) -> _Near:
        distances = cdist(places[block], places)
        distances[np.arange(len(block)), block] = np.inf
        last = np.partition(distances, count - 1, axis=1)[:, count - 1, np.newaxis]
        closer = distances < last * (1.0 - SAME_DISTANCE)
        tied = ~closer & (distances <= last * (1.0 + SAME_DISTANCE))
        beyond = np.where(closer | tied, np.inf, distances)
        following = np.isfinite(beyond) & (beyond <= beyond.min(axis=1, keepdims=True) * (1.0 + SAME_DISTANCE))
        open_places = count - closer.sum(axis=1, dtype=np.float64)[:, np.newaxis]
        return cls(block=block, count=count, closer=closer, tied=tied, following=following, open_places=open_places)

    def differences(self, values: Numbers) -> tuple[Numbers, tuple[Codes, Codes], Numbers]:
        """Difference of each row of the block; the pairs (row of the block, neighbour); its change without that neighbour."""
        own = values[self.block]
        closer, tied, following = (
            mask.astype(np.float64) @ values for mask in (self.closer, self.tied, self.following)
        )
        many = self.tied.sum(axis=1, dtype=np.float64)[:, np.newaxis]
        difference = np.abs(own - (closer + self.open_places / many * tied) / self.count).sum(axis=1)
        after = np.maximum(1.0, self.following.sum(axis=1, dtype=np.float64))[:, np.newaxis]
        row, neighbour = np.nonzero(self.closer | self.tied)
        gone, is_closer = values[neighbour], self.closer[row, neighbour][:, np.newaxis]
        spare = many[row] > self.open_places[row]
        left = np.where(
            is_closer,
            closer[row] - gone + (self.open_places + 1.0)[row] / many[row] * tied[row],
            closer[row] + self.open_places[row] / np.maximum(1.0, many[row] - 1.0) * (tied[row] - gone),
        )
        moved_up = closer[row] + tied[row] - gone + (following / after)[row]
        changed = np.abs(own[row] - np.where(spare, left, moved_up) / self.count).sum(axis=1)
        return difference, (row, neighbour), changed - difference[row]


def _student(members: Mask, level: float) -> float:
    return float(special.stdtrit(int(members.sum()) - 1, (1.0 + level) / 2.0))


def _without_bounds(estimate: float, members: Mask, level: float, method: str) -> IntervalEstimate:
    reason: UndefinedReason = "too_few_rows" if members.sum() < 2 else "no_variation"
    return IntervalEstimate(estimate=estimate, low=None, high=None, level=level, method=method, reason=reason)
