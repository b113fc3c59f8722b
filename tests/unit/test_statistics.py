"""Proportions, refused arguments and the import of the shared statistics."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench import statistics as stats

COUNTS = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
FILLED = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.floats(0.5, 0.999)
RNG = np.random.default_rng(0)


def row_mean(sample: Any) -> Any:
    return sample.mean(axis=1)


def test_import_leaves_heavy_libraries_out() -> None:
    code = "import sys; import auditbench.statistics; print(sorted({'numpy', 'scipy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(p=st.floats(1e-6, 1 - 1e-6))
def test_normal_quantile_inverts_the_distribution_and_is_odd(p: float) -> None:
    z = stats.normal_quantile(p)
    assert math.erfc(-z / math.sqrt(2)) / 2 == pytest.approx(p, rel=1e-9)
    assert stats.normal_quantile(1 - p) == pytest.approx(-z, abs=1e-6)


@given(counts=FILLED, level=LEVELS)
def test_wilson_bounds_solve_the_score_equation(counts: tuple[int, int], level: float) -> None:
    successes, trials = counts
    bounds = stats.wilson_interval(successes, trials, level)
    assert bounds is not None
    z, rate = stats.normal_quantile((1 + level) / 2), successes / trials
    for bound in bounds:
        assert (rate - bound) ** 2 == pytest.approx(z * z * bound * (1 - bound) / trials, abs=1e-12)
    assert 0 <= bounds[0] <= rate <= bounds[1] <= 1


@given(counts=FILLED, level=LEVELS)
def test_wilson_mirrors_when_failures_become_successes(counts: tuple[int, int], level: float) -> None:
    successes, trials = counts
    low, high = stats.wilson_interval(successes, trials, level) or (0, 0)
    mirrored = stats.wilson_interval(trials - successes, trials, level)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_covers_at_its_level_on_average_and_never_far_below() -> None:
    trials, rates = 60, np.linspace(0.02, 0.98, 193)
    bounds = stats.wilson_intervals(np.arange(trials + 1), np.full(trials + 1, trials))
    chances = np.array(
        [[math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)] for p in rates]
    )
    covered = (bounds[:, 0] <= rates[:, None]) & (rates[:, None] <= bounds[:, 1])
    coverage = (chances * covered).sum(axis=1)
    assert coverage.mean() == pytest.approx(0.95, abs=0.005)
    assert coverage.min() > 0.88


@given(rows=st.lists(COUNTS, max_size=20), level=LEVELS)
def test_vectorised_wilson_equals_the_single_one(rows: list[tuple[int, int]], level: float) -> None:
    many = stats.wilson_intervals([row[0] for row in rows], [row[1] for row in rows], level)
    assert many.shape == (len(rows), 2)
    for bounds, (successes, trials) in zip(many, rows, strict=True):
        single = stats.wilson_interval(successes, trials, level)
        assert np.isnan(bounds).all() if single is None else bounds == pytest.approx(single, abs=1e-14)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        pytest.param((56, 70, 48, 80), 0.0524, 0.3339, id="a"),
        pytest.param((9, 10, 3, 10), 0.1705, 0.8090, id="b"),
        pytest.param((6, 7, 2, 7), 0.0582, 0.8062, id="c"),
        pytest.param((5, 56, 0, 29), -0.0381, 0.1926, id="d"),
        pytest.param((0, 10, 0, 20), -0.1611, 0.2775, id="e"),
        pytest.param((0, 10, 0, 10), -0.2775, 0.2775, id="f"),
        pytest.param((10, 10, 0, 20), 0.6791, 1.0, id="g"),
        pytest.param((10, 10, 0, 10), 0.6075, 1.0, id="h"),
    ],
)
def test_newcombe_equals_its_published_table(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    interval = stats.newcombe_difference(*counts)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5.1e-5)


@given(a=FILLED, b=FILLED, level=LEVELS)
def test_newcombe_is_antisymmetric_and_in_range(a: tuple[int, int], b: tuple[int, int], level: float) -> None:
    there, back = stats.newcombe_difference(*a, *b, level=level), stats.newcombe_difference(*b, *a, level=level)
    assert there.estimate is not None
    assert there.low is not None
    assert there.high is not None
    assert -1 <= there.low <= there.estimate <= there.high <= 1
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-12)


@pytest.mark.parametrize(("n_a", "n_b", "p"), [(400, 400, 0.3), (900, 150, 0.5), (200, 1500, 0.8)])
def test_detectable_difference_is_found_as_often_as_stated(n_a: int, n_b: int, p: float) -> None:
    gap = stats.minimum_detectable_difference(n_a, n_b, p, power=0.8)
    assert gap is not None
    powers = [power_by_simulation(n_a, n_b, p, p + sign * gap) for sign in (-1, 1)]
    assert max(powers) == pytest.approx(0.8, abs=0.02)
    assert min(powers) < 0.82


@given(n_a=st.integers(1, 5000), n_b=st.integers(1, 5000), p=st.floats(0, 1), power=st.floats(0.5, 0.99))
def test_detectable_difference_is_symmetric_in_the_outcome_and_grows_with_power(
    n_a: int, n_b: int, p: float, power: float
) -> None:
    gap = stats.minimum_detectable_difference(n_a, n_b, p, power=power)
    mirrored = stats.minimum_detectable_difference(n_a, n_b, 1 - p, power=power)
    more = stats.minimum_detectable_difference(n_a, n_b, p, power=power + 0.005)
    if gap is None:
        assert more is None
        return
    assert 0 < gap <= 1
    assert mirrored == pytest.approx(gap, abs=1e-9)
    assert more is None or more >= gap - 1e-9


def test_detectable_difference_is_undefined_where_none_is_reachable() -> None:
    assert stats.minimum_detectable_difference(0, 50, 0.5) is None
    assert stats.minimum_detectable_difference(2, 2, 0.5) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.normal_quantile(1.0), "strictly between 0 and 1, got 1.0"),
        (lambda: stats.wilson_interval(3, 2), "0 <= successes <= trials, got 3 of 2"),
        (lambda: stats.wilson_interval(1, 2, level=1.5), "`level` strictly between 0 and 1, got 1.5"),
        (lambda: stats.wilson_intervals([1, 0.5], [2, 2]), "whole counts .* got 0.5 of 2"),
        (lambda: stats.wilson_intervals([1], [2, 2]), "one shape"),
        (lambda: stats.newcombe_difference(-1, 2, 1, 2), "got -1 of 2"),
        (lambda: stats.minimum_detectable_difference(9, 9, 1.2), "`p` between 0 and 1, got 1.2"),
        (lambda: stats.minimum_detectable_difference(9, -9, 0.5), "at least 0, got 9 and -9"),
        (lambda: stats.minimum_detectable_difference(9, 9, 0.5, power=0.3), "`power` of at least 0.5"),
        (lambda: stats.bootstrap_interval(row_mean, [[1.0, 2]], rng=RNG, replicates=39), "at least 40 for level 0.95"),
        (lambda: stats.bootstrap_interval(row_mean, [[1], [1, 2]], rng=RNG), "`arrays` of one length"),
        (lambda: stats.bootstrap_interval(row_mean, [], rng=RNG), "`arrays` of one length"),
        (lambda: stats.bootstrap_interval(np.mean, [[1, 2]], rng=RNG), r"return shape \(1,\), got \(\)"),
        (lambda: stats.bootstrap_interval(lambda s: [math.inf] * len(s), [[1, 2]], rng=RNG), "finite values or NaN"),
        (lambda: stats.percentile_intervals([0.0], np.zeros((99, 2))), "expected `replicates` of shape"),
        (lambda: stats.percentile_intervals([0.0], np.full((99, 1), np.inf)), "got infinite"),
        (lambda: stats.multinomial_replicates([0.5], 9, RNG), "integers of at least 0, got float64"),
        (lambda: stats.multinomial_replicates([-1], 9, RNG), "got int64 from -1"),
        (lambda: stats.multinomial_replicates([1], 0, RNG), "at least 1, got 0"),
        (lambda: stats.mean_interval([1, math.nan]), "finite `values`, got 1 NaN"),
        (lambda: stats.mean_intervals([1, 2]), "`values` with 2 axes"),
        (lambda: stats.auc([1, 2], [0, 2]), r"0 and 1, got \[0, 2\]"),
        (lambda: stats.auc([1, 2], [0]), r"`labels` of shape \(2,\), got \(1,\)"),
        (lambda: stats.delong_interval([1, 2], [0, 1], transform="log"), "logit or none"),  # type: ignore[arg-type]
        (lambda: stats.average_precision([math.inf], [1]), "finite `scores`"),
        (lambda: stats.benjamini_hochberg([0.5, 1.5]), "between 0 and 1, got 0.5 to 1.5"),
        (lambda: stats.benjamini_hochberg([[0.5]]), r"shape \(m,\), got \(1, 1\)"),
        (lambda: stats.mcnemar(3, 4, 6), "b=3, c=4, n=6"),
        (lambda: stats.mcnemar(1, 1, 6, method="chi2"), "exact or mid-p"),  # type: ignore[arg-type]
        (lambda: stats.paired_difference([1, 2], [1]), "one shape"),
        (lambda: stats.permutation_test_paired([1], [1], rng=RNG, replicates=0), "at least 1, got 0"),
        (lambda: stats.reliability_bins([1.2], [1]), "between 0 and 1, got 1.2"),
        (lambda: stats.reliability_bins([0.2], [1], bins=0), "`bins` of at least 1"),
        (lambda: stats.expected_calibration_error([0.2], [0.5]), "0 and 1, got"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def power_by_simulation(n_a: int, n_b: int, p: float, q: float) -> float:
    rng = np.random.default_rng(5)
    a, b = rng.binomial(n_a, p, 40_000) / n_a, rng.binomial(n_b, q, 40_000) / n_b
    pooled = (n_a * a + n_b * b) / (n_a + n_b)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return float(np.mean(np.abs(a - b) > 1.959963984540054 * error))
