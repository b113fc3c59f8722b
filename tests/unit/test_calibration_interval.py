"""The calibration error's interval: what it is by hand, where it is undefined, and how often it covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.statistics import calibration_error_interval, clusters_of, expected_calibration_error

ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=40)


def interval(probability: Any, outcome: Any, seed: int = 0, **options: Any) -> Any:
    return calibration_error_interval(probability, outcome, rng=np.random.default_rng(seed), **options)


@given(rows=ROWS, bins=st.integers(1, 12), equal_mass=st.booleans())
def test_the_estimate_is_a_loop_over_bins_and_lies_between_its_bounds(
    rows: list[tuple[int, int]], bins: int, equal_mass: bool
) -> None:
    probability, outcome = np.array(rows).T / np.array([[20], [1]])
    found = interval(probability, outcome, bins=bins, equal_mass=equal_mass)
    ordered, shares = np.sort(probability), np.linspace(0.0, 1.0, bins + 1)[1:-1]
    ends = [ordered[-(-len(rows) * number // bins) - 1] for number in range(1, bins)]
    place = np.array(
        [sum(p > end for end in ends) if equal_mass else sum(p >= share for share in shares) for p in probability]
    )
    gaps = [abs(float(np.sum((probability - outcome)[place == number]))) for number in range(bins)]
    assert found.estimate == pytest.approx(sum(gaps) / len(rows), abs=1e-12)
    if not equal_mass:
        assert found.estimate == pytest.approx(expected_calibration_error(probability, outcome, bins=bins), abs=1e-12)
    if found.low is not None:
        assert 0 <= found.low <= found.estimate + 1e-12
        assert found.estimate - 1e-12 <= found.high <= 1


def test_one_bin_is_the_interval_of_a_mean() -> None:
    """In one bin the error is the size of a mean, whose bounds are that far from normal quantiles."""
    rng = np.random.default_rng(1)
    probability = rng.uniform(0.2, 0.9, 5000)
    outcome = rng.random(5000) < probability - 0.1
    found = interval(probability, outcome, bins=1, draws=40_000)
    excess = probability - outcome
    half = 1.96 * excess.std() / np.sqrt(5000)
    assert (found.low, found.high) == pytest.approx((excess.mean() - half, excess.mean() + half), abs=4e-4)


def test_calibrated_probabilities_have_a_lower_bound_of_nothing() -> None:
    rng = np.random.default_rng(2)
    lows = []
    for seed in range(200):
        probability = rng.random(400)
        lows.append(interval(probability, rng.random(400) < probability, seed, draws=400).low)
    assert np.mean(np.array(lows) == 0) >= 0.95


def test_clusters_of_one_row_are_rows_and_larger_ones_know_less() -> None:
    rng = np.random.default_rng(3)
    ids = np.repeat(np.arange(60), 20)
    probability = rng.uniform(0.05, 0.95, 1200)
    outcome = rng.random(1200) < np.clip(probability + rng.normal(0, 0.3, 60)[ids], 0, 1)
    rows = interval(probability, outcome)
    assert interval(probability, outcome, clusters=clusters_of(np.arange(1200))) == rows
    found = interval(probability, outcome, clusters=clusters_of(ids))
    assert found.estimate == rows.estimate
    assert found.low < rows.low / 2


@pytest.mark.parametrize(
    ("probability", "outcome", "ids", "reason"),
    [
        ([], [], None, "no_rows"),
        ([0.3], [1], None, "too_few_rows"),
        ([0.0, 1.0, 1.0], [0, 1, 1], None, "no_variation"),
        ([0.3, 0.4, 0.5, 0.6], [0, 1, 1, 0], [0, 0, 1, 1], "too_few_clusters"),
    ],
)
def test_what_is_undefined_says_why(probability: Any, outcome: Any, ids: Any, reason: str) -> None:
    found = interval(probability, outcome, clusters=clusters_of(ids))
    assert (found.low, found.high, found.reason) == (None, None, reason)
    assert (found.estimate is None) == (reason == "no_rows")


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: interval([1.2], [1]), "between 0 and 1"),
        (lambda: interval([0.2], [1], bins=0), "at least 1"),
        (lambda: interval([0.2], [1], draws=10), "replicates"),
        (lambda: interval([0.2], [1], level=1.0), "level"),
    ],
)
def test_bad_arguments(call: Callable[[], object], found: str) -> None:
    with pytest.raises(ValueError, match=found):
        call()


def covered(slope: float, rows: int, sets: int, *, equal_mass: bool, dependent: bool = False) -> float:
    """Share of data sets whose interval holds the error of as many rows as tell the truth.

    The logits of the true probabilities are `slope` times too far from 0; with `dependent` rows, clusters of 20 share a
    part of what is not known.
    """
    truth = _drawn(slope, 400_000, np.random.default_rng(7), dependent=dependent)
    error = interval(truth[0], truth[1], equal_mass=equal_mass, draws=40).estimate
    held = 0
    for seed in range(sets):
        probability, outcome, ids = _drawn(slope, rows, np.random.default_rng(seed), dependent=dependent)
        clusters = clusters_of(ids) if dependent else None
        found = interval(probability, outcome, seed, equal_mass=equal_mass, clusters=clusters, draws=500)
        held += found.low <= error <= found.high
    return held / sets


def _drawn(slope: float, rows: int, rng: np.random.Generator, *, dependent: bool) -> tuple[Any, Any, Any]:
    ids, logit = np.arange(rows) // 20, rng.normal(-0.5, 2.0, rows)
    shared = rng.normal(0, 0.5, rows // 20 + 1)[ids] if dependent else 0.0
    outcome = rng.random(rows) < 1 / (1 + np.exp(-logit - shared))
    return 1 / (1 + np.exp(-slope * logit)), outcome, ids


@pytest.mark.parametrize("slope", [1.0, 1.5])
def test_intervals_cover_about_as_stated(slope: float) -> None:
    assert covered(slope, 500, 150, equal_mass=False) >= 0.89


@pytest.mark.nightly
@pytest.mark.parametrize("equal_mass", [False, True])
@pytest.mark.parametrize("rows", [300, 2000])
@pytest.mark.parametrize("slope", [0.8, 1.0, 1.2, 1.5])
def test_intervals_cover_as_stated(slope: float, rows: int, equal_mass: bool) -> None:
    assert 0.91 <= covered(slope, rows, 1000, equal_mass=equal_mass) <= 0.99


@pytest.mark.nightly
@pytest.mark.parametrize("slope", [1.0, 1.5])
def test_intervals_of_clusters_cover_as_stated(slope: float) -> None:
    assert 0.91 <= covered(slope, 800, 1000, equal_mass=False, dependent=True) <= 0.99
