"""Paired comparisons and families of tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auditbench import statistics as stats

P_VALUES = st.lists(st.floats(0, 1) | st.just(math.nan), max_size=40)


@given(values=P_VALUES, data=st.data())
def test_adjusted_p_values_are_larger_ordered_and_do_not_depend_on_order(values: list[float], data: Any) -> None:
    adjusted = stats.benjamini_hochberg(values)
    defined = ~np.isnan(values) if values else np.zeros(0, dtype=bool)
    assert (np.isnan(adjusted) == ~defined).all()
    kept = np.array(values, dtype=float)[defined]
    assert (adjusted[defined] >= kept * (1 - 1e-12)).all()
    assert (adjusted[defined] <= 1).all()
    assert (np.diff(adjusted[defined][np.argsort(kept, kind="stable")]) >= 0).all()
    order = data.draw(st.permutations(range(len(values))))
    shuffled = stats.benjamini_hochberg([values[index] for index in order])
    assert shuffled == pytest.approx(adjusted[list(order)], nan_ok=True)
    assert stats.benjamini_hochberg(kept) == pytest.approx(adjusted[defined])


def test_benjamini_hochberg_by_hand() -> None:
    adjusted = stats.benjamini_hochberg([0.01, math.nan, 0.04, 0.03, 0.5])
    assert adjusted == pytest.approx([0.04, math.nan, 4 * 0.04 / 3, 4 * 0.04 / 3, 0.5], nan_ok=True)


@given(b=st.integers(0, 40), c=st.integers(0, 40), agree=st.integers(0, 200))
def test_mcnemar_equals_the_binomial_sum_and_is_symmetric(b: int, c: int, agree: int) -> None:
    n = b + c + agree
    assume(n)
    chances = [math.comb(b + c, k) / 2 ** (b + c) for k in range(b + c + 1)]
    tail = sum(chances[: min(b, c) + 1])
    exact, mid = stats.mcnemar(b, c, n, method="exact"), stats.mcnemar(b, c, n, method="mid-p")
    assert exact.p_value == pytest.approx(min(1, 2 * tail))
    assert mid.p_value == pytest.approx(2 * tail - chances[min(b, c)])
    back = stats.mcnemar(c, b, n)
    assert exact.estimate == pytest.approx((b - c) / n)
    assert (back.p_value, back.low, back.high) == pytest.approx((mid.p_value, -(mid.high or 0), -(mid.low or 0)))


def test_mcnemar_interval_matches_a_hand_calculation() -> None:
    test = stats.mcnemar(1, 7, 21)
    half = 1.959963984540054 * math.sqrt((10 / 23 - (6 / 23) ** 2) / 23)
    assert (test.low, test.high) == pytest.approx((-6 / 23 - half, -6 / 23 + half))


def test_mcnemar_interval_covers_near_its_level() -> None:
    rng, n = np.random.default_rng(3), 80
    tables = rng.multinomial(n, [0.15, 0.08, 0.77], size=2000)
    intervals = [stats.mcnemar(int(b), int(c), n) for b, c, _ in tables]
    covered = [test.low <= 0.07 <= test.high for test in intervals if test.low is not None and test.high is not None]
    assert len(covered) == 2000
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_paired_comparisons_agree_on_ordinary_data() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, 200)
    b = a - rng.normal(0.15, 1, 200)
    student = stats.paired_difference(a, b)
    resampled = stats.paired_difference_bootstrap(a, b, rng=rng, replicates=8000)
    flipped = stats.permutation_test_paired(a, b, rng=rng)
    assert student.estimate == resampled.estimate == flipped.estimate == pytest.approx((a - b).mean())
    assert (resampled.low, resampled.high) == pytest.approx((student.low, student.high), abs=0.02)
    assert resampled.p_value == pytest.approx(student.p_value, abs=0.02)
    assert flipped.p_value == pytest.approx(student.p_value, abs=0.02)
    assert (flipped.low, flipped.high, flipped.level) == (None, None, None)


@settings(max_examples=40)
@given(values=st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flips_are_all_counted_for_few_pairs(values: list[int]) -> None:
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(values))).reshape(len(values), -1).T
    expected = np.mean(np.abs(signs @ values) >= abs(sum(values)))
    tenths = np.array(values) / 10  # whose sums round, so that equal ones differ
    test = stats.permutation_test_paired(tenths, np.zeros(len(values)), rng=np.random.default_rng(0))
    assert test.method == "sign-flip-exact"
    assert test.p_value == pytest.approx(expected)


def test_drawn_sign_flips_estimate_the_exact_p_value_and_never_reach_zero() -> None:
    values = np.random.default_rng(2).normal(0.5, 1, 12)
    exact = stats.permutation_test_paired(values, np.zeros(12), rng=np.random.default_rng(0))
    drawn = stats.permutation_test_paired(values, np.zeros(12), rng=np.random.default_rng(0), replicates=4000)
    assert (exact.method, drawn.method) == ("sign-flip-exact", "sign-flip")
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.02)
    certain = stats.permutation_test_paired(np.ones(60), np.zeros(60), rng=np.random.default_rng(0), replicates=99)
    assert certain.p_value == pytest.approx(1 / 100)


def test_paired_comparisons_without_enough_rows_say_why() -> None:
    rng = np.random.default_rng(0)
    empty = [
        stats.paired_difference([], []),
        stats.paired_difference_bootstrap([], [], rng=rng),
        stats.permutation_test_paired([], [], rng=rng),
        stats.mcnemar(0, 0, 0),
    ]
    assert {(test.estimate, test.low, test.p_value, test.n, test.reason) for test in empty} == {
        (None, None, None, 0, "no_rows")
    }
    for single in (stats.paired_difference([3], [1]), stats.paired_difference_bootstrap([3], [1], rng=rng)):
        assert (single.estimate, single.low, single.high, single.p_value) == (2, None, None, None)
        assert single.reason == "too_few_rows"
    same = stats.paired_difference([3, 4], [1, 2])
    assert (same.low, same.high, same.p_value, same.reason) == (2, 2, None, "no_variation")
