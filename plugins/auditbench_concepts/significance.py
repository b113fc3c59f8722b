"""Random concepts: what the same procedure finds where the marks of a concept are laid over the rows at random.

A concept's runs share its examples, so that they agree with each other whether or not the concept means anything: a t-test
over runs, as in arXiv:1711.11279, takes them as independent and finds most random concepts significant. Here a random
concept goes through all runs as the concept itself does. If the mark says nothing about the activations, the concept
is one of them, and its rank among them is uniform: a permutation test, exact whatever the procedure is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench_concepts.sensitivity import Slopes, mean_slopes, tcav_scores
from auditbench_concepts.vectors import Vectors, concept_vectors

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_concepts.params import VectorKind

    Numbers: TypeAlias = npt.NDArray[np.float64]


ALPHA = 0.05
"""Chance of any false finding that is accepted."""
FEWEST_RANDOM, MOST_RANDOM = 400, 2000
"""Random concepts of an audit that does not say how many."""
TOLD_EVERY = 25
"""Random concepts between two words on progress."""


def random_needed(tests: int) -> int:
    """Random concepts with which one test alone can be significant among so many, after Holm's adjustment."""
    return math.ceil(tests / ALPHA)


def random_by_default(tests: int) -> int:
    """Random concepts for at most so many tests: twice as many as are needed, so that one may reach the concept's score."""
    return min(max(2 * random_needed(tests), FEWEST_RANDOM), MOST_RANDOM)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomConcepts:
    """Statistics of each random concept.

    Attributes:
        scores: TCAV scores, shape `(concepts, outputs)`.
        slopes: Mean derivative along the vectors, alike.
        accuracies: Held-out accuracy of the classifiers, shape `(concepts,)`.
    """

    scores: Numbers
    slopes: Numbers
    accuracies: Numbers

    def p_values(self, scores: Numbers, slopes: Numbers) -> Numbers:
        """Two-sided p-value of each output's score, shape `(outputs,)`, NaN where the score is.

        Scores are few values, and all 0 or 1 where one gradient serves all rows: of scores that are equally far from a half,
        the one with the larger mean derivative ranks higher. Valid for any distribution.

        Args:
            scores: Of the concept, shape `(outputs,)`; `slopes` alike.

        References: Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39.
        """
        far, own = np.abs(self.scores - 0.5).round(9), np.abs(scores - 0.5).round(9)
        larger = (far > own) | ((far == own) & (np.abs(self.slopes) >= np.abs(slopes)))
        return np.where(np.isnan(own), np.nan, (1 + larger.sum(axis=0)) / (1 + len(larger)))

    def separates(self, accuracy: float) -> bool:
        """Whether a concept of this held-out accuracy is told from other rows better than 95 of 100 random ones."""
        as_good = int(np.count_nonzero(self.accuracies >= accuracy))
        return (1 + as_good) / (1 + len(self.accuracies)) <= ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """How a concept is measured: `concept_vectors` says what the numbers mean."""

    runs: int
    size: int
    penalty: float
    vector: VectorKind = "pattern"

    def vectors(self, products: Numbers, marked: npt.NDArray[np.bool_], rng: np.random.Generator) -> Vectors:
        """Vectors of the concept that these rows are examples of."""
        return concept_vectors(
            products, marked, runs=self.runs, size=self.size, penalty=self.penalty, rng=rng, vector=self.vector
        )


def random_concepts(
    products: Numbers,
    marked: npt.NDArray[np.bool_],
    slopes: Slopes,
    procedure: Procedure,
    *,
    count: int,
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda done: None,
) -> RandomConcepts:
    """Measure `count` concepts with as many examples among the same rows, drawn at random.

    Args:
        products: Inner products of the activations of all rows, shape `(rows, rows)`.
        marked: Which rows are examples of the real concept, shape `(rows,)`.
        progress: Told how many are measured.
    """
    scores, means, accuracies = [], [], []
    for done in range(1, count + 1):
        vectors = procedure.vectors(products, rng.permutation(marked), rng)
        derivatives = slopes.along(vectors)
        scores.append(tcav_scores(derivatives, slopes))
        means.append(mean_slopes(derivatives, slopes))
        accuracies.append(vectors.accuracy)
        if done % TOLD_EVERY == 0 or done == count:
            progress(done)
    return RandomConcepts(scores=np.stack(scores), slopes=np.stack(means), accuracies=np.asarray(accuracies))
