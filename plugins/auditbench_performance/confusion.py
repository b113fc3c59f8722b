"""Metrics that follow from how often each class was right, labelled and decided, for one count or for many replicates.

They need no table of all pairs of classes: a language model has as many classes as its vocabulary. What a row does to such a
metric is the number of rows times the derivative of the metric by the count of the row's pair of label and decision, see
`auditbench.statistics.influence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.statistics import multinomial_replicates

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]


_MARGINS = ("hits", "labelled", "predicted")


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


def drawn_counts(
    y_true: Labels, y_pred: Labels, classes: int, replicates: int, rng: np.random.Generator
) -> ClassCounts:
    """Counts of the rows, then of bootstrap replicates of them, shape `(1 + replicates, classes)` each.

    Time and memory follow from the pairs of label and decision that occur, not from all there could be.
    """
    import numpy as np

    pairs, counts = np.unique(y_true * classes + y_pred, return_counts=True)
    drawn = np.zeros((1 + replicates, len(pairs)), dtype=np.int64)
    if len(pairs):
        drawn[0], drawn[1:] = counts, multinomial_replicates(counts, replicates, rng)
    labels, decisions = np.divmod(pairs, classes)
    found = ClassCounts(**{name: np.zeros((1 + replicates, classes), dtype=np.int64) for name in _MARGINS})
    for place, weights in enumerate(drawn):
        part = _margins(labels, decisions, weights, classes)
        found.hits[place], found.labelled[place], found.predicted[place] = part.hits, part.labelled, part.predicted
    return found


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
