"""What a class is called where a record shows it: tokens of a language model that could point at a person are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.data import FIRST_TOKEN
from auditbench.data.banding import RARE_ROWS

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData

RARE_TOKEN = "rare token"  # noqa: S105 - a word of a text
OTHER_RARE_TOKEN = "another rare token"  # noqa: S105 - a word of a text


class ClassNames:
    """Names of classes by index; those of rare tokens are `RARE_TOKEN`.

    A token is rare that stands fewer than `RARE_ROWS` times in the training rows, or among the labels of the evaluated
    rows where there are none.

    Args:
        raw: Whether the record shows the texts themselves, and then every token by its name.
    """

    def __init__(self, data: EvaluationData, *, raw: bool) -> None:
        self._names = data.classes
        self._rare = None if raw or data.task != "next-token" else _occurrences(data) < RARE_ROWS

    def of(self, label: int) -> str:
        """The name of one class."""
        return RARE_TOKEN if self._rare is not None and self._rare[label] else self._names[label]

    def beside(self, label: int, other: int) -> str:
        """The name of a class that stands beside another one and is told from it."""
        name = self.of(label)
        return OTHER_RARE_TOKEN if label != other and name == self.of(other) else name


def _occurrences(data: EvaluationData) -> npt.NDArray[np.int64]:
    """How often each class is a token, shape `(classes,)`; the last one of a training text, which is a label alone, is
    left out, since all other labels are the first token of the next row as well.
    """
    classes = len(data.classes)
    if data.background_source != "train":
        return np.bincount(data.y_true, minlength=classes)
    counts = np.zeros(classes, dtype=np.int64)
    for ids in data.background(np.iinfo(np.intp).max, np.random.default_rng(0)).inputs.values():
        tokens = ids[ids >= FIRST_TOKEN].astype(np.int64) - FIRST_TOKEN
        counts = counts + np.bincount(tokens, minlength=classes)[:classes]
    return counts
