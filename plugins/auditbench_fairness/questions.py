"""One table of counts by group, and which rates of it have a meaning: a binary decision, or one class against the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from auditbench.statistics import FEWEST_CLUSTERS, Clusters, Contrast, GroupedRows, Shares
from auditbench_fairness.few_classes import FewClasses
from auditbench_fairness.groups import Grouping
from auditbench_fairness.rates import (
    CLASS_RATES,
    RATES,
    Counts,
    Mask,
    one_against_rest,
    rate_parts,
    rate_sides,
    right_and_wrong,
)

Numbers: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The evaluated rows.

    Attributes:
        cells: Cell of each row, shape `(rows,)`.
        classes: Label and decision of each.
        clusters: Which depend on each other; None where they are independent.
        weights: How much each counts, shape `(rows,)`; None where each counts once.
        strata: Combination of values of the control features of each, shape `(rows,)`; None without such features.
    """

    cells: Places
    classes: FewClasses
    clusters: Clusters | None = None
    weights: Numbers | None = None
    strata: Places | None = None


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: shares are kept once they are known
class Question:
    """A table of counts by group.

    Attributes:
        counts: Shape `(groups, 2, 2)`.
        places: Place of each row in the flattened counts, shape `(rows,)`.
        rates: Those that have a meaning.
        rows: By group, where rows depend on each other or count unequally; None where counts say all.
        where: Labels besides feature and group, such as the class that is compared with all others.
    """

    grouping: Grouping
    counts: Counts
    places: Places
    rates: tuple[str, ...]
    rows: GroupedRows | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def shares(self) -> dict[str, Shares]:
        """Each rate of every group; NaN for a group that has no row it is a share of."""
        return {name: self._share(name) for name in self.rates}

    @cached_property
    def contrasts(self) -> dict[str, Contrast[Shares]]:
        """Each rate of every group, and of all rows that are not of it."""
        return {name: self._contrast(name) for name in self.rates}

    @property
    def sizes(self) -> Counts:
        """Rows of each group."""
        return np.asarray(self.counts.sum(axis=(-2, -1)))

    @property
    def weights(self) -> Numbers | None:
        """How much each row counts, shape `(rows,)`; None where each counts once."""
        return None if self.rows is None else self.rows.weights

    @cached_property
    def weighted(self) -> Numbers:
        """Weight of the rows by group, label and decision, shape `(groups, 2, 2)`; the counts where each counts once."""
        if self.weights is None:
            return self.counts.astype(np.float64)
        summed = np.bincount(self.places, self.weights, minlength=self.counts.size)
        return np.asarray(summed.reshape(self.counts.shape), dtype=np.float64)

    @cached_property
    def clusters(self) -> npt.NDArray[np.int64] | None:
        """How many clusters have rows of each group; None where rows are independent."""
        return None if self.rows is None else self.rows.clusters_of_groups()

    def clusters_among(self, groups: Mask) -> int | None:
        """How many clusters have rows of any of these groups; None where rows are independent."""
        if self.rows is None or self.rows.clusters is None:
            return None
        return self.rows.clusters.among(groups[self.rows.of_row]).count

    def labels(self, group: int | None = None) -> dict[str, str]:
        """Labels of a metric on this question, of one group where one is given."""
        feature = {"feature": self.grouping.feature}
        return {**feature, **({} if group is None else {"group": self.grouping.groups[group]}), **self.where}

    def estimable(self, minimum_group: int, minimum_outcomes: int) -> Mask:
        """Which rates of which groups rest on enough rows, clusters and weight, shape `(groups, rates)`; see `RATES`."""
        _, trials = rate_parts(self.counts)
        enough = (self.sizes >= minimum_group)[:, np.newaxis] & (trials >= minimum_outcomes)
        if self.clusters is not None:
            enough &= (self.clusters >= FEWEST_CLUSTERS)[:, np.newaxis]
        for name, shares in self.shares.items():
            enough[:, RATES.index(name)] &= ~np.isnan(shares.trials)
        return np.asarray(enough, dtype=np.bool_)

    def _share(self, name: str) -> Shares:
        if self.rows is not None:
            return self.rows.shares(*self._sides(name))
        hits, trials = (part[:, RATES.index(name)] for part in rate_parts(self.counts))
        return _counted(hits, trials)

    def _contrast(self, name: str) -> Contrast[Shares]:
        if self.rows is not None:
            return self.rows.share_contrast(*self._sides(name))
        hits, trials = (part[:, RATES.index(name)] for part in rate_parts(self.counts))
        rest = trials.sum() - trials
        part = rest / max(1, trials.sum())
        return Contrast(own=self.shares[name], rest=_counted(hits.sum() - hits, rest), between=None, part=part)

    def _sides(self, name: str) -> tuple[Mask, Mask]:
        """Which rows a rate counts, and which it is a share of."""
        hit, among = (side.astype(np.bool_)[self.places % 4] for side in rate_sides(name))
        return hit, among


def row_places(row_groups: Places, label: npt.NDArray[np.bool_], decision: npt.NDArray[np.bool_]) -> Places:
    """The place of each row in a table of counts of shape `(groups, 2, 2)` laid flat, shape `(rows,)`."""
    return np.asarray((row_groups * 2 + label) * 2 + decision, dtype=np.int64)


def questions_of(grouping: Grouping, counts: Counts, rows: Rows) -> Iterator[Question]:
    """What is asked of one grouping: accuracy of several classes, and each compared class against all others.

    Args:
        counts: Rows by group, label and decision, shape `(groups, classes, classes)`.
    """
    row_groups, classes = grouping.cell_groups[rows.cells], rows.classes
    grouped = None
    if rows.clusters is not None or rows.weights is not None:
        grouped = GroupedRows(
            of_row=row_groups, groups=len(grouping.groups), clusters=rows.clusters, weights=rows.weights
        )
    binary = classes.size == 2 and bool(classes.compared)
    if not binary:
        right = classes.y_true == classes.y_pred
        yield Question(
            grouping=grouping,
            counts=right_and_wrong(counts),
            places=row_places(row_groups, right, np.ones_like(right)),
            rates=("accuracy",),
            rows=grouped,
        )
    for index, name in classes.compared:
        yield Question(
            grouping=grouping,
            counts=one_against_rest(counts, index),
            places=row_places(row_groups, classes.y_true == index, classes.y_pred == index),
            rates=RATES if binary else CLASS_RATES,
            rows=grouped,
            where={} if binary else {"class": name},
        )


def _counted(hits: Counts, trials: Counts) -> Shares:
    sizes = np.where(trials > 0, trials.astype(np.float64), np.nan)
    return Shares(share=hits / sizes, trials=sizes)
