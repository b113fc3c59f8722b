"""What a row costs: whether its decision is wrong, how surprising its label is, or how far its prediction is off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from auditbench.statistics import Clusters, clusters_of, jackknife_error

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext

    Numbers = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]

LossName: TypeAlias = Literal["wrong", "log_loss", "absolute_error", "squared_error"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """One loss a row.

    Attributes:
        name: `wrong` is 0 or 1, all others any number of at least 0.
        values: Shape `(rows,)`.
        clusters: Of the rows; None where they are independent.
    """

    name: LossName
    values: Numbers
    clusters: Clusters | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_share(self) -> bool:
        """Whether its mean is a share of rows."""
        return self.name == "wrong"

    @property
    def unit(self) -> str:
        """Unit of the loss."""
        return {"absolute_error": "value", "squared_error": "value²"}.get(self.name, "1")

    def among(self, rows: Rows) -> Losses:
        """The losses of some of the rows."""
        clusters = None if self.clusters is None else self.clusters.among(rows)
        return Losses(name=self.name, values=self.values[rows], clusters=clusters)

    def design_effect(self) -> float:
        """How many rows tell as much as one independent row would, on the mean of all rows; at least 1."""
        spread = float(self.values.var())
        if self.clusters is None or self.clusters.count < 2 or spread == 0:
            return 1.0
        error = jackknife_error(self.values - self.values.mean(), self.clusters)
        return max(1.0, error**2 * len(self) / spread)


def losses_of(context: AuditContext, name: LossName) -> Losses:
    """The loss of each evaluated row.

    Raises:
        ModelError: Outputs that are NaN or infinite, from which no decision follows.
    """
    outputs, data, model = context.finite_outputs(), context.data, context.model
    if name == "log_loss":
        own = model.probabilities(outputs)[np.arange(len(data)), data.y_true.astype(np.int64)]
        values = -np.log(np.clip(own, np.finfo(np.float64).eps, 1.0))
    elif name == "wrong":
        values = (model.decisions(outputs) != data.y_true).astype(np.float64)
    else:
        error = model.decisions(outputs) - data.y_true
        values = np.square(error) if name == "squared_error" else np.abs(error)
    return Losses(name=name, values=np.asarray(values, dtype=np.float64), clusters=clusters_of(data.clusters))


def loss_name(asked: str, task: str) -> LossName | None:
    """The loss that a parameter asks for in a task; None where the task has no such loss."""
    if asked == "error":
        return "absolute_error" if task == "regression" else "wrong"
    if (asked == "squared_error") != (task == "regression"):
        return None
    return "squared_error" if asked == "squared_error" else "log_loss"
