"""Concept activation vectors: how examples of a concept differ from other rows at one layer, or what tells them apart.

A pattern is the difference of the mean activations. A filter, the normal of a linear classifier, is another direction wherever
units vary together: it leans away from what other rows share, and following it can change an output the other way round.

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

    from auditbench_concepts.params import VectorKind

    Numbers: TypeAlias = npt.NDArray[np.float64]

HELD_OUT = 1 / 3
"""Share of each side of a run that its classifier is not fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vectors:
    """The vectors of some runs, as weights of rows: a vector is `weights @ activations`.

    Attributes:
        weights: Shape `(runs, rows)`; each run's sum to 0.
        hits: Shape `(rows,)`: runs that held the row out and classified it rightly; `trials` all that held it out.
    """

    weights: Numbers
    hits: npt.NDArray[np.int64]
    trials: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of held-out rows that are classified rightly; both sides count alike, and a coin has 0.5."""
        return float(self.hits.sum() / self.trials.sum())

    def agreement(self, products: Numbers) -> float:
        """Mean cosine between the vectors of two runs, between -1 and 1."""
        inner = self.weights @ products @ self.weights.T
        lengths = np.sqrt(inner.diagonal().clip(min=0))
        scale = np.outer(lengths, lengths)
        cosines = np.divide(inner, scale, out=np.zeros_like(inner), where=scale > 0)
        return float(cosines[np.triu_indices(len(cosines), k=1)].mean())


def concept_vectors(
    products: Numbers,
    marked: npt.NDArray[np.bool_],
    *,
    runs: int,
    size: int,
    penalty: float,
    rng: np.random.Generator,
    vector: VectorKind = "pattern",
) -> Vectors:
    """A vector for each run, which draws rows with and rows without the mark anew.

    A pattern is as long as examples lie apart from other rows on average, all rows of the draw counted; a filter is of unit
    length. Hits are those of the ridge regression for both.

    Args:
        products: Inner products of the activations of all rows, shape `(rows, rows)`.
        marked: Which rows are examples of the concept, shape `(rows,)`.
        size: Rows that a run draws of each side, without replacement; a third of each is held out.
        penalty: Of the ridge, as a multiple of the mean squared length of a centred row that is fitted on.

    Raises:
        ValueError: A side has fewer than `size` rows, or `size` is below 3.

    References: arXiv:1711.11279, section 3.2 (filters); Haufe et al. (2014), NeuroImage 87:96, and arXiv:2202.03482 (patterns);
    Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, exercise 4.2 (least squares and discriminant
    analysis) and section 18.3.5 (in products of rows).
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
        weights=weights if vector == "filter" else _differences(drawn, len(products)),
        hits=np.bincount(kept[right], minlength=len(products)),
        trials=np.bincount(kept.ravel(), minlength=len(products)),
    )


def _differences(drawn: npt.NDArray[np.intp], rows: int) -> Numbers:
    """Weights that give the mean of the drawn examples, the first half, less that of the others; shape `(runs, rows)`."""
    weights = np.zeros((len(drawn), rows))
    size = drawn.shape[1] // 2
    np.put_along_axis(weights, drawn, np.repeat([1.0, -1.0], size)[np.newaxis] / size, axis=1)
    return weights


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
