"""The shared statistics equal scipy's and scikit-learn's where these have the same method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn import calibration, metrics
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from auditbench import statistics as stats


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_equals_scipy(level: float) -> None:
    trials = np.repeat([1, 2, 7, 50, 1000], 8)
    successes = np.random.default_rng(0).binomial(trials, 0.3)
    mine = stats.wilson_intervals(successes, trials, level)
    for bounds, hits, size in zip(mine, successes, trials, strict=True):
        theirs = scipy.stats.binomtest(int(hits), int(size)).proportion_ci(level, method="wilson")
        assert bounds == pytest.approx([theirs.low, theirs.high], abs=1e-12)


def test_benjamini_hochberg_equals_scipy_on_2000_vectors() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        values = rng.random(rng.integers(1, 60)) ** rng.choice([1, 3])
        if rng.random() < 0.3:
            values = np.round(values, 1)
        theirs = scipy.stats.false_discovery_control(values)
        np.testing.assert_allclose(stats.benjamini_hochberg(values), theirs, rtol=1e-12)


def test_wilson_equals_statsmodels() -> None:
    rng = np.random.default_rng(1)
    trials = rng.integers(1, 2000, 500)
    successes = rng.binomial(trials, rng.choice([0.0, 0.01, 0.3, 0.99, 1.0], 500))
    for level in (0.8, 0.95, 0.999):
        low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
        mine = stats.wilson_intervals(successes, trials, level)
        np.testing.assert_allclose(mine, np.stack([low, high], axis=1), atol=1e-12)


def test_benjamini_hochberg_equals_statsmodels_on_2000_vectors() -> None:
    """Ties, 0 and 1 among the values; NaN, which statsmodels does not take, is as if it were not there."""
    rng = np.random.default_rng(2)
    for _ in range(2000):
        values = rng.random(rng.integers(1, 60)) ** rng.choice([1, 3])
        values = np.round(values, 1) if rng.random() < 0.3 else values
        values[rng.random(len(values)) < 0.1] = 0.0
        values[rng.random(len(values)) < 0.1] = 1.0
        holes = rng.random(len(values)) < 0.15
        given = np.where(holes, np.nan, values)
        mine = stats.benjamini_hochberg(given)
        assert np.isnan(mine[holes]).all()
        if not holes.all():
            rejected, theirs, _, _ = multipletests(values[~holes], alpha=0.05, method="fdr_bh")
            np.testing.assert_allclose(mine[~holes], theirs, rtol=1e-12)
            assert ((mine[~holes] <= 0.05) == rejected).all()


def test_student_interval_and_test_equal_scipy() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 3, 30, 500):
        a, b = rng.normal(size=n), rng.normal(0.2, 1, n)
        mine = stats.paired_difference(a, b, level=0.9)
        theirs = scipy.stats.ttest_rel(a, b)
        bounds = theirs.confidence_interval(0.9)
        assert (mine.low, mine.high, mine.p_value) == pytest.approx((bounds.low, bounds.high, theirs.pvalue))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 3), (1, 9), (40, 21), (700, 640)])
def test_mcnemar_equals_the_binomial_test(b: int, c: int) -> None:
    expected = scipy.stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert stats.mcnemar(b, c, b + c + 5, method="exact").p_value == pytest.approx(expected)


def test_sign_flips_equal_scipys_permutation_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 11).astype(float), rng.integers(0, 5, 11).astype(float)

    def difference(x: Any, y: Any, axis: int) -> Any:
        return (x - y).mean(axis=axis)

    theirs = scipy.stats.permutation_test((a, b), difference, permutation_type="samples", vectorized=True)
    mine = stats.permutation_test_paired(a, b, rng=rng)
    assert mine.p_value == pytest.approx(min(1.0, theirs.pvalue))


def test_bootstrap_of_a_correlation_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)

    def correlation(a: Any, b: Any, axis: int = 1) -> Any:
        a, b = a - a.mean(axis=axis, keepdims=True), b - b.mean(axis=axis, keepdims=True)
        return (a * b).sum(axis=axis) / np.sqrt((a**2).sum(axis=axis) * (b**2).sum(axis=axis))

    mine = stats.bootstrap_interval(correlation, [x, y], rng=rng, replicates=20_000)
    theirs = scipy.stats.bootstrap(
        (x, y), correlation, paired=True, vectorized=True, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.008)


def test_ranking_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(4, 120))
        labels = rng.permutation(np.arange(n) % int(rng.integers(2, 5)) == 0).astype(int)
        scores = rng.normal(labels, 1.5).round(int(rng.integers(0, 3)))
        assert stats.auc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores))
        assert stats.average_precision(scores, labels) == pytest.approx(metrics.average_precision_score(labels, scores))


def test_reliability_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probability = rng.beta(0.4, 0.6, 4000)
    outcome = rng.random(4000) < probability**1.3
    table = stats.reliability_bins(probability, outcome, bins=12)
    observed, predicted = calibration.calibration_curve(outcome, probability, n_bins=12)
    assert table.observed_rate == pytest.approx(observed)
    assert table.mean_predicted == pytest.approx(predicted)
