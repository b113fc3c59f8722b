"""Rows of groups, which may share clusters and count unequally: what their shares and means are, and are worth.

Source: Kish (1965), Survey Sampling (effective number of weighted rows); Wolter (2007), Introduction to Variance
Estimation (the jackknife of clusters, and the covariance of two estimates by it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from auditbench.statistics.clusters import (
    FEWEST_CLUSTERS,
    Clusters,
    ClusterTrials,
    cluster_trials,
    jackknife_of_sums,
    joined_trials,
)
from auditbench.statistics.contrasts import Contrast
from auditbench.statistics.group_means import GroupMeans
from auditbench.statistics.shares import Shares

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

_ROUNDING = 1e-12
_DENSE_PAIRS = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class GroupedRows:
    """Rows by group.

    Attributes:
        of_row: Group of each row, shape `(rows,)`.
        groups: How many there are.
        clusters: Of the rows; None where they are independent.
        weights: How much each row counts, shape `(rows,)`; None where each counts once.
    """

    of_row: npt.NDArray[np.int64]
    groups: int
    clusters: Clusters | None = None
    weights: Numbers | None = None

    def shares(self, hit: Mask, among: Mask) -> Shares:
        """Share of hits among some rows, of each group; NaN for a group whose rows among these weigh nothing.

        Args:
            hit: Shape `(rows,)`; `among` which rows it is a share of.
        """
        weight = self._weight(among)
        if self.clusters is None:
            return _independent_shares(self._moments(hit, weight), weighted=self.weights is not None)
        return _clustered_shares([_share(sums) for sums in self._cluster_sums(hit * weight, weight)])

    def share_contrast(self, hit: Mask, among: Mask) -> Contrast[Shares]:
        """Share of hits of each group and of all other rows; arguments as for `shares`."""
        weight = self._weight(among)
        moments = self._moments(hit, weight)
        if self.clusters is None:
            own, rest = (
                _independent_shares(part, weighted=self.weights is not None) for part in (moments, _others(moments))
            )
            return Contrast(own=own, rest=rest, between=None, part=_rest_part(moments))
        pairs = [(_share(own), _share(rest)) for own, rest in self._with_rest(hit * weight, weight)]
        return Contrast(
            own=_clustered_shares([own for own, _ in pairs]),
            rest=_clustered_shares([rest for _, rest in pairs], correlated=False),
            between=_between(pairs),
            part=_rest_part(moments),
        )

    def means(self, values: Numbers) -> GroupMeans:
        """Mean of a value a row, shape `(rows,)`, of each group.

        Errors are NaN for a group of a single row, or of fewer clusters than `FEWEST_CLUSTERS`.
        """
        centre, weight = float(values.mean()), self._weight(None)
        if self.clusters is None:
            return _independent_means(self._moments(values - centre, weight), centre)
        return _clustered_means([_mean(sums) for sums in self._cluster_sums(values * weight, weight)])

    def mean_contrast(self, values: Numbers) -> Contrast[GroupMeans]:
        """Mean of each group and of all other rows; `values` as for `means`."""
        centre, weight = float(values.mean()), self._weight(None)
        moments = self._moments(values - centre, weight)
        if self.clusters is None:
            own, rest = (_independent_means(part, centre) for part in (moments, _others(moments)))
            return Contrast(own=own, rest=rest, between=None, part=_rest_part(moments))
        pairs = [(_mean(own), _mean(rest)) for own, rest in self._with_rest(values * weight, weight)]
        return Contrast(
            own=_clustered_means([own for own, _ in pairs]),
            rest=_clustered_means([rest for _, rest in pairs], correlated=False),
            between=_between(pairs),
            part=_rest_part(moments),
        )

    def clusters_of_groups(self) -> npt.NDArray[np.int64] | None:
        """How many clusters have rows of each group, shape `(groups,)`; None where rows are independent."""
        import numpy as np

        if self.clusters is None:
            return None
        place = self.of_row * self.clusters.count + self.clusters.of_row
        size = self.groups * self.clusters.count
        if size > _DENSE_PAIRS:
            return np.bincount(np.unique(place) // self.clusters.count, minlength=self.groups)
        met = np.zeros(size, dtype=np.bool_)
        met[place] = True
        counted: npt.NDArray[np.int64] = met.reshape(self.groups, -1).sum(axis=1, dtype=np.int64)
        return counted

    def _weight(self, among: Mask | None) -> Numbers:
        import numpy as np

        one = np.ones(len(self.of_row)) if self.weights is None else self.weights
        return one if among is None else one * among

    def _moments(self, values: npt.NDArray[np.generic], weight: Numbers) -> Numbers:
        """Sums over each group of weight, of weight times value, and of squared weight times value to the power of 0, 1, 2;
        shape `(5, groups)`."""
        import numpy as np

        number = values.astype(np.float64)
        each = (weight, weight * number, weight**2, weight**2 * number, (weight * number) ** 2)
        return np.stack([np.bincount(self.of_row, part, minlength=self.groups) for part in each])

    def _cluster_sums(self, values: Numbers, weight: Numbers) -> Iterator[_Sums]:
        """Sums over each cluster of the rows of each group."""
        import numpy as np

        if self.clusters is None:
            return
        order = np.argsort(self.of_row, kind="stable")
        bounds = np.searchsorted(self.of_row[order], np.arange(self.groups + 1))
        for first, last in pairwise(bounds.tolist()):
            rows = order[first:last]
            place = self.clusters.of_row[rows]
            yield _Sums(
                values=_summed(place, values[rows], self.clusters.count),
                sizes=_summed(place, weight[rows], self.clusters.count),
                squares=float(np.sum(weight[rows] ** 2)),
            )

    def _with_rest(self, values: Numbers, weight: Numbers) -> Iterator[tuple[_Sums, _Sums]]:
        import numpy as np

        if self.clusters is None:
            return
        total = _Sums(self.clusters.sums(values), self.clusters.sums(weight), float(np.sum(weight**2)))
        for own in self._cluster_sums(values, weight):
            sizes = total.sizes - own.sizes
            there = sizes > _ROUNDING * total.sizes
            yield (
                own,
                _Sums(
                    values=np.where(there, total.values - own.values, 0.0),
                    sizes=np.where(there, sizes, 0.0),
                    squares=total.squares - own.squares,
                ),
            )


class _Sums(NamedTuple):
    """Of one group over each cluster, shape `(clusters,)`: of values and of weights; and of all squared weights."""

    values: Numbers
    sizes: Numbers
    squares: float


class _Share(NamedTuple):
    value: float
    trials: ClusterTrials
    moved: Numbers


class _Mean(NamedTuple):
    value: float
    error: float
    clusters: int
    moved: Numbers


def _share(sums: _Sums) -> _Share:
    import numpy as np

    weight = float(sums.sizes.sum())
    if not weight:
        return _Share(np.nan, joined_trials([]), np.zeros(len(sums.sizes)))
    value = _snapped(sums.values.sum() / weight)
    moved = jackknife_of_sums(sums.values - value * sums.sizes, sums.sizes)[1]
    return _Share(float(value), cluster_trials(sums.values, sums.sizes, weight**2 / sums.squares), moved)


def _mean(sums: _Sums) -> _Mean:
    import numpy as np

    weight, clusters = float(sums.sizes.sum()), int(np.count_nonzero(sums.sizes))
    if not weight:
        return _Mean(np.nan, np.nan, 0, np.zeros(len(sums.sizes)))
    value = float(sums.values.sum()) / weight
    error, moved = jackknife_of_sums(sums.values - value * sums.sizes, sums.sizes)
    return _Mean(value, error, clusters, moved)


def _clustered_shares(groups: Sequence[_Share], *, correlated: bool = True) -> Shares:
    import numpy as np

    trials = joined_trials([each.trials for each in groups])
    return Shares(
        share=np.array([each.value for each in groups]),
        trials=trials.at(0.95),
        correlation=_correlation(groups) if correlated else None,
        of_clusters=trials,
    )


def _clustered_means(groups: Sequence[_Mean], *, correlated: bool = True) -> GroupMeans:
    import numpy as np

    clusters = np.array([each.clusters for each in groups])
    error = np.array([each.error for each in groups])
    return GroupMeans(
        mean=np.array([each.value for each in groups]),
        error=np.where(clusters < FEWEST_CLUSTERS, np.nan, error),
        freedom=np.maximum(clusters - 1.0, 1.0),
        correlation=_correlation(groups) if correlated else None,
    )


def _independent_shares(moments: Numbers, *, weighted: bool) -> Shares:
    """Kish's number, less where rows of the rarer outcome weigh more than others."""
    import numpy as np

    weight, hits, squares, hit_squares, _ = moments
    share = _snapped(_divided(hits, weight))
    trials = _divided(weight**2, squares)
    if weighted:
        spread = hit_squares * (1.0 - 2.0 * share) + share**2 * squares
        effect = _divided(spread * trials, weight**2 * share * (1.0 - share))
        trials = trials / np.fmax(effect, 1.0)
    return Shares(share=share, trials=trials)


def _independent_means(moments: Numbers, centre: float) -> GroupMeans:
    import numpy as np

    weight, sums, squares, once, twice = moments
    mean, rows = _divided(sums, weight), _divided(weight**2, squares)
    spread = np.maximum(twice - 2.0 * mean * once + mean**2 * squares, 0.0)
    known = np.where(rows > 1.0 + _ROUNDING, rows, np.nan)
    error = np.sqrt(_divided(spread, weight**2) * known / (known - 1.0))
    return GroupMeans(mean=mean + centre, error=error, freedom=np.where(np.isnan(known), 1.0, known - 1.0))


def _others(moments: Numbers) -> Numbers:
    """Those of the rows that are not of each group; what rounding leaves of nothing is nothing."""
    import numpy as np

    total = moments.sum(axis=1, keepdims=True)
    rest = total - moments
    return np.where(rest[0] > _ROUNDING * total[0], rest, 0.0)


def _rest_part(moments: Numbers) -> Numbers:
    weight = moments[0]
    return 1.0 - _divided(weight, weight.sum())


def _correlation(groups: Sequence[_Share] | Sequence[_Mean]) -> Numbers:
    """Of what leaving out a cluster does to each pair of groups, shape `(groups, groups)`; 0 for one it does nothing to."""
    import numpy as np
    from scipy import sparse

    moved = sparse.vstack([sparse.csr_array(each.moved[np.newaxis]) for each in groups])
    covariance = np.asarray((moved @ moved.T).todense())
    length = np.sqrt(np.diag(covariance))
    return _divided(covariance, np.outer(length, length), 0.0)


def _between(pairs: Sequence[tuple[_Share, _Share]] | Sequence[tuple[_Mean, _Mean]]) -> Numbers:
    import numpy as np

    lengths = [np.sqrt(np.sum(own.moved**2) * np.sum(rest.moved**2)) for own, rest in pairs]
    return _divided(np.array([np.sum(own.moved * rest.moved) for own, rest in pairs]), np.array(lengths), 0.0)


def _summed(place: npt.NDArray[np.intp], values: Numbers, count: int) -> Numbers:
    import numpy as np

    return np.bincount(place, values, minlength=count).astype(np.float64)


def _snapped(share: npt.NDArray[np.float64] | float) -> Numbers:
    """A share that is 0 or 1 but for rounding, as that."""
    import numpy as np

    return np.where(share < _ROUNDING, 0.0, np.where(share > 1.0 - _ROUNDING, 1.0, share))


def _divided(above: Numbers, below: Numbers | float, nothing: float = float("nan")) -> Numbers:
    import numpy as np

    below = np.asarray(below, dtype=np.float64)
    found = np.full(np.broadcast_shapes(np.shape(above), below.shape), nothing)
    return np.asarray(np.divide(above, below, out=found, where=np.broadcast_to(below > 0, found.shape)), np.float64)
