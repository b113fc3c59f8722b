"""Metrics that follow from how often each class was right, labelled and decided, for one count or for many replicates.

They need no table of all pairs of classes: a language model has as many classes as its vocabulary. What a row does to such a
metric is the number of rows times the derivative of the metric by the count of the row's pair of label and decision, see
`auditbench.statistics.influence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.statistics import (
    IntervalEstimates,
    multinomial_replicates,
    percentile_intervals,
    resampling_weights,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench_performance.resampling import Sample

    Counts = npt.NDArray[np.int64]
    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]


BLOCK_COUNTS = 1 << 22
"""Counts that one block of replicates may hold: 32 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassCounts:
    """Rows of each class, shape `(..., classes)` each.

    Attributes:
        hits: Labelled and decided as the class.
        labelled: Labelled as it.
        predicted: Decided as it.
    """

    hits: Counts
    labelled: Counts
    predicted: Counts

    def __getitem__(self, place: Any) -> ClassCounts:
        """Some of the replicates."""
        return ClassCounts(hits=self.hits[place], labelled=self.labelled[place], predicted=self.predicted[place])


def confusion_matrix(y_true: npt.NDArray[Any], y_pred: npt.NDArray[Any], classes: int) -> Counts:
    """Rows by true class and predicted class, shape `(classes, classes)`."""
    import numpy as np

    cells = np.bincount(y_true.astype(np.int64) * classes + y_pred.astype(np.int64), minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), dtype=np.int64)


def class_counts(y_true: Labels, y_pred: Labels, classes: int) -> ClassCounts:
    """The counts of these rows, shape `(classes,)` each."""
    return _margins(y_true, y_pred, None, classes)


def bootstrap_counts(
    statistic: Callable[[ClassCounts], Numbers],
    y_true: Labels,
    y_pred: Labels,
    classes: int,
    sample: Sample,
    rng: np.random.Generator,
) -> IntervalEstimates:
    """Estimates and percentile intervals of statistics of counts of classes, arrays of shape `(statistics,)`.

    Args:
        statistic: Takes counts of shape `(batch, classes)` and returns shape `(batch, statistics)`, NaN where undefined.
    """
    import numpy as np

    blocks = drawn_counts(y_true, y_pred, classes, sample, rng)
    values = np.concatenate([statistic(counts) for counts in blocks])
    return percentile_intervals(values[0], values[1:], clusters=sample.clusters)


def drawn_counts(
    y_true: Labels, y_pred: Labels, classes: int, sample: Sample, rng: np.random.Generator
) -> Iterator[ClassCounts]:
    """Counts of the rows, then of bootstrap replicates of them, in blocks of shape `(batch, classes)`.

    Time and memory follow from the pairs of label and decision that occur, not from all there could be, and a block
    holds at most `BLOCK_COUNTS` numbers. What is drawn does not depend on the blocks.
    """
    import numpy as np

    pairs, place, counts = np.unique(y_true * classes + y_pred, return_inverse=True, return_counts=True)
    labels, decisions = np.divmod(pairs, classes)
    ahead = counts[np.newaxis]  # in the first block, so that sums of the rows round as those of replicates
    for times in _drawn_pairs(counts, place, max(1, BLOCK_COUNTS // (3 * classes + len(pairs))), sample, rng):
        found = [_margins(labels, decisions, weights, classes) for weights in (*ahead, *times)]
        ahead = ahead[:0]
        yield ClassCounts(
            hits=np.stack([part.hits for part in found]),
            labelled=np.stack([part.labelled for part in found]),
            predicted=np.stack([part.predicted for part in found]),
        )


def balanced_accuracy(counts: ClassCounts, occurring: Mask) -> Numbers:
    """Mean recall of the classes that occur among the labels, shape `(...)`.

    Args:
        occurring: Shape `(classes,)`: the classes to average over. NaN where one of them has no row in a replicate, and
            where fewer than two occur.
    """
    import numpy as np

    if occurring.sum() < 2:
        return np.full(counts.hits.shape[:-1], np.nan)
    recall = _divided(counts.hits, counts.labelled)
    return np.asarray(recall[..., occurring].mean(axis=-1), dtype=np.float64)


def f1_scores(counts: ClassCounts) -> Numbers:
    """Harmonic mean of precision and recall of each class, shape `(..., classes)`.

    Computed as 2 TP / (2 TP + FP + FN); NaN for a class that neither occurs nor is predicted.
    """
    return _divided(2 * counts.hits, counts.labelled + counts.predicted)


def macro_f1(counts: ClassCounts, involved: Mask) -> Numbers:
    """Mean F1 of the `involved` classes, shape `(...)`: those that occur or are predicted in the data."""
    import numpy as np

    if not involved.any():
        return np.full(counts.hits.shape[:-1], np.nan)
    return np.asarray(f1_scores(counts)[..., involved].mean(axis=-1), dtype=np.float64)


def balanced_accuracy_influence(counts: ClassCounts, occurring: Mask, y_true: Labels, y_pred: Labels) -> Numbers:
    """Influence of each row on the balanced accuracy, shape `(rows,)`."""
    import numpy as np

    sizes = counts.labelled
    each = np.divide(sizes.sum() / occurring.sum(), sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    recall = np.nan_to_num(_divided(counts.hits, sizes))
    return np.asarray(((y_true == y_pred) - recall[y_true]) * each[y_true], dtype=np.float64)


def macro_f1_influence(counts: ClassCounts, involved: Mask, y_true: Labels, y_pred: Labels) -> Numbers:
    """Influence of each row on the mean F1 of the `involved` classes, shape `(rows,)`.

    A row adds 1 to the denominators 2 TP + FP + FN of its true and of its predicted class, and 2 to the numerator when
    they are one.
    """
    import numpy as np

    sizes = counts.labelled + counts.predicted
    each = np.divide(involved, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    lost = np.nan_to_num(f1_scores(counts)) * each
    moved = 2 * each[y_true] * (y_true == y_pred) - lost[y_true] - lost[y_pred]
    return np.asarray(moved * (counts.labelled.sum() / involved.sum()), dtype=np.float64)


def _drawn_pairs(
    counts: Counts, place: npt.NDArray[np.intp], block: int, sample: Sample, rng: np.random.Generator
) -> Iterator[Counts]:
    """How often each pair stands in each replicate, shape `(batch, pairs)` with batches of at most `block`.

    Args:
        place: Of each row among the pairs, shape `(rows,)`.
    """
    import numpy as np

    if sample.clusters is None:
        for start in range(0, sample.replicates, block):
            size = min(block, sample.replicates - start)
            yield multinomial_replicates(counts, size, rng) if len(counts) else np.zeros((size, 0), dtype=np.int64)
        return
    for batch in resampling_weights(rng, sample.n, sample.replicates, sample.clusters):
        for start in range(0, len(batch), block):
            times = [np.bincount(place, weights, minlength=len(counts)) for weights in batch[start : start + block]]
            yield np.stack(times).astype(np.int64)


def _margins(labels: Labels, decisions: Labels, weights: Counts | None, classes: int) -> ClassCounts:
    """Counts of pairs of label and decision, each counted as often as its weight says, or once."""
    import numpy as np

    right = labels == decisions

    def counted(values: Labels, kept: Counts | None) -> Counts:
        return np.bincount(values, kept, minlength=classes).astype(np.int64)

    return ClassCounts(
        hits=counted(labels[right], None if weights is None else weights[right]),
        labelled=counted(labels, weights),
        predicted=counted(decisions, weights),
    )


def _divided(part: Counts, whole: Counts) -> Numbers:
    import numpy as np

    quotient: Numbers = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
    return quotient
