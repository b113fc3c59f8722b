"""Concept activation vectors: normals of linear classifiers between examples of a concept and other rows, at one layer.

The classifier is ridge regression on labels of +1 and -1, which is linear discriminant analysis with a shrunk covariance. It has a
closed form and one solution, where the hinge loss by stochastic gradient descent of the paper has another one for each
seed; and it can be written in products of rows alone, so that the thousands of classifiers of a significance test cost
no more for a layer of many units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

HELD_OUT = 1 / 3
"""Share of each side of a run that its classifier is not fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vectors:
    """The vectors of some runs, each of unit length, as weights of rows: a vector is `weights @ activations`.

    Attributes:
        weights: Shape `(runs, rows)`; each run's sum to 0.
        distance: Shape `(runs,)`: how far examples and others that were held out lie apart along the vector, in units of the
            activations. Below 0 where the vector points the wrong way for them.
        hits: Shape `(rows,)`: runs that held the row out and classified it rightly; `trials` all that held it out.
    """

    weights: Numbers
    distance: Numbers
    hits: npt.NDArray[np.int64]
    trials: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of held-out rows that are classified rightly; both sides count alike, and a coin has 0.5."""
        return float(self.hits.sum() / self.trials.sum())

    def agreement(self, products: Numbers) -> float:
        """Mean cosine between the vectors of two runs, between -1 and 1."""
        cosines = self.weights @ products @ self.weights.T
        return float(cosines[np.triu_indices(len(cosines), k=1)].mean())


def concept_vectors(
    products: Numbers, marked: npt.NDArray[np.bool_], *, runs: int, size: int, penalty: float, rng: np.random.Generator
) -> Vectors:
    """A vector for each run, which draws rows with and rows without the mark anew.

    Args:
        products: Inner products of the activations of all rows, shape `(rows, rows)`.
        marked: Which rows are examples of the concept, shape `(rows,)`.
        size: Rows that a run draws of each side, without replacement; a third of each is held out.
        penalty: Of the ridge, as a multiple of the mean squared length of a centred row that is fitted on.

    Raises:
        ValueError: A side has fewer than `size` rows, or `size` is below 3.

    References: arXiv:1711.11279, section 3.2; Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning,
    exercise 4.2 (least squares and discriminant analysis) and section 18.3.5 (in products of rows).
    """
    sides = np.flatnonzero(marked), np.flatnonzero(~marked)
    if size < 3 or min(map(len, sides)) < size:
        raise ValueError(f"expected at least {max(size, 3)} rows of each side, got {len(sides[0])} and {len(sides[1])}")
    drawn = np.stack([np.concatenate([rng.choice(side, size, replace=False) for side in sides]) for _ in range(runs)])
    held = np.tile(np.arange(size) >= size - max(1, round(HELD_OUT * size)), 2)
    fitted, kept = drawn[:, ~held], drawn[:, held]
    weights = np.zeros((runs, len(products)))
    np.put_along_axis(weights, fitted, _ridge(products, fitted, penalty), axis=1)
    projected = weights @ products
    length = np.sqrt(np.einsum("ir,ir->i", weights, projected).clip(min=0))[:, np.newaxis]
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    weights, projected = weights * scale, projected * scale
    middle = np.take_along_axis(projected, fitted, axis=1).mean(axis=1, keepdims=True)
    beyond = np.take_along_axis(projected, kept, axis=1) - middle
    half = kept.shape[1] // 2
    right = np.concatenate([beyond[:, :half] > 0, beyond[:, half:] < 0], axis=1)
    return Vectors(
        weights=weights,
        distance=beyond[:, :half].mean(axis=1) - beyond[:, half:].mean(axis=1),
        hits=np.bincount(kept[right], minlength=len(products)),
        trials=np.bincount(kept.ravel(), minlength=len(products)),
    )


def _ridge(products: Numbers, fitted: npt.NDArray[np.intp], penalty: float) -> Numbers:
    """Weights of the rows of each run, shape of `fitted`, of which the first half are examples."""
    within = products[fitted[:, :, np.newaxis], fitted[:, np.newaxis, :]]
    within = within - within.mean(axis=1, keepdims=True)
    within -= within.mean(axis=2, keepdims=True)
    diagonal = np.arange(fitted.shape[1])
    lengths = within[:, diagonal, diagonal].mean(axis=1, keepdims=True)
    within[:, diagonal, diagonal] += np.where(lengths > 0, penalty * lengths, 1.0)
    labels = np.repeat([1.0, -1.0], fitted.shape[1] // 2)
    return np.linalg.solve(within, np.broadcast_to(labels, fitted.shape)[:, :, np.newaxis])[:, :, 0]
