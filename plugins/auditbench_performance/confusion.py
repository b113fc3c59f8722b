"""Metrics that follow from a confusion matrix alone, for one matrix or for many replicates of it.

What a row does to such a metric follows from its cell: its influence is the number of rows times the derivative of the
metric by the count of the cell, see `auditbench.statistics.influence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]


def confusion_matrix(y_true: npt.NDArray[Any], y_pred: npt.NDArray[Any], classes: int) -> Counts:
    """Rows by true class and predicted class, shape `(classes, classes)`."""
    import numpy as np

    cells = np.bincount(y_true.astype(np.int64) * classes + y_pred.astype(np.int64), minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), dtype=np.int64)


def balanced_accuracy(counts: Counts, occurring: npt.NDArray[np.bool_]) -> Numbers:
    """Mean recall of the classes that occur among the labels.

    Args:
        counts: Shape `(..., classes, classes)`.
        occurring: Shape `(classes,)`: the classes to average over. NaN where one of them has no row in a replicate, and
            where fewer than two occur.
    """
    import numpy as np

    if occurring.sum() < 2:
        return np.full(counts.shape[:-2], np.nan)
    recall = _divided(_diagonal(counts), counts.sum(axis=-1))
    return np.asarray(recall[..., occurring].mean(axis=-1), dtype=np.float64)


def f1_scores(counts: Counts) -> Numbers:
    """Harmonic mean of precision and recall of each class, shape `(..., classes)`.

    Computed as 2 TP / (2 TP + FP + FN); NaN for a class that neither occurs nor is predicted.
    """
    hits = _diagonal(counts)
    return _divided(2 * hits, counts.sum(axis=-1) + counts.sum(axis=-2))


def macro_f1(counts: Counts, involved: npt.NDArray[np.bool_]) -> Numbers:
    """Mean F1 of the `involved` classes, shape `(...)`: those that occur or are predicted in the data."""
    import numpy as np

    if not involved.any():
        return np.full(counts.shape[:-2], np.nan)
    return np.asarray(f1_scores(counts)[..., involved].mean(axis=-1), dtype=np.float64)


def balanced_accuracy_influence(counts: Counts, occurring: npt.NDArray[np.bool_]) -> Numbers:
    """Influence of a row of each cell on the balanced accuracy, shape `(classes, classes)`; 0 where no row can be."""
    import numpy as np

    sizes = counts.sum(axis=1)
    each = np.divide(counts.sum() / occurring.sum(), sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    recall = np.nan_to_num(_divided(_diagonal(counts), sizes))
    return np.asarray((np.eye(len(sizes)) - recall[:, np.newaxis]) * each[:, np.newaxis], dtype=np.float64)


def macro_f1_influence(counts: Counts, involved: npt.NDArray[np.bool_]) -> Numbers:
    """Influence of a row of each cell on the mean F1 of the `involved` classes, shape `(classes, classes)`.

    A row adds 1 to the denominators 2 TP + FP + FN of its true and of its predicted class, and 2 to the numerator when
    they are one.
    """
    import numpy as np

    sizes = counts.sum(axis=1) + counts.sum(axis=0)
    each = np.divide(involved, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    lost = np.nan_to_num(f1_scores(counts)) * each
    table = np.diag(2 * each) - lost[:, np.newaxis] - lost
    return np.asarray(table * (counts.sum() / involved.sum()), dtype=np.float64)


def _diagonal(counts: Counts) -> Counts:
    import numpy as np

    return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1), dtype=np.int64)


def _divided(part: Counts, whole: Counts) -> Numbers:
    import numpy as np

    quotient: Numbers = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
    return quotient
