"""TracIn on the last linear layer: how a step on a training row changes the loss of another row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench_training_rows.last_layer import LastLayer

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

TOP_SHARE = 0.01
"""Share of the training rows whose part of all influence is reported."""

_ROWS_AT_ONCE = 32
_TRAIN_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Influences:
    """The training rows that matter most to each explained row.

    Attributes:
        supporters: Positions of the training rows with the highest influence, shape `(rows, count)`, the highest first;
            `opponents` those with the lowest, the lowest first.
        support: Their influence, alike; `opposition` that of opponents.
        top_share: Part of the sum of |influence| that the strongest `TOP_SHARE` of the training rows have, shape `(rows,)`;
            NaN where every influence is 0.
        by_class: Sum of the influence of the training rows of each class, as a part of the sum of |influence|, shape
            `(rows, classes)`; NaN alike.
    """

    supporters: npt.NDArray[np.int64]
    opponents: npt.NDArray[np.int64]
    support: Numbers
    opposition: Numbers
    top_share: Numbers
    by_class: Numbers


def influences(rows: LastLayer, train: LastLayer) -> Numbers:
    """Influence of each training row on each row, shape `(rows, training rows)`.

    The dot product of both gradients of the loss by the weights of the layer, which are outer products: the product of
    two inner products. Positive: a small step of gradient descent on the training row lowers the loss of the other.

    References: arXiv:2002.08484, TracInCP with one checkpoint and step size 1; appendix F for the last layer.
    """
    activations, gradients = rows.activations.astype(np.float64), rows.gradients.astype(np.float64)
    found = np.empty((len(rows), len(train)))
    for start in range(0, len(train), _TRAIN_ROWS_AT_ONCE):
        part = slice(start, start + _TRAIN_ROWS_AT_ONCE)
        found[:, part] = activations @ train.activations[part].astype(np.float64).T
        found[:, part] *= gradients @ train.gradients[part].astype(np.float64).T
    return found


def self_influence(train: LastLayer) -> Numbers:
    """Influence of each training row on itself, the squared length of its gradient, shape `(training rows,)`.

    References: arXiv:2002.08484, section 4.
    """
    activations = np.einsum("ru,ru->r", train.activations, train.activations, dtype=np.float64)
    found: Numbers = activations * np.einsum("ro,ro->r", train.gradients, train.gradients, dtype=np.float64)
    return found


def strongest(
    rows: LastLayer, train: LastLayer, classes: npt.NDArray[np.int64], *, n_classes: int, count: int
) -> Influences:
    """The strongest training rows of each row; a few rows at a time, so that no matrix of all influences is kept.

    Args:
        classes: Of the training rows; all 0 where there are none.
        count: How many supporters and opponents, at most the training rows.
    """
    parts = [
        _strongest(influences(rows.take(slice(start, start + _ROWS_AT_ONCE)), train), classes, n_classes, count)
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    return Influences(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in Influences.__dataclass_fields__}
    )


def _strongest(found: Numbers, classes: npt.NDArray[np.int64], n_classes: int, count: int) -> Influences:
    train = found.shape[1]
    opponents, supporters = _lowest(found, count), _lowest(-found, count)
    sizes = np.abs(found)
    total = sizes.sum(axis=1)
    total[total == 0] = np.nan
    top = max(1, round(TOP_SHARE * train))
    strongest_sizes = np.partition(sizes, train - top, axis=1)[:, train - top :]
    by_class = np.stack([np.bincount(classes, row, minlength=n_classes)[:n_classes] for row in found])
    return Influences(
        supporters=supporters,
        opponents=opponents,
        support=np.take_along_axis(found, supporters, axis=1),
        opposition=np.take_along_axis(found, opponents, axis=1),
        top_share=strongest_sizes.sum(axis=1) / total,
        by_class=by_class / total[:, np.newaxis],
    )


def _lowest(values: Numbers, count: int) -> npt.NDArray[np.int64]:
    """Positions of the lowest values of each row, in their order."""
    found = np.argpartition(values, count - 1, axis=1)[:, :count]
    order = np.lexsort((found, np.take_along_axis(values, found, axis=1)), axis=1)
    return np.take_along_axis(found, order, axis=1)
