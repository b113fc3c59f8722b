"""Linear probes: multinomial logistic regression on the activations of a layer, and the control task beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from scipy import optimize
from torch import nn

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Codes: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProbe:
    """A fitted multinomial logistic regression.

    Attributes:
        mean: Of the units over the training rows, shape `(units,)`; `scale` their standard deviations, 1 for units that do
            not vary.
        weights: Of standardized units, shape `(classes, units)`.
        intercepts: Shape `(classes,)`.
    """

    mean: Numbers
    scale: Numbers
    weights: Numbers
    intercepts: Numbers

    def decide(self, activations: npt.ArrayLike) -> Codes:
        """The class of each row, shape `(rows,)`."""
        standard = (np.asarray(activations, dtype=np.float64) - self.mean) / self.scale
        return np.asarray((standard @ self.weights.T + self.intercepts).argmax(axis=1))


def fit_probe(activations: npt.ArrayLike, classes: Codes, count: int, *, strength: float = 1.0) -> LinearProbe:
    """Minimise `strength * sum of log losses + |weights|^2 / 2` on standardized units; intercepts are free.

    Of two classes the penalty is on the difference of their weights. Where there are more units than rows, weights are
    sought in the span of the rows, where the minimum lies.

    Args:
        activations: Shape `(rows, units)`.
        classes: From 0, shape `(rows,)`.
        count: Of classes.
        strength: The `C` of scikit-learn's `LogisticRegression`, whose minimum this is.
    """
    given = np.asarray(activations, dtype=np.float64)
    mean, scale = given.mean(axis=0), given.std(axis=0)
    scale = np.where(scale > _ROUNDING * np.abs(given).max(axis=0, initial=0.0), scale, 1.0)
    standard = (given - mean) / scale
    rows, basis = torch.from_numpy(standard), None
    if rows.shape[1] > len(rows):
        left, sizes, basis = torch.linalg.svd(rows, full_matrices=False)
        rows = left * sizes
    wanted = nn.functional.one_hot(torch.from_numpy(classes), count).double()
    penalty = 2.0 if count == 2 else 1.0

    def objective(flat: Numbers) -> tuple[float, Numbers]:
        table = torch.from_numpy(flat.reshape(count, -1))
        weights, intercepts = table[:, :-1], table[:, -1]
        logs = torch.log_softmax(rows @ weights.T + intercepts, dim=1)
        slopes = strength * (logs.exp() - wanted)
        gradient = torch.column_stack([slopes.T @ rows + penalty * weights, slopes.sum(dim=0)])
        loss = -strength * (logs * wanted).sum() + 0.5 * penalty * (weights**2).sum()
        return float(loss), gradient.numpy().ravel()

    begun = np.zeros(count * (rows.shape[1] + 1))
    found = optimize.minimize(objective, begun, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-4})
    table = found.x.reshape(count, -1)
    weights = table[:, :-1] if basis is None else (torch.from_numpy(table[:, :-1].copy()) @ basis).numpy()
    return LinearProbe(mean=mean, scale=scale, weights=weights, intercepts=table[:, -1])


def control_classes(types: Codes, classes: Codes, rng: np.random.Generator) -> Codes:
    """A class at random for each type of row, as frequent as the classes are; rows of one type have the same.

    Args:
        types: What the rows are told apart by, from 0, shape `(rows,)`.
        classes: Of the task that this is a control of, shape `(rows,)`.

    References: arXiv:1909.03368, section 2.
    """
    return np.asarray(rng.choice(classes, size=int(types.max()) + 1)[types])


def halves(groups: Codes, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which rows train a probe, about half of them; rows of one group are on one side.

    Groups are taken in random order, each to the side that has fewer rows.

    Args:
        groups: From 0, shape `(rows,)`; at least two.
    """
    sizes = np.bincount(groups)
    trains, rows = np.zeros(len(sizes), dtype=bool), [0, 0]
    for group in rng.permutation(len(sizes)):
        side = int(rows[1] < rows[0])
        trains[group] = not side
        rows[side] += int(sizes[group])
    return np.asarray(trains[groups])


_ROUNDING = 1e-6
"""Of activations in float32, as a share of the largest."""
