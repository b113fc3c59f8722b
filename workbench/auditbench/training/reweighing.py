"""Reweighing: what a row counts in the loss, so that group and label are independent among the weighted rows.

Source: Kamiran and Calders (2012), Knowledge and Information Systems 33:1, section 4.2 (reweighing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.config_training import TrainTable
from auditbench.errors import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt

    Codes: TypeAlias = npt.NDArray[np.int64]
    Numbers: TypeAlias = npt.NDArray[np.float64]

_MOST_TOLD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reweighed:
    """Groups of the training rows: each value of one sensitive feature, or each combination that occurs of several.

    Attributes:
        of_row: Place of the group of each row in `names`, shape `(rows,)`.
        names: Such as `Female`, or `Female, White`; a missing value is a group of its own.
    """

    of_row: Codes
    names: tuple[str, ...]

    def factors(self, labels: Codes, weights: Numbers | None, train: npt.NDArray[np.intp]) -> Numbers:
        """P(group) P(label) / P(group, label) for each row, shape `(rows,)`, over the weighted rows that are trained on.

        The sums of the weights of a group, and of a class, stay as they are. A row that is held out counts as those of its
        group and label; 1 where none of these is trained on, or all count 0.

        Args:
            labels: Class of each row.
            weights: Of each row before; None where all count the same.
            train: Positions of the rows that are trained on.
        """
        joint = self._sums(labels, weights, train)
        expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True) / joint.sum()
        factors = np.divide(expected, joint, out=np.ones_like(joint), where=joint > 0)
        return np.asarray(factors[self.of_row, labels], dtype=np.float64)

    def told(self, labels: Codes, classes: tuple[str, ...], train: npt.NDArray[np.intp]) -> Iterator[str]:
        """A sentence on groups that are not trained on with each class: no weight evens out what is not there."""
        counts = self._sums(labels, None, train)
        there = [np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0)]
        empty = [
            (self.names[group], classes[label]) for group in there[0] for label in there[1] if not counts[group, label]
        ]
        if empty:
            cells = "; ".join(f"{group} with the label {label}" for group, label in empty[:_MOST_TOLD])
            more = f"; and {len(empty) - _MOST_TOLD} more" if len(empty) > _MOST_TOLD else ""
            yield f"train.reweigh cannot make label and group independent: no row is trained on of {cells}{more}"

    def _sums(self, labels: Codes, weights: Numbers | None, train: npt.NDArray[np.intp]) -> Numbers:
        width = int(labels.max(initial=0)) + 1
        cells = self.of_row[train] * width + labels[train]
        counted = None if weights is None else weights[train]
        summed = np.bincount(cells, weights=counted, minlength=len(self.names) * width)
        return np.asarray(summed, dtype=np.float64).reshape(len(self.names), width)


def reweighed_groups(table: TrainTable, groups: Mapping[str, npt.NDArray[np.str_]]) -> Reweighed | None:
    """The groups that `train.reweigh` names; None where it names none.

    Args:
        groups: Of the training rows, by sensitive feature.

    Raises:
        TrainingError: The training rows do not have a feature.
    """
    if not table.reweigh:
        return None
    for place, name in enumerate(table.reweigh):
        if name not in groups:
            raise TrainingError(
                f"the training rows do not say {name!r}",
                where=f"train.reweigh[{place}]",
                found=", ".join(groups) or "no sensitive feature",
                allowed="sensitive features of the training rows",
                fix="name a feature of data.sensitive whose column the training rows have, too",
            )
    columns = np.stack([groups[name] for name in table.reweigh], axis=1)
    values, of_row = np.unique(columns, axis=0, return_inverse=True)
    return Reweighed(of_row=of_row.reshape(-1).astype(np.int64), names=tuple(", ".join(row) for row in values.tolist()))
