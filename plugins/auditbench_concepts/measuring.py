"""One concept at one layer: its vectors, the scores of the outputs, and where they stand among random concepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.results import Interval
from auditbench.statistics import bootstrap_interval, wilson_interval
from auditbench_concepts.examples import FEWEST
from auditbench_concepts.explained import FEWEST_ROWS
from auditbench_concepts.sensitivity import (
    BOOTSTRAP,
    Slopes,
    effect_interval,
    effects,
    mean_slopes,
    tcav_scores,
    two_way_interval,
)
from auditbench_concepts.significance import Procedure, random_concepts

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_concepts.vectors import Vectors

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one output answers to a concept.

    Attributes:
        rows: Explained rows of the output.
        score: TCAV score; None where `flat`, as are all other numbers.
        effect: In the unit of the output.
        at_random: Bounds of the middle 95 of 100 scores of random concepts.
        p_value: Two-sided, of the score; not adjusted.
    """

    rows: int
    score: float | None = None
    score_interval: Interval | None = None
    effect: float | None = None
    effect_interval: Interval | None = None
    at_random: tuple[float, float] | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One concept at one layer.

    Attributes:
        examples: Rows that show it, `others` those that do not.
        size: Rows of each side that one classifier is made with; 0 where there are too few to make one.
        accuracy: On held-out rows, of which there are `held_out`; `accuracy_at_random` is that which 95 of 100 random
            concepts stay below.
        separates: Whether examples are told from other rows better than at random.
        agreement: Mean cosine between the vectors of two runs.
        answers: One for each output; empty where no classifier was made.
    """

    concept: str
    layer: str
    examples: int
    others: int
    size: int = 0
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    accuracy_at_random: float | None = None
    held_out: int = 0
    separates: bool = False
    agreement: float | None = None
    answers: tuple[Answer, ...] = ()


def measured(
    activations: npt.NDArray[np.floating],
    marked: npt.NDArray[np.bool_],
    gradients: npt.NDArray[np.floating],
    targets: npt.NDArray[np.int64],
    *,
    concept: str,
    layer: str,
    outputs: int,
    most: Procedure,
    random: int,
    rng: np.random.Generator,
    progress: Callable[[int], None],
) -> Measured:
    """Measure a concept at a layer.

    Args:
        activations: Of the rows that vectors are made from, shape `(rows, units)`.
        marked: Which of them are examples, shape `(rows,)`.
        gradients: Of each explained row's target by the units, shape `(explained rows, units)`.
        targets: Output of each explained row, shape `(explained rows,)`.
        most: The procedure; its `size` shrinks to the rows that there are.
        random: Random concepts.
    """
    examples = int(marked.sum())
    others = len(marked) - examples
    size = min(most.size, examples, others)
    if size < FEWEST:
        return Measured(concept=concept, layer=layer, examples=examples, others=others)
    procedure = replace(most, size=size)
    centred = activations.astype(np.float64)
    centred -= centred.mean(axis=0)
    products = centred @ centred.T
    slopes = Slopes(values=gradients.astype(np.float64) @ centred.T, targets=targets, outputs=outputs)
    vectors = procedure.vectors(products, marked, rng)
    chance = random_concepts(products, marked, slopes, procedure, count=random, rng=rng, progress=progress)
    derivatives = slopes.along(vectors)
    scores = tcav_scores(derivatives, slopes)
    p_values = chance.p_values(scores, mean_slopes(derivatives, slopes))
    gains = effects(slopes, marked)
    answers = [
        _answer(derivatives[own], slopes.values[own], marked, float(scores[output]), float(gains[output]), rng)
        for output, own in enumerate(targets == np.arange(outputs)[:, np.newaxis])
    ]
    bounds = np.quantile(chance.scores, (0.025, 0.975), axis=0)
    return Measured(
        concept=concept,
        layer=layer,
        examples=examples,
        others=others,
        size=size,
        accuracy=vectors.accuracy,
        accuracy_interval=_accuracy_interval(vectors, rng),
        accuracy_at_random=float(np.quantile(chance.accuracies, 0.95)),
        held_out=int(np.count_nonzero(vectors.trials)),
        separates=chance.separates(vectors.accuracy),
        agreement=vectors.agreement(products),
        answers=tuple(
            answer if answer.score is None else _ranked(answer, p_values[output], bounds[:, output])
            for output, answer in enumerate(answers)
        ),
    )


def _answer(
    derivatives: Numbers,
    values: Numbers,
    marked: npt.NDArray[np.bool_],
    score: float,
    effect: float,
    rng: np.random.Generator,
) -> Answer:
    """Of the rows of one output, without its rank."""
    rows = len(derivatives)
    if rows < FEWEST_ROWS or not derivatives.any():
        return Answer(rows=rows)
    bounds = two_way_interval((derivatives > 0).astype(np.float64), rng)
    low, high, method = float(bounds.low[0]), float(bounds.high[0]), BOOTSTRAP
    if low == high:
        trials = min(derivatives.shape)
        found = wilson_interval(round(score * trials), trials)
        low, high, method = (*found, "wilson") if found is not None else (low, high, method)
    gain = effect_interval(values, marked, rng)
    return Answer(
        rows=rows,
        score=score,
        score_interval=Interval(low=min(low, score), high=max(high, score), method=method),
        effect=effect,
        effect_interval=Interval(low=float(gain.low[0]), high=float(gain.high[0]), method=BOOTSTRAP),
    )


def _ranked(answer: Answer, p_value: float, bounds: Numbers) -> Answer:
    return replace(answer, p_value=float(p_value), at_random=(float(bounds[0]), float(bounds[1])))


def _accuracy_interval(vectors: Vectors, rng: np.random.Generator) -> Interval | None:
    """By resampling the rows, each with all of its trials; by Wilson for these rows where they are all alike."""
    tried = vectors.trials > 0

    def share(hits: npt.NDArray[Any], trials: npt.NDArray[Any]) -> Numbers:
        return np.asarray(hits.sum(axis=1) / trials.sum(axis=1), dtype=np.float64)

    found = bootstrap_interval(share, [vectors.hits[tried], vectors.trials[tried]], rng=rng)
    if found.low is None or found.high is None:
        return None
    if found.low < found.high:
        return Interval(low=found.low, high=found.high, method=found.method)
    rows = int(np.count_nonzero(tried))
    bounds = wilson_interval(round(vectors.accuracy * rows), rows)
    return None if bounds is None else Interval(low=bounds[0], high=bounds[1], method="wilson")
