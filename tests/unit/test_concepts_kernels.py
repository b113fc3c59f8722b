"""Concept vectors, scores and ranks, on arrays whose answers are known."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest

from auditbench.results import Interval
from auditbench.statistics import wilson_interval
from auditbench_concepts import tables
from auditbench_concepts.changes import Change
from auditbench_concepts.examples import FEWEST
from auditbench_concepts.measuring import Answer, Measured, measured
from auditbench_concepts.params import VectorKind
from auditbench_concepts.sensitivity import (
    Slopes,
    effect_interval,
    effects,
    mean_slopes,
    tcav_scores,
    two_way_interval,
)
from auditbench_concepts.significance import Procedure, RandomConcepts, random_concepts
from auditbench_concepts.vectors import Vectors, concept_vectors

Bounds: TypeAlias = tuple[float, float] | None


def blobs(rows: int = 120, units: int = 6, distance: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal activations, centred, of which the first third is marked and shifted along the first unit."""
    activations = np.random.default_rng(seed).normal(size=(rows, units))
    marked = np.arange(rows) < rows // 3
    activations[marked, 0] += distance
    return activations - activations.mean(axis=0), marked


def vectors_of(
    activations: np.ndarray,
    marked: np.ndarray,
    *,
    size: int = 30,
    runs: int = 4,
    seed: int = 0,
    vector: VectorKind = "filter",
) -> Vectors:
    products, rng = activations @ activations.T, np.random.default_rng(seed)
    return concept_vectors(products, marked, runs=runs, size=size, penalty=1.0, rng=rng, vector=vector)


def one_vector(weights: list[float]) -> Vectors:
    counts = np.ones(len(weights), dtype=np.int64)
    return Vectors(weights=np.asarray([weights]), hits=counts, trials=counts)


def test_a_pattern_is_how_the_drawn_examples_differ_from_the_other_rows_of_the_draw() -> None:
    activations, marked = blobs(distance=2.0)
    found = vectors_of(activations, marked, vector="pattern")
    for weights in found.weights:
        drawn = [np.flatnonzero((weights != 0) & side) for side in (marked, ~marked)]
        assert [len(side) for side in drawn] == [30, 30]
        expected = activations[drawn[0]].mean(axis=0) - activations[drawn[1]].mean(axis=0)
        np.testing.assert_allclose(weights @ activations, expected, atol=1e-12)
    assert len({weights.tobytes() for weights in found.weights}) == 4
    every = vectors_of(activations, np.arange(120) < 60, size=60, vector="pattern")
    expected = activations[:60].mean(axis=0) - activations[60:].mean(axis=0)
    np.testing.assert_allclose(every.weights @ activations, np.tile(expected, (4, 1)), atol=1e-12)


def test_both_kinds_of_vector_rest_on_the_same_draws_and_classifiers() -> None:
    activations, marked = blobs(distance=1.0)
    pattern, normal = (vectors_of(activations, marked, vector=kind) for kind in ("pattern", "filter"))
    np.testing.assert_array_equal(pattern.hits, normal.hits)
    np.testing.assert_array_equal(pattern.trials, normal.trials)


def test_a_filter_may_point_against_the_output_that_a_pattern_raises() -> None:
    """Two units share noise, the first alone shows the concept: the filter takes the noise away, which the output counts twice."""
    rng = np.random.default_rng(0)
    noise, marked = rng.normal(0.0, 3.0, 400), np.arange(400) < 200
    activations = np.stack([noise + marked, noise + rng.normal(0.0, 0.1, 400)], axis=1)
    activations -= activations.mean(axis=0)
    gradients = np.tile([1.0, 2.0], (30, 1))
    slopes = Slopes(values=gradients @ activations.T, targets=np.zeros(30, dtype=np.int64), outputs=1)
    normal = concept_vectors(
        activations @ activations.T, marked, runs=5, size=200, penalty=1e-6, rng=rng, vector="filter"
    )
    assert tcav_scores(slopes.along(normal), slopes)[0] == 0.0
    outputs = activations @ [1.0, 2.0]
    difference = outputs[marked].mean() - outputs[~marked].mean()
    np.testing.assert_allclose(effects(slopes, marked), difference)
    pattern = concept_vectors(
        activations @ activations.T, marked, runs=5, size=200, penalty=1e-6, rng=rng, vector="pattern"
    )
    np.testing.assert_allclose(mean_slopes(slopes.along(pattern), slopes), difference)
    assert difference > 0.5


@pytest.mark.parametrize("penalty", [1e-6, 1.0])
def test_a_filter_never_points_against_the_pattern_of_its_rows(penalty: float) -> None:
    """It can be far from it all the same: an output may fall along the one and rise along the other."""
    rng = np.random.default_rng(0)
    noise, marked = rng.normal(0.0, 3.0, 400), np.arange(400) < 200
    activations = np.stack([noise + marked, noise + rng.normal(0.0, 0.1, 400)], axis=1)
    products = activations @ activations.T
    found = concept_vectors(products, marked, runs=20, size=60, penalty=penalty, rng=rng, vector="filter")
    for weights in found.weights:
        fitted = weights != 0
        pattern = activations[fitted & marked].mean(axis=0) - activations[fitted & ~marked].mean(axis=0)
        assert weights @ activations @ pattern > 0


def test_a_filter_has_unit_length_and_is_made_of_fitted_rows_alone() -> None:
    activations, marked = blobs(distance=2.0)
    found = vectors_of(activations, marked)
    np.testing.assert_allclose(np.linalg.norm(found.weights @ activations, axis=1), 1.0)
    np.testing.assert_allclose(found.weights.sum(axis=1), 0.0, atol=1e-12)
    assert (np.count_nonzero(found.weights, axis=1) == 40).all()  # two thirds of 30 rows of each side
    assert found.trials.sum() == 4 * 20


def test_labels_that_mean_nothing_are_not_learnt_by_heart() -> None:
    activations, marked = blobs(rows=600, units=500)  # more units than rows: fitted rows can be told apart
    found = vectors_of(activations, marked, size=60, runs=40)
    fitted = found.weights @ activations @ activations.T
    own = [
        row[weights > 0].mean() > row[weights < 0].mean() for row, weights in zip(fitted, found.weights, strict=True)
    ]
    assert all(own)
    assert abs(found.accuracy - 0.5) < 0.05


def test_accuracy_grows_with_the_shift() -> None:
    near, far = (vectors_of(*blobs(rows=900, distance=distance), size=200, runs=20) for distance in (1.0, 6.0))
    assert near.accuracy < far.accuracy
    assert far.accuracy > 0.99


def test_equal_runs_agree_and_opposite_ones_do_not() -> None:
    activations = np.eye(3) - 1 / 3
    counts = np.ones(3, dtype=np.int64)
    for other, cosine in ((1.0, 1.0), (-3.0, -1.0), (0.0, 0.0)):
        weights = np.asarray([[1.0, -1.0, 0.0], [other, -other, 0.0]])
        found = Vectors(weights=weights, hits=counts, trials=counts)
        assert found.agreement(activations @ activations.T) == pytest.approx(cosine)


@pytest.mark.parametrize(("size", "marks"), [(2, 40), (30, 20), (30, 100)])
def test_too_few_rows_are_refused(size: int, marks: int) -> None:
    activations, _ = blobs()
    with pytest.raises(ValueError, match="expected at least"):
        vectors_of(activations, np.arange(120) < marks, size=size)


def test_a_layer_that_never_changes_gives_a_vector_of_zero() -> None:
    found = vectors_of(np.zeros((120, 4)), np.arange(120) < 40)
    assert not found.weights.any()
    assert found.accuracy == 0.0  # no row lies beyond the middle on either side


def test_scores_count_signs_and_effects_measure() -> None:
    slopes = Slopes(
        values=np.asarray([[2.0, 0.0], [-1.0, 0.0], [3.0, 1.0], [0.0, 0.0]]),
        targets=np.asarray([0, 0, 0, 2]),
        outputs=3,
    )
    vectors = one_vector([1.0, -1.0])
    derivatives = slopes.along(vectors)
    np.testing.assert_allclose(derivatives[:, 0], [2.0, -1.0, 2.0, 0.0])
    np.testing.assert_allclose(tcav_scores(derivatives, slopes), [2 / 3, np.nan, 0.0])
    np.testing.assert_allclose(mean_slopes(derivatives, slopes), [1.0, np.nan, 0.0])
    np.testing.assert_allclose(effects(slopes, np.asarray([True, False])), [1.0, np.nan, 0.0])


def test_intervals_of_effects_cover_at_least_as_often_as_they_say() -> None:
    """Gradients and activations are drawn anew; the effect of the populations is 0.5 x 0.8."""
    rng, marked, covered = np.random.default_rng(0), np.arange(90) < 30, 0
    for _ in range(200):
        gradients, activations = rng.normal(0.5, 1.0, (40, 1)), rng.normal(0.8 * marked, 1.0)
        found = effect_interval(gradients * activations, marked, rng)
        covered += bool(found.low[0] <= 0.4 <= found.high[0])
    assert 0.9 * 200 <= covered < 200


def test_intervals_over_rows_and_runs_cover_at_least_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = rng.normal(size=(40, 1)) + rng.normal(size=(1, 20)) + rng.normal(size=(40, 20))
        found = two_way_interval(values, rng)
        covered += bool(found.low[0] <= 0.0 <= found.high[0])
    assert covered >= 0.9 * 200
    assert covered < 200


def test_p_values_count_random_concepts_that_are_as_far_from_a_half() -> None:
    random = RandomConcepts(
        scores=np.asarray([[0.5], [0.1], [0.9], [1.0]]),
        slopes=np.asarray([[0.0], [1.0], [2.0], [9.0]]),
        accuracies=np.asarray([0.5, 0.6, 0.4, 0.55]),
    )

    def p_value(score: float, slope: float) -> float:
        return float(random.p_values(np.asarray([score]), np.asarray([slope]))[0])

    assert p_value(0.95, 0.0) == 2 / 5  # 1.0 alone is farther
    assert p_value(0.05, 0.0) == 2 / 5  # two-sided
    assert p_value(0.5, 0.0) == 1.0
    assert p_value(1.0, 8.0) == 2 / 5  # as far, and steeper
    assert p_value(1.0, -10.0) == 1 / 5  # as far, and less steep
    assert np.isnan(p_value(np.nan, np.nan))


def test_a_concept_separates_when_one_in_twenty_random_ones_or_fewer_do_as_well() -> None:
    random = RandomConcepts(scores=np.zeros((59, 1)), slopes=np.zeros((59, 1)), accuracies=np.linspace(0.4, 0.6, 59))
    assert random.separates(0.61)
    assert random.separates(float(random.accuracies[-2]))  # 3 of 60
    assert not random.separates(float(random.accuracies[-3]))


def test_random_concepts_have_as_many_examples_and_follow_the_generator() -> None:
    activations, marked = blobs(distance=3.0)
    products = activations @ activations.T
    slopes = Slopes(values=activations[:50] @ activations.T, targets=np.zeros(50, dtype=np.int64), outputs=1)
    told: list[int] = []
    found, again = (
        random_concepts(
            products, marked, slopes, Procedure(runs=5, size=20, penalty=1.0), count=7,
            rng=np.random.default_rng(1), progress=told.append,
        )
        for _ in range(2)
    )  # fmt: skip
    np.testing.assert_array_equal(found.scores, again.scores)
    assert told == [7, 7]
    assert found.scores.shape == (7, 1)
    assert len(set(found.accuracies)) > 1


def measure(activations: np.ndarray, marked: np.ndarray, gradients: np.ndarray, **keys: int) -> Measured:
    return measured(
        activations,
        marked,
        gradients,
        np.zeros(len(gradients), dtype=np.int64),
        concept="shifted",
        layer="hidden",
        outputs=1,
        most=Procedure(runs=20, size=30, penalty=1.0),
        random=keys.get("random", 60),
        rng=np.random.default_rng(0),
        progress=lambda done: None,
    )


@pytest.mark.parametrize(("distance", "method"), [(60.0, "wilson"), (2.0, "bootstrap-percentile")])
def test_classifiers_that_are_never_wrong_are_as_sure_as_their_rows_are_many(distance: float, method: str) -> None:
    activations, marked = blobs(distance=distance)
    found = measure(activations, marked, np.ones((50, 6)))
    assert found.accuracy is not None
    assert found.accuracy_interval is not None
    assert found.accuracy_interval.method == method
    assert found.accuracy_interval.low < found.accuracy <= found.accuracy_interval.high
    if method == "wilson":
        bounds = (found.accuracy_interval.low, found.accuracy_interval.high)
        assert (found.accuracy, bounds) == (1.0, wilson_interval(found.held_out, found.held_out))


def test_a_shift_that_the_output_follows_is_found() -> None:
    activations, marked = blobs(distance=4.0)
    found = measure(activations + 7.0, marked, np.tile([2.0, 0, 0, 0, 0, 0], (50, 1)))
    (answer,) = found.answers
    assert found.separates
    assert answer.score == 1.0
    assert answer.score_interval is not None
    assert answer.score_interval.method == "wilson"  # a bootstrap of equal signs would have no width
    assert answer.score_interval.low == pytest.approx(0.839, abs=1e-3)  # of 20 runs
    assert answer.effect == pytest.approx(2.0 * (activations[marked, 0].mean() - activations[~marked, 0].mean()))
    assert answer.effect_interval is not None
    assert answer.effect_interval.low < 8.0 < answer.effect_interval.high
    assert answer.p_value == 1 / 61
    assert answer.at_random is not None
    assert answer.at_random[0] < 0.5 < answer.at_random[1]


def test_an_output_that_does_not_follow_the_layer_has_no_score() -> None:
    activations, marked = blobs(distance=4.0)
    (answer,) = measure(activations, marked, np.zeros((50, 6))).answers
    assert (answer.score, answer.effect, answer.p_value, answer.at_random) == (None, None, None, None)


@pytest.mark.parametrize("marks", [FEWEST - 1, 120 - FEWEST + 1])
def test_few_examples_or_few_others_are_not_measured(marks: int) -> None:
    activations, _ = blobs()
    found = measure(activations, np.arange(120) < marks, np.ones((50, 6)))
    assert (found.size, found.answers, found.accuracy) == (0, (), None)
    assert (found.examples, found.others) == (marks, 120 - marks)


@pytest.mark.parametrize(
    ("effect", "change", "contradicted"),
    [
        ((0.5, 2.0), (-3.0, -1.0), True),
        ((-2.0, -0.5), (1.0, 3.0), True),
        ((0.5, 2.0), (1.0, 3.0), False),
        ((-0.1, 2.0), (-3.0, -1.0), False),
        ((0.5, 2.0), (-3.0, 0.1), False),
        ((0.0, 2.0), (-3.0, -1.0), False),
        ((0.5, 2.0), None, False),
        (None, (-3.0, -1.0), False),
    ],
)
def test_only_what_is_sure_of_its_sign_contradicts(effect: Bounds, change: Bounds, contradicted: bool) -> None:
    effects, changes = (
        None if bounds is None else Interval(low=bounds[0], high=bounds[1], method="m") for bounds in (effect, change)
    )
    middles = [None if bounds is None else sum(bounds) / 2 for bounds in (effect, change)]
    test = tables.Tested(
        measured=Measured(concept="it", layer="1", examples=20, others=20),
        output="yes", answer=Answer(rows=20, effect=middles[0], effect_interval=effects),
        p_value=0.01, adjusted=0.01, reason=None, change=Change(rows=20, value=middles[1], interval=changes),
    )  # fmt: skip
    assert test.contradicted is contradicted
