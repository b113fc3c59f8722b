"""Which labels confident learning doubts, and how much that would change with other rows of the same kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from cleanlab.filter import find_label_issues

from auditbench.statistics import Clusters, IntervalEstimates, percentile_intervals

Labels: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.float64]
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """What confident learning doubts.

    Attributes:
        suspected: Shape `(rows,)`.
        shares: Of all rows, then of the rows of each class by their label; NaN for a class without rows.
    """

    suspected: npt.NDArray[np.bool_]
    shares: IntervalEstimates


def find_suspects(
    labels: Labels,
    probabilities: Numbers,
    *,
    filter_by: str,
    replicates: int,
    clusters: Clusters | None,
    rng: np.random.Generator,
    progress: Progress,
) -> Suspects:
    """Suspected labels, and percentile bootstrap intervals of their shares.

    Rows are drawn with replacement, whole clusters of them where rows depend on each other, and the whole rule is applied
    to each draw, its thresholds included: the intervals say what other rows would have given, not how many suspected
    labels are wrong.

    Args:
        labels: Class indices, shape `(rows,)`, of at least two classes.
        probabilities: Shape `(rows, classes)`.
    """
    classes = probabilities.shape[1]
    suspected = _suspected(labels, probabilities, filter_by)
    drawn = np.full((replicates, classes + 1), np.nan)
    for index, rows in enumerate(_draws(len(labels), clusters, replicates, rng)):
        if len(np.unique(labels[rows])) > 1:
            found = _suspected(labels[rows], probabilities[rows], filter_by)
            drawn[index] = _shares(found, labels[rows], classes)
        progress(index + 1, replicates)
    estimate = _shares(suspected, labels, classes)
    return Suspects(suspected=suspected, shares=percentile_intervals(estimate, drawn, clusters=clusters))


def _suspected(labels: Labels, probabilities: Numbers, filter_by: str) -> npt.NDArray[np.bool_]:
    with warnings.catch_warnings():
        # That a class with few rows may hide errors: the share of each class stands beside its rows.
        warnings.filterwarnings("ignore", message="May not flag all label issues", category=UserWarning)
        return np.asarray(find_label_issues(labels, probabilities, filter_by=filter_by, n_jobs=1), dtype=np.bool_)


def _shares(suspected: npt.NDArray[np.bool_], labels: Labels, classes: int) -> Numbers:
    """The share of all rows, then that of each class; NaN for a class without rows."""
    rows, hits = np.bincount(labels, minlength=classes), np.bincount(labels, weights=suspected, minlength=classes)
    by_class = np.divide(hits, rows, out=np.full(classes, np.nan), where=rows > 0)
    return np.concatenate([[suspected.mean()], by_class])


def _draws(
    rows: int, clusters: Clusters | None, replicates: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.intp]]:
    if clusters is None:
        for _ in range(replicates):
            yield rng.integers(0, rows, rows)
        return
    members = np.split(np.argsort(clusters.of_row, kind="stable"), np.cumsum(np.bincount(clusters.of_row))[:-1])
    for _ in range(replicates):
        yield np.concatenate([members[place] for place in rng.integers(0, clusters.count, clusters.count)])
