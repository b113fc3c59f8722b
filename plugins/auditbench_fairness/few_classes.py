"""Labels and decisions of many classes as few numbers, from which every rate that is compared still follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FewClasses:
    """Rows whose classes are numbered by what is compared.

    Attributes:
        y_true: Shape `(rows,)`, whole numbers below `size`; `y_pred` alike.
        size: How many numbers there are.
        compared: Number and name of each class that is compared with all others, in the order of the classes.
    """

    y_true: npt.NDArray[Any]
    y_pred: npt.NDArray[Any]
    size: int
    compared: tuple[tuple[int, str], ...]


def few_classes(y_true: npt.NDArray[Any], y_pred: npt.NDArray[Any], names: tuple[str, ...], most: int) -> FewClasses:
    """Number the classes anew where there are more than are compared: the positive class of two, the `most` frequent
    labels of several.

    All others share two numbers: theirs as a label and as a right decision, and one for wrong decisions, so that what is
    right and what is wrong stays so. A table of counts then has a size that does not follow from the number of classes.
    """
    if len(names) == 2 and most:
        return FewClasses(y_true=y_true, y_pred=y_pred, size=2, compared=((1, names[1]),))
    labels, decisions = y_true.astype(np.int64), y_pred.astype(np.int64)
    frequent = np.sort(np.argsort(-np.bincount(labels, minlength=len(names)), kind="stable")[:most])
    if len(names) <= len(frequent) + 2:
        compared = tuple((int(index), names[index]) for index in frequent)
        return FewClasses(y_true=y_true, y_pred=y_pred, size=len(names), compared=compared)
    other = len(frequent)
    numbers = np.full(len(names), other)
    numbers[frequent] = np.arange(other)
    new = numbers[decisions]
    return FewClasses(
        y_true=numbers[labels],
        y_pred=np.where((new == other) & (decisions != labels), other + 1, new),
        size=other + 2,
        compared=tuple((number, names[index]) for number, index in enumerate(frequent)),
    )
