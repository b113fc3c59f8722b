"""Bootstraps, multinomial replicates and intervals of means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench import statistics as stats


def row_mean(sample: Any) -> Any:
    return sample.mean(axis=1)


def test_bootstrap_of_a_mean_has_the_normal_width_and_repeats_with_its_seed() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    first, again = (
        stats.bootstrap_interval(row_mean, [values], rng=np.random.default_rng(7), replicates=4000) for _ in range(2)
    )
    assert first == again
    assert first.estimate == pytest.approx(values.mean())
    assert first.low is not None
    assert first.high is not None
    assert first.high - first.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)
    assert (first.method, first.replicates, first.undefined_replicates) == ("bootstrap-percentile", 4000, 0)


def test_bootstrap_keeps_rows_together_and_splits_into_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(30.0)
    sizes: list[int] = []

    def difference(a: Any, b: Any) -> Any:
        sizes.append(len(a))
        return (a - b[..., 0]).mean(axis=1)

    arrays = [x, np.stack([x - 3, x], axis=1)]
    whole = stats.bootstrap_interval(difference, arrays, rng=np.random.default_rng(0), replicates=100)
    assert (whole.estimate, whole.low, whole.high) == (3, 3, 3)
    monkeypatch.setattr("auditbench.statistics.bootstrap.BATCH_ELEMENTS", 30 * 3 * 8)
    sizes.clear()
    assert stats.bootstrap_interval(difference, arrays, rng=np.random.default_rng(0), replicates=100) == whole
    assert sizes == [1, *[8] * 12, 4]


def test_bootstrap_intervals_cover_near_their_level() -> None:
    rng, covered = np.random.default_rng(11), 0
    for _ in range(500):
        values = rng.exponential(1.0, 120)
        interval = stats.bootstrap_interval(row_mean, [values], rng=rng, replicates=300)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 1.0 <= interval.high
    assert 0.91 <= covered / 500 <= 0.97


def test_undefined_replicates_are_counted_and_left_out() -> None:
    rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    interval = stats.bootstrap_interval(
        share_of_first_half_that_is_positive, [rows], rng=np.random.default_rng(0), replicates=4000
    )
    assert interval.undefined_replicates / 4000 == pytest.approx(0.75**8, abs=0.02)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "statistic", "estimate", "reason"),
    [
        pytest.param([], row_mean, None, "no_rows", id="no-rows"),
        pytest.param([4.0], row_mean, 4.0, "too_few_rows", id="one-row"),
        pytest.param([4.0, 5.0], lambda s: np.full(len(s), np.nan), None, "undefined_statistic", id="nan"),
        pytest.param(
            [4.0, 5.0],
            lambda s: np.where(len(s) == 1, 1.0, np.nan) * np.ones(len(s)),
            1.0,
            "undefined_replicates",
            id="no-replicate-defined",
        ),
    ],
)
def test_bootstrap_without_bounds_says_why(
    rows: list[float], statistic: Callable[..., Any], estimate: float | None, reason: str
) -> None:
    interval = stats.bootstrap_interval(statistic, [rows], rng=np.random.default_rng(0), replicates=50)
    assert (interval.estimate, interval.low, interval.high, interval.reason) == (estimate, None, None, reason)


def test_percentile_intervals_leave_out_nan_column_by_column() -> None:
    rng = np.random.default_rng(2)
    drawn = rng.normal(size=(500, 2, 3))
    drawn[rng.random(drawn.shape) < 0.2] = np.nan
    drawn[30:, 1, 2] = np.nan
    estimate = np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 0.0]])
    intervals = stats.percentile_intervals(estimate, drawn, level=0.9)
    for cell in np.ndindex(2, 3):
        column = drawn[:, *cell]
        defined = column[~np.isnan(column)]
        assert intervals.undefined_replicates[cell] == 500 - len(defined)
        expected = [np.nan] * 2 if cell == (0, 1) else np.quantile(defined, [0.05, 0.95])
        assert (intervals.low[cell], intervals.high[cell]) == pytest.approx(tuple(expected), nan_ok=True)
    few = stats.percentile_intervals(estimate, np.where(np.arange(500)[:, None, None] < 39, drawn, np.nan))
    assert np.isnan(few.low).all()
    assert np.isnan(few.high).all()


@given(cells=st.lists(st.integers(0, 30), min_size=4, max_size=4), seed=st.integers(0, 99))
def test_multinomial_replicates_keep_totals_and_empty_cells(cells: list[int], seed: int) -> None:
    counts = np.array(cells).reshape(2, 2)
    drawn = stats.multinomial_replicates(counts, 50, np.random.default_rng(seed))
    assert drawn.shape == (50, 2, 2)
    assert (drawn >= 0).all()
    assert (drawn[:, counts == 0] == 0).all()
    assert (drawn.sum(axis=(1, 2)) == counts.sum()).all()


def test_multinomial_replicates_vary_like_resampled_rows() -> None:
    counts = np.array([[40, 60], [5, 95]])
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(4), counts.ravel())
    resampled = np.array([np.bincount(rng.choice(rows, len(rows)), minlength=4) for _ in range(20_000)])
    drawn = stats.multinomial_replicates(counts, 20_000, rng).reshape(20_000, 4)
    assert drawn.mean(axis=0) == pytest.approx(counts.ravel(), abs=0.2)
    assert np.cov(drawn.T) == pytest.approx(np.cov(resampled.T), abs=1.6)


def test_student_interval_matches_a_textbook_value() -> None:
    interval = stats.mean_interval([1, 2, 3, 4, 5])
    half = 2.7764451051977987 * math.sqrt(2.5 / 5)
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((3 - half, 3, 3 + half))


def test_column_means_equal_single_ones_and_few_rows_are_undefined() -> None:
    values = np.random.default_rng(0).gamma(2, size=(9, 3))
    columns = stats.mean_intervals(values, level=0.8)
    singles = [stats.mean_interval(column, level=0.8) for column in values.T]
    assert columns.low == pytest.approx([single.low for single in singles])
    assert columns.high == pytest.approx([single.high for single in singles])
    for intervals in (
        stats.mean_intervals(values[:1]),
        stats.bootstrap_mean_intervals(values[:1], rng=np.random.default_rng(0)),
    ):
        assert intervals.estimate == pytest.approx(values[0])
        assert np.isnan(intervals.low).all()
        assert np.isnan(intervals.high).all()
    empty = stats.bootstrap_mean_intervals(values[:0], rng=np.random.default_rng(0))
    assert np.isnan([empty.estimate, empty.low, empty.high]).all()
    assert stats.mean_interval([]).reason == "no_rows"
    assert stats.mean_interval([2.0]).reason == "too_few_rows"


def test_bootstrap_of_column_means_equals_the_row_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.statistics.bootstrap.BATCH_ELEMENTS", 80 * 64)
    values = np.random.default_rng(6).exponential(size=(80, 4))
    columns = stats.bootstrap_mean_intervals(values, rng=np.random.default_rng(9), replicates=500)
    for index, column in enumerate(values.T):
        single = stats.bootstrap_interval(row_mean, [column], rng=np.random.default_rng(9), replicates=500)
        assert columns.low[index] == pytest.approx(single.low)
        assert columns.high[index] == pytest.approx(single.high)


def share_of_first_half_that_is_positive(values: Any) -> Any:
    chosen = values[..., 0] == 1
    with np.errstate(invalid="ignore"):
        return (chosen * values[..., 1]).sum(axis=1) / chosen.sum(axis=1)


def test_the_mean_of_clusters_is_as_uncertain_as_the_means_of_each() -> None:
    """Rows that are copies of each other add nothing: the interval is about that of Student over one row a cluster."""
    rng = np.random.default_rng(3)
    each = rng.normal(size=40)
    found = stats.clustered_mean_interval(np.repeat(each, 9), stats.clusters_of(np.repeat(range(40), 9)), rng=rng)  # type: ignore[arg-type]
    expected = stats.mean_interval(each)
    assert found.estimate == pytest.approx(expected.estimate)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.05)
    assert found.method == "cluster-bootstrap-percentile"


@pytest.mark.parametrize(("sizes", "reason"), [([], "no_rows"), ([5, 5], "too_few_clusters")])
def test_the_mean_of_few_clusters_has_no_bounds(sizes: list[int], reason: str) -> None:
    clusters = stats.Clusters(of_row=np.repeat(np.arange(len(sizes)), sizes), count=len(sizes))
    values = np.arange(sum(sizes), dtype=np.float64)
    found = stats.clustered_mean_interval(values, clusters, rng=np.random.default_rng(0))
    assert (found.low, found.high, found.reason) == (None, None, reason)
    assert found.estimate == (values.mean() if sizes else None)


def test_the_mean_of_clusters_refuses_what_is_not_finite() -> None:
    clusters = stats.Clusters(of_row=np.arange(30), count=30)
    with pytest.raises(ValueError, match="finite"):
        stats.clustered_mean_interval(np.full(30, np.nan), clusters, rng=np.random.default_rng(0))
