"""The difference of a metric between two runs: against other formulas for the same thing, and against itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from auditbench.comparison.differences import (
    Difference,
    exact_difference,
    independent_difference,
    paired_difference,
    unpaired_difference,
)
from auditbench.comparison.pairing import RowPairs, pair_rows
from auditbench.comparison.reach import Reach, interval_reach, square_and_add, student_reach, unseen_reach
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
    return Metric(name="m", value=successes / trials, n=trials, denominator=trials, interval=interval)


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
    """Against the spread of the variance itself over many samples, 2 s^4 / Var(s^2), by the interval's extra width."""
    rng = np.random.default_rng(1)
    draws = rng.laplace(size=(20_000, 200))
    variances = draws.var(axis=1, ddof=1)
    expected = 2 * variances.mean() ** 2 / variances.var()
    ids = rows(range(200), range(200))
    other = mean_of(rng.normal(size=200) * 1e-6)
    widths = [
        item.reach(0.001)[0] / (row.std(ddof=1) / math.sqrt(200))
        for row in draws[:400]
        if (item := paired_difference(other, mean_of(row), ids)) is not None
    ]
    expected_width, students, normal = (-special.stdtrit(df, 0.0005) for df in (expected, 199, 1e9))
    assert np.median(widths) - normal == pytest.approx(expected_width - normal, rel=0.35)
    assert np.quantile(widths, 0.1) > students  # n - 1 degrees of freedom would be far too many


@pytest.mark.parametrize("disagree", [4, 6, 11, 20])
def test_few_rows_that_differ_weigh_like_the_exact_test(disagree: int) -> None:
    """Of 1000 rows a few change, all for the worse: McNemar's exact p-value is 2^(1 - few)."""
    first = (np.arange(1000) < 900).astype(float)
    second = np.where(np.arange(1000) < disagree, 0.0, first)
    found = paired_difference(mean_of(first), mean_of(second), rows(range(1000), range(1000)))
    assert found is not None
    exact = 2.0 ** (1 - disagree)
    assert 0.6 * exact < found.p_value() < 40 * exact
    error = (second - first).std(ddof=1) / math.sqrt(1000)
    assert found.p_value() > math.erfc(abs(found.estimate) / error / math.sqrt(2))


def test_rows_of_one_run_alone_are_left_out() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2, 100))
    before, after = mean_of(values[0, :98]), mean_of(values[1, 1:])
    found = paired_difference(before, after, rows(range(98), range(1, 100)))
    assert found is not None
    assert found.n == 97
    assert found.before == pytest.approx(values[0, 1:98].mean())
    assert found.after == pytest.approx(values[1, 1:98].mean())
    expected = paired_t(values[1, 1:98], values[0, 1:98])
    assert found.bounds(0.95) == pytest.approx((expected.low, expected.high), rel=0.02)


def test_rows_are_matched_by_key_and_not_by_place() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=50)
    order = rng.permutation(50)
    found = paired_difference(mean_of(values), mean_of(values[order]), rows(range(50), order))
    assert found is not None
    assert found.estimate == pytest.approx(0, abs=1e-12)
    assert found.bounds(0.95)[1] == pytest.approx(np.ptp(values) * 3.8415 / 53.8415, rel=1e-4)


def test_common_rows_bring_their_covariance_in() -> None:
    """Against the spread of the difference itself, over many draws of rows."""
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(4000, 90))
    spread = (draws[:, 30:].mean(axis=1) - draws[:, :60].mean(axis=1)).std()
    pairs = rows(range(60), range(30, 90))
    found = [unpaired_difference(mean_of(draw[:60]), mean_of(draw[30:]), pairs) for draw in draws[:300]]
    assert {item.design for item in found if item} == {"overlapping"}
    widths = np.mean([item.reach(0.05)[0] for item in found if item])
    assert widths == pytest.approx(spread * -special.stdtrit(115, 0.025), rel=0.05)
    assert widths < 0.8 * 1.96 * math.sqrt(2 / 60)  # what two samples without a common row would have


def test_without_a_common_row_two_influences_give_welch() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=80), 2 * rng.normal(size=50) + 0.5
    found = unpaired_difference(mean_of(first), mean_of(second), rows(range(80), range(100, 150)))
    expected = stats.ttest_ind(second, first, equal_var=False)
    assert found is not None
    assert found.design == "independent"
    assert found.bounds(0.95) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=0.02)
    assert found.p_value() == pytest.approx(expected.pvalue, rel=0.1)


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
        pytest.param(Metric(name="m", value=1.0, n=5, no_interval="exact"), mean_of(np.arange(5.0)), id="no-influence"),
        pytest.param(mean_of(np.ones(5)), mean_of(np.arange(5.0)), id="at-the-edge-before"),
        pytest.param(mean_of(np.arange(5.0)), mean_of(np.zeros(5)), id="at-the-edge-after"),
        pytest.param(mean_of(np.arange(4.0)), mean_of(np.arange(5.0)), id="another-number-of-rows"),
    ],
)
def test_what_cannot_be_compared_by_rows_is_not(before: Metric, after: Metric) -> None:
    for design in (paired_difference, unpaired_difference):
        assert design(before, after, rows(range(5), range(5))) is None
    assert independent_difference(before, after) is None


def test_equal_exact_values_are_no_difference() -> None:
    found = exact_difference(mean_of([1e-16]), mean_of([3e-16]))
    assert (found.estimate, found.bounds(0.95), found.p_value()) == (0.0, (0.0, 0.0), 1.0)
    assert exact_difference(mean_of([1.0]), mean_of([2.0])).p_value() == 0.0


def test_a_difference_in_a_small_unit_is_one() -> None:
    rng = np.random.default_rng(6)
    first = rng.normal(size=300)
    second = first + 0.2 + 0.1 * rng.normal(size=300)
    ids = rows(range(300), range(300))
    found, small = (paired_difference(mean_of(scale * first), mean_of(scale * second), ids) for scale in (1.0, 1e-20))
    assert found is not None
    assert small is not None
    assert small.estimate == pytest.approx(1e-20 * found.estimate)
    assert small.p_value() == pytest.approx(found.p_value(), rel=1e-6)


def test_no_row_that_differs_is_the_score_interval_of_none() -> None:
    """Of rates on the same rows, the interval ends at the d for which d^2 = z^2 d (1 - d) / n."""
    values = (np.arange(400) < 130).astype(float)
    found = paired_difference(mean_of(values), mean_of(values), rows(range(400), range(400)))
    assert found is not None
    for level in (0.8, 0.95, 0.999):
        low, high = found.bounds(level)
        z = stats.norm.isf((1 - level) / 2)
        assert high == -low == pytest.approx(wilson_interval(0, 400, level)[1])
        assert high**2 == pytest.approx(z**2 * high * (1 - high) / 400)


RATES = st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(RATES, RATES)
def test_independent_rates_are_nearly_those_of_newcombe_at_any_level(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    """From the recorded limits alone, the sides at other levels are hardly shorter, and not much longer."""
    found = independent_difference(rate(*first), rate(*second))
    assert found is not None
    expected = newcombe_difference(*second, *first)
    assert found.bounds(0.95) == pytest.approx((expected.low, expected.high), abs=1e-9)
    for level in (0.99, 0.9998):
        low, high = found.bounds(level)
        expected = newcombe_difference(*second, *first, level=level)
        assert expected.low is not None
        assert expected.high is not None
        assert found.estimate - low >= 0.97 * (found.estimate - expected.low)
        assert high - found.estimate >= 0.97 * (expected.high - found.estimate)
        assert high - low < 1.7 * (expected.high - expected.low) or min(first[1], second[1]) < 30


SIZES = st.floats(1e-3, 3)
REACHES = st.one_of(
    st.builds(student_reach, SIZES, st.one_of(st.just(math.inf), st.floats(1, 500))),
    st.builds(unseen_reach, SIZES, st.integers(2, 500)),
    st.builds(
        lambda below, above, freedom, other: square_and_add(
            interval_reach(0.0, Interval(low=-below, high=above, method="x"), freedom), student_reach(other, 9)
        ),
        SIZES,
        SIZES,
        st.floats(1, 500),
        SIZES,
    ),
)


@given(estimate=st.floats(-5, 5), reach=REACHES, level=st.floats(0.5, 0.9999))
def test_interval_and_p_value_say_the_same(estimate: float, reach: Reach, level: float) -> None:
    found = Difference(before=0.0, after=estimate, reach=reach, n=9, design="independent")
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
