"""Ranking, calibration and reliability."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench import statistics as stats

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1)), min_size=1, max_size=60)


@given(rows=SCORED)
def test_auc_counts_pairs_and_mirrors_with_the_scores(rows: list[tuple[int, int]]) -> None:
    scores, labels = np.array(rows).T
    area = stats.auc(scores, labels)
    if len(set(labels)) < 2:
        assert area is None
        assert stats.delong_interval(scores, labels).reason == "one_class"
        return
    assert area == pytest.approx(naive_auc(scores, labels))
    assert stats.auc(-scores, labels) == pytest.approx(1 - naive_auc(scores, labels))


def test_delong_variance_equals_the_placements_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 12, 70), rng.integers(0, 2, 70)
    positives, negatives = scores[labels == 1], scores[labels == 0]
    psi = (positives[:, None] > negatives) + (positives[:, None] == negatives) / 2
    variance = psi.mean(axis=1).var(ddof=1) / len(positives) + psi.mean(axis=0).var(ddof=1) / len(negatives)
    area, half = psi.mean(), 1.959963984540054 * math.sqrt(variance)
    plain = stats.delong_interval(scores, labels, transform="none")
    assert (plain.low, plain.estimate, plain.high) == pytest.approx((area - half, area, area + half))
    logit = stats.delong_interval(scores, labels)
    assert logit.low is not None
    assert logit.high is not None
    odds = [math.log(bound / (1 - bound)) for bound in (logit.low, logit.high)]
    assert sum(odds) / 2 == pytest.approx(math.log(area / (1 - area)))
    assert (odds[1] - odds[0]) / 2 == pytest.approx(half / (area * (1 - area)))


def test_delong_covers_near_its_level() -> None:
    rng, truth, covered = np.random.default_rng(8), 0.5 * math.erfc(-0.5), 0
    labels = np.repeat([0, 1], [60, 40])
    for _ in range(600):
        interval = stats.delong_interval(rng.normal(labels, 1.0), labels)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= truth <= interval.high
    assert 0.925 <= covered / 600 <= 0.975


@pytest.mark.parametrize(
    ("scores", "labels", "estimate", "reason"),
    [
        pytest.param([], [], None, "no_rows", id="no-rows"),
        pytest.param([1, 2, 3], [0, 0, 1], 1.0, "too_few_rows", id="one-positive"),
        pytest.param([1, 2, 3, 4], [0, 0, 1, 1], 1.0, "no_variation", id="perfect"),
        pytest.param([1, 1, 1, 1], [0, 0, 1, 1], 0.5, "no_variation", id="constant-scores"),
    ],
)
def test_delong_without_bounds_says_why(
    scores: list[float], labels: list[int], estimate: float | None, reason: str
) -> None:
    interval = stats.delong_interval(scores, labels)
    assert (interval.estimate, interval.low, interval.high, interval.reason) == (estimate, None, None, reason)


def test_average_precision_by_hand_with_a_tie() -> None:
    assert stats.average_precision([4, 3, 3, 1], [1, 1, 0, 1]) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert stats.average_precision([1, 1], [0, 1]) == pytest.approx(0.5)
    assert stats.average_precision([1, 2], [0, 0]) is None


def test_reliability_bins_by_hand() -> None:
    table = stats.reliability_bins([0.0, 0.1, 0.25, 0.5, 0.9, 1.0], [0, 1, 1, 0, 1, 1], bins=4)
    assert table.edges == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert table.counts.tolist() == [2, 1, 1, 2]
    assert table.mean_predicted == pytest.approx([0.05, 0.25, 0.5, 0.95])
    assert table.observed_rate == pytest.approx([0.5, 1, 0, 1])
    assert (table.low[0], table.high[0]) == pytest.approx(stats.wilson_interval(1, 2))
    error = stats.expected_calibration_error([0.0, 0.1, 0.25, 0.5, 0.9, 1.0], [0, 1, 1, 0, 1, 1], bins=4)
    assert error == pytest.approx((2 * 0.45 + 0.75 + 0.5 + 2 * 0.05) / 6)


def test_empty_bins_are_undefined_not_zero() -> None:
    table = stats.reliability_bins([0.05, 0.95], [0, 1])
    for array in (table.mean_predicted, table.observed_rate, table.low, table.high):
        assert np.isnan(array).tolist() == [False, *[True] * 8, False]
    assert stats.expected_calibration_error([], []) is None


@given(rows=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=50), bins=st.integers(1, 15))
def test_calibration_error_is_bounded_and_grows_when_bins_split(rows: list[tuple[float, int]], bins: int) -> None:
    probability, outcome = [row[0] for row in rows], [row[1] for row in rows]
    coarse = stats.expected_calibration_error(probability, outcome, bins=bins)
    fine = stats.expected_calibration_error(probability, outcome, bins=2 * bins)
    overall = stats.expected_calibration_error(probability, outcome, bins=1)
    assert coarse is not None
    assert fine is not None
    assert overall is not None
    assert overall == pytest.approx(abs(np.mean(probability) - np.mean(outcome)))
    assert overall - 1e-12 <= coarse <= fine + 1e-12 <= 1 + 2e-12


def naive_auc(scores: Any, labels: Any) -> float:
    wins = [(p > q) + (p == q) / 2 for p in scores[labels == 1] for q in scores[labels == 0]]
    return float(np.mean(wins))
