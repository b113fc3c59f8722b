"""The difference of a metric between two runs: against other formulas for the same thing, and against itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.comparison.differences import (
    Difference,
    exact_difference,
    independent_difference,
    overlapping_difference,
    paired_difference,
)
from auditbench.comparison.pairing import RowPairs, pair_rows
from auditbench.results import Interval, Metric
from auditbench.statistics import holm, holm_levels, newcombe_difference, wilson_interval
from auditbench.statistics import paired_difference as paired_t

Numbers = npt.NDArray[np.float64]


def mean_of(values: npt.ArrayLike, **fields: Any) -> Metric:
    """A mean over all rows, with what each row does to it."""
    array = np.asarray(values, dtype=np.float64)
    known: dict[str, Any] = {"name": "m", "n": len(array), "no_interval": "not_estimated"}
    return Metric(value=float(array.mean()), influence=array - array.mean(), **{**known, **fields})


def rate(successes: int, trials: int) -> Metric:
    low, high = wilson_interval(successes, trials)
    interval = Interval(low=low, high=high, method="wilson")
    return Metric(name="m", value=successes / trials, n=trials, interval=interval)


def rows(first: npt.ArrayLike, second: npt.ArrayLike) -> RowPairs:
    """Pairs of two runs whose rows have these numbers."""
    before, after = np.asarray(first, dtype=np.uint64), np.asarray(second, dtype=np.uint64)
    return pair_rows(before, after, baseline_rows=len(before), candidate_rows=len(after))


def test_the_same_rows_give_the_paired_t_of_means() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=400)
    second = 0.3 * first + rng.normal(size=400) + 0.2
    found = paired_difference(mean_of(first), mean_of(second), rows(range(400), range(400)))
    expected = paired_t(second, first)
    assert found is not None
    assert (found.design, found.n) == ("paired", 400)
    assert found.estimate == pytest.approx(expected.estimate)
    assert found.bounds(0.95) == pytest.approx((expected.low, expected.high), rel=5e-3)
    assert found.p_value() == pytest.approx(expected.p_value, rel=0.1)


def test_degrees_of_freedom_are_those_of_the_variance() -> None:
    """Against the spread of the variance itself over many samples: 2 s^4 / Var(s^2)."""
    rng = np.random.default_rng(1)
    draws = rng.laplace(size=(20_000, 200))
    variances = draws.var(axis=1, ddof=1)
    expected = 2 * variances.mean() ** 2 / variances.var()
    ids = rows(range(200), range(200))
    found = [paired_difference(mean_of(np.zeros(200)), mean_of(row), ids) for row in draws[:400]]
    freedoms = [item.freedom for item in found if item is not None]
    assert np.median(freedoms) == pytest.approx(expected, rel=0.35)
    assert np.quantile(freedoms, 0.9) < 199 * 0.75  # Student's n - 1 would be far too many


@pytest.mark.parametrize("disagree", [4, 6, 11, 20])
def test_few_rows_that_differ_weigh_like_the_exact_test(disagree: int) -> None:
    """Of 1000 rows a few change, all for the worse: McNemar's exact p-value is 2^(1 - few)."""
    first = np.ones(1000)
    second = np.where(np.arange(1000) < disagree, 0.0, 1.0)
    found = paired_difference(mean_of(first), mean_of(second), rows(range(1000), range(1000)))
    assert found is not None
    exact = 2.0 ** (1 - disagree)
    assert 0.6 * exact < found.p_value() < 40 * exact
    normal = math.erfc(abs(found.estimate) / found.below / math.sqrt(2))
    assert found.p_value() > normal


def test_rows_of_one_run_alone_are_left_out() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2, 100))
    before, after = mean_of(values[0, :98]), mean_of(values[1, 1:])
    found = paired_difference(before, after, rows(range(98), range(1, 100)))
    assert found is not None
    assert found.n == 97
    assert found.before == pytest.approx(values[0, 1:98].mean())
    assert found.after == pytest.approx(values[1, 1:98].mean())
    assert found.below == pytest.approx((values[1, 1:98] - values[0, 1:98]).std(ddof=1) / math.sqrt(97))


def test_rows_are_matched_by_key_and_not_by_place() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=50)
    order = rng.permutation(50)
    found = paired_difference(mean_of(values), mean_of(values[order]), rows(range(50), order))
    assert found is not None
    assert found.estimate == pytest.approx(0, abs=1e-12)
    assert found.below == pytest.approx(0, abs=1e-12)


def test_common_rows_bring_their_covariance_in() -> None:
    """Against the spread of the difference itself, over many draws of rows."""
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(4000, 90))
    spread = (draws[:, 30:].mean(axis=1) - draws[:, :60].mean(axis=1)).std()
    found = overlapping_difference(mean_of(draws[0, :60]), mean_of(draws[0, 30:]), rows(range(60), range(30, 90)))
    assert found is not None
    assert found.design == "overlapping"
    errors = [
        item.below
        for draw in draws[:300]
        if (item := overlapping_difference(mean_of(draw[:60]), mean_of(draw[30:]), rows(range(60), range(30, 90))))
    ]
    assert np.mean(errors) == pytest.approx(spread, rel=0.05)
    assert np.mean(errors) < 0.8 * math.sqrt(2 / 60)  # what two samples without a common row would have


@pytest.mark.parametrize(("a", "n", "b", "m"), [(8, 40, 20, 50), (0, 30, 3, 60), (59, 60, 60, 60), (5, 1000, 9, 900)])
def test_two_wilson_intervals_give_newcombe(a: int, n: int, b: int, m: int) -> None:
    found = independent_difference(rate(a, n), rate(b, m))
    expected = newcombe_difference(b, m, a, n)
    assert found is not None
    assert found.bounds(0.95) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_beside_its_value_counts_by_its_width() -> None:
    beside = Metric(name="m", value=0.9, n=9, interval=Interval(low=0.2, high=0.4, method="basic"))
    found = independent_difference(
        beside, Metric(name="m", value=0.5, n=9, interval=Interval(low=0.5, high=0.5, method="x"))
    )
    assert found is not None
    assert found.bounds(0.95) == pytest.approx((-0.5, -0.3))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(Metric(name="m", value=1.0, n=5, no_interval="exact"), mean_of(np.ones(5)), id="no-influence"),
        pytest.param(mean_of(np.ones(5)), mean_of(np.zeros(5)), id="every-row-the-same-change"),
        pytest.param(mean_of(np.ones(4)), mean_of(np.arange(5.0)), id="another-number-of-rows"),
    ],
)
def test_what_cannot_be_paired_is_not(before: Metric, after: Metric) -> None:
    assert paired_difference(before, after, rows(range(5), range(5))) is None
    assert independent_difference(before, after) is None


def test_equal_values_are_no_difference() -> None:
    found = paired_difference(mean_of(np.ones(5)), mean_of(np.ones(5)), rows(range(5), range(5)))
    assert found is not None
    assert (found.estimate, found.bounds(0.95), found.p_value()) == (0.0, (0.0, 0.0), 1.0)
    rounding = exact_difference(mean_of([1e-16]), mean_of([3e-16]))
    assert rounding.estimate == 0.0


@given(
    estimate=st.floats(-5, 5),
    below=st.floats(1e-3, 3),
    above=st.floats(1e-3, 3),
    freedom=st.one_of(st.just(math.inf), st.floats(1, 500)),
    level=st.floats(0.5, 0.9999),
)
def test_interval_and_p_value_say_the_same(
    estimate: float, below: float, above: float, freedom: float, level: float
) -> None:
    found = Difference(before=0.0, after=estimate, below=below, above=above, freedom=freedom, n=9, design="independent")
    p, (low, high) = found.p_value(), found.bounds(level)
    assert 0.0 <= p <= 1.0
    assert low <= found.estimate <= high
    if abs(p - (1 - level)) > 1e-6:
        assert (low <= 0.0 <= high) == (p > 1 - level)


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.5, 0.99))
def test_holm_steps_down(p_values: list[float], level: float) -> None:
    """Against the procedure as it is told: the smallest by m, the next by m - 1, until one is not rejected."""
    alpha = 1 - level
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] * (len(p_values) - step) > alpha:
            break
        rejected.add(index)
    adjusted = holm(p_values)
    assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected
    assert all(one >= other for one, other in zip(adjusted, p_values, strict=True))
    levels = holm_levels(p_values, level=level)
    for i, at in enumerate(levels):
        assert level - 1e-12 <= at < 1.0
        if abs(p_values[i] - (1 - at)) > 1e-9:
            assert (p_values[i] <= 1 - at) == (i in rejected)


def test_holm_knows_tests_that_were_not_carried_out() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)
    assert holm_levels([0.01, math.nan, 0.04]) == pytest.approx([0.975, math.nan, 0.95], nan_ok=True)
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.5])
