"""Shares and means of groups whose rows share clusters or count unequally: equal to plain loops, and covering."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from auditbench import statistics as stats

Numbers = np.ndarray[Any, np.dtype[np.float64]]
FULL = pytest.mark.nightly
QUICK, NIGHTLY = 120, 500


def drawn(seed: int, rows: int = 60, groups: int = 3, clusters: int = 9) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "of_row": np.concatenate([np.arange(groups), rng.integers(0, groups, rows - groups)]),
        "ids": rng.integers(0, clusters, rows),
        "weights": rng.lognormal(0.0, 1.0, rows),
        "hit": rng.random(rows) < 0.4,
        "values": rng.normal(3.0, 2.0, rows),
    }


def plain_share(hit: Any, weight: Any) -> float:
    return float(np.sum(hit * weight) / np.sum(weight))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_shares_and_means_are_weighted_means(seed: int, clustered: bool, weighted: bool) -> None:
    data = drawn(seed)
    weight = data["weights"] if weighted else np.ones(60)
    rows = stats.GroupedRows(
        of_row=data["of_row"],
        groups=3,
        clusters=stats.clusters_of(data["ids"]) if clustered else None,
        weights=weight if weighted else None,
    )
    among = data["values"] > 1.0
    shares, contrast = rows.shares(data["hit"], among), rows.share_contrast(data["hit"], among)
    means, of_means = rows.means(data["values"]), rows.mean_contrast(data["values"])
    for group in range(3):
        own, rest = among & (data["of_row"] == group), among & (data["of_row"] != group)
        assert shares.share[group] == pytest.approx(plain_share(data["hit"][own], weight[own]))
        assert contrast.own.share[group] == pytest.approx(shares.share[group])
        assert contrast.rest.share[group] == pytest.approx(plain_share(data["hit"][rest], weight[rest]))
        assert contrast.part[group] == pytest.approx(weight[rest].sum() / weight[among].sum())
        own, rest = data["of_row"] == group, data["of_row"] != group
        assert means.mean[group] == pytest.approx(np.average(data["values"][own], weights=weight[own]))
        assert of_means.rest.mean[group] == pytest.approx(np.average(data["values"][rest], weights=weight[rest]))


def test_rows_that_count_once_have_the_bounds_of_counts() -> None:
    data, among = drawn(0), np.ones(60, dtype=bool)
    once = stats.GroupedRows(of_row=data["of_row"], groups=3, weights=np.full(60, 2.5))
    hits, sizes = np.bincount(data["of_row"], data["hit"]), np.bincount(data["of_row"])
    shares = once.shares(data["hit"], among)
    assert shares.trials == pytest.approx(sizes)
    for function in (stats.largest_difference, stats.smallest_ratio):
        ours, counts = function([shares]), function([(hits, sizes)])
        assert (ours.low, ours.high) == pytest.approx((counts.low, counts.high))
    overall = stats.largest_difference_to_overall(hits, sizes, (int(hits.sum()), 60))
    contrast = stats.largest_contrast(once.share_contrast(data["hit"], among))
    assert (contrast.low, contrast.high) == pytest.approx((overall.low, overall.high))
    student = [stats.mean_interval(data["values"][data["of_row"] == group]) for group in range(3)]
    limited = once.means(data["values"]).limited(0.95)
    assert limited.low == pytest.approx([each.low for each in student])
    assert limited.high == pytest.approx([each.high for each in student])


def test_trials_of_weights_are_kishs_unless_the_rarer_outcome_weighs_more() -> None:
    weights = np.array([1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 4.0, 4.0])
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    among = np.ones(8, dtype=bool)
    even = stats.GroupedRows(of_row=group, groups=2, weights=weights).shares(np.array([1, 0, 1, 0] * 2) == 1, among)
    assert even.trials == pytest.approx([36 / 10, 100 / 34])
    heavy = np.array([0, 0, 0, 0, 0, 0, 1, 0]) == 1
    found = stats.GroupedRows(of_row=group, groups=2, weights=weights).shares(heavy, among)
    share = 4 / 10
    variance = float(np.sum((weights[4:] * (heavy[4:] - share)) ** 2)) / 100
    assert found.trials[1] == pytest.approx(min(100 / 34, share * (1 - share) / variance))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_and_correlations_are_those_of_leaving_out_each_cluster(seed: int, weighted: bool) -> None:
    data = drawn(seed)
    weight = data["weights"] if weighted else np.ones(60)
    ids, values, group = data["ids"], data["values"], data["of_row"]
    rows = stats.GroupedRows(of_row=group, groups=3, clusters=stats.clusters_of(ids), weights=weight)

    def means(kept: Any) -> Numbers:
        return np.array(
            [np.average(values[kept & (group == g)], weights=weight[kept & (group == g)]) for g in range(3)]
        )

    moved = np.array([means(ids != one) - means(np.ones(60, dtype=bool)) for one in np.unique(ids)])
    count = rows.clusters_of_groups()
    assert count is not None
    assert count.tolist() == [len(np.unique(ids[group == g])) for g in range(3)]
    found = rows.means(values)
    assert found.correlation is not None
    assert found.error == pytest.approx(
        np.where(count < stats.FEWEST_CLUSTERS, np.nan, np.sqrt((count - 1) / count * (moved**2).sum(axis=0))),
        nan_ok=True,
    )
    length = np.sqrt((moved**2).sum(axis=0))
    assert found.correlation == pytest.approx(moved.T @ moved / np.outer(length, length))


def test_one_group_in_clusters_has_the_interval_of_its_share() -> None:
    data = drawn(7)
    clusters = stats.clusters_of(data["ids"])
    rows = stats.GroupedRows(of_row=np.zeros(60, dtype=np.int64), groups=1, clusters=clusters)
    limited = rows.shares(data["hit"], np.ones(60, dtype=bool)).limited(0.9)
    alone = stats.share_interval(data["hit"], clusters, level=0.9)
    assert (limited.low[0], limited.high[0]) == pytest.approx((alone.low, alone.high))


def test_groups_that_move_together_differ_more_surely() -> None:
    ids = np.repeat(np.arange(30), 20)
    rng = np.random.default_rng(0)
    group = np.tile([0, 1], 300)
    hit = rng.random(600) < np.repeat(rng.random(30), 20)
    among = np.ones(600, dtype=bool)
    found = stats.GroupedRows(of_row=group, groups=2, clusters=stats.clusters_of(ids)).shares(hit, among)
    assert found.correlation is not None
    assert found.correlation[0, 1] > 0.7
    apart = stats.Shares(share=found.share, trials=found.trials, of_clusters=found.of_clusters)
    together, alone = (stats.largest_difference([each]) for each in (found, apart))
    assert together.high is not None
    assert alone.high is not None
    assert together.high < 0.7 * alone.high


def test_few_clusters_and_rows_of_no_weight_have_no_bounds() -> None:
    group, hit = np.repeat([0, 1], 30), np.tile([True, False], 30)
    few = np.concatenate([np.arange(30), np.arange(30) % (stats.FEWEST_CLUSTERS - 1)])
    among = np.ones(60, dtype=bool)
    shares = stats.GroupedRows(of_row=group, groups=2, clusters=stats.clusters_of(few)).shares(hit, among)
    assert np.isnan(shares.trials).tolist() == [False, True]
    for function in (stats.largest_difference, stats.smallest_ratio):
        found = function([shares])
        assert (found.estimate is not None, found.low, found.reason) == (True, None, "too_few_clusters")
    ratios = stats.share_ratios_to_highest(shares)
    assert np.isnan(ratios.low).all()
    assert ratios.estimate.tolist() == [1.0, 1.0]
    weightless = stats.GroupedRows(of_row=group, groups=2, weights=np.repeat([1.0, 0.0], 30)).shares(hit, among)
    assert np.isnan(weightless.share).tolist() == [False, True]
    with pytest.raises(ValueError, match="shares that are known"):
        stats.largest_difference([weightless])


@given(
    counts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=4).filter(
        lambda groups: all(sum(group) for group in groups)
    )
)
@settings(max_examples=40, deadline=None)
def test_p_values_agree_with_intervals(counts: list[tuple[int, int]]) -> None:
    group = np.concatenate([np.full(hits + misses, place) for place, (hits, misses) in enumerate(counts)])
    hit = np.concatenate([np.repeat([True, False], pair) for pair in counts])
    weights = np.ones(len(group))
    contrast = stats.GroupedRows(of_row=group, groups=len(counts), weights=weights).share_contrast(
        hit, np.ones(len(hit), dtype=bool)
    )
    tests = stats.contrast_p_values(contrast)
    for level in (0.5, 0.9, 0.99):
        found = stats.contrast_intervals(contrast, level=level)
        excluded = (found.low > 0) | (found.high < 0)
        sure = np.abs(tests - (1 - level)) > 1e-6
        assert ((tests <= 1 - level) == excluded)[sure].all()


def even(size: int) -> Callable[[np.random.Generator, int], Any]:
    return lambda rng, clusters: np.full(clusters, size)


def uneven(rng: np.random.Generator, clusters: int) -> Any:
    return rng.geometric(0.08, clusters) + 1


COVERED = {
    "equal-rates": ((0.5, 0.5), 40, uneven, 0.15, True, False),
    "low-rates": ((0.1, 0.3), 40, uneven, 0.15, True, False),
    "high-rates": ((0.9, 0.8), 40, uneven, 0.15, True, False),
    "whole-clusters": ((0.1, 0.3), 150, uneven, 0.15, False, False),
    "strong-correlation": ((0.5, 0.5), 40, even(10), 0.5, True, False),
    "weighted": ((0.1, 0.3), 200, even(1), 0.0, True, True),
    "weighted-clusters": ((0.9, 0.9), 40, uneven, 0.15, True, True),
}
"""Rates, clusters, their sizes, correlation within them, whether groups share clusters, whether rows are weighted."""


def cover(kind: str, repeats: int) -> float:
    """How often the bounds of the largest difference hold the true one; whole clusters of groups, or such across them."""
    rates, count, sizes_of, correlation, shared, weighted = COVERED[kind]
    rng, held = np.random.default_rng(11), 0
    truth = max(rates) - min(rates)
    for _ in range(repeats):
        sizes = sizes_of(rng, count)
        ids = np.repeat(np.arange(count), sizes)
        group = rng.integers(0, len(rates), len(ids)) if shared else np.repeat(rng.integers(0, 2, count), sizes)
        latent = math.sqrt(correlation) * rng.normal(size=count)[ids]
        hit = latent + math.sqrt(1 - correlation) * rng.normal(size=len(ids)) < special.ndtri(np.array(rates))[group]
        rows = stats.GroupedRows(
            of_row=group,
            groups=len(rates),
            clusters=stats.clusters_of(ids),
            weights=rng.lognormal(0.0, 1.0, len(ids)) if weighted else None,
        )
        found = stats.largest_difference([rows.shares(hit, np.ones(len(hit), dtype=bool))])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    return held / repeats


@pytest.mark.parametrize("kind", COVERED)
def test_bounds_of_dependent_and_weighted_rows_hold_the_truth(kind: str) -> None:
    assert 0.90 <= cover(kind, QUICK) <= 1.0


@FULL
@pytest.mark.parametrize("kind", COVERED)
def test_bounds_cover_as_often_as_they_say(kind: str) -> None:
    # Up to 98 %: rates near 0 and 1 in few clusters are known from few of them, which the bounds allow for.
    assert 0.93 <= cover(kind, NIGHTLY) <= 0.98


def test_p_values_of_no_difference_are_as_rare_as_they_say() -> None:
    rng, found = np.random.default_rng(5), []
    for _ in range(120):
        ids = np.repeat(np.arange(30), uneven(rng, 30))
        group, latent = rng.integers(0, 2, len(ids)), 0.4 * rng.normal(size=30)[ids]
        hit = latent + rng.normal(size=len(ids)) < -0.5
        rows = stats.GroupedRows(of_row=group, groups=2, clusters=stats.clusters_of(ids))
        found.append(stats.contrast_p_values(rows.share_contrast(hit, np.ones(len(hit), dtype=bool)))[0])
    for level in (0.05, 0.2):
        assert np.mean(np.array(found) < level) <= level + 3 * math.sqrt(level * (1 - level) / 120)


def cover_means(count: int, weighted: bool, repeats: int) -> float:
    """How often the bounds of the largest difference of two means hold the true one, with normal effects of clusters."""
    rng, held = np.random.default_rng(12), 0
    for _ in range(repeats):
        ids = np.repeat(np.arange(count), uneven(rng, count))
        group = rng.integers(0, 2, len(ids))
        values = rng.normal(size=count)[ids] + (1.0 + group) * rng.normal(size=len(ids)) + 0.5 * group
        rows = stats.GroupedRows(
            of_row=group,
            groups=2,
            clusters=stats.clusters_of(ids),
            weights=rng.lognormal(0.0, 0.7, len(ids)) if weighted else None,
        )
        found = stats.largest_mean_difference_of(rows.means(values))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.5 <= found.high
    return held / repeats


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("count", [12, 40])
def test_bounds_of_means_hold_the_truth(count: int, weighted: bool) -> None:
    assert cover_means(count, weighted, QUICK) >= 0.90


@FULL
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("count", [12, 40])
def test_bounds_of_means_cover_as_often_as_they_say(count: int, weighted: bool) -> None:
    # Up to 98 %: each of both means has the degrees of freedom of its own few clusters.
    assert 0.93 <= cover_means(count, weighted, NIGHTLY) <= 0.98


@pytest.mark.parametrize("r", [-0.5, 0.0, 0.4, 0.9])
def test_bounds_of_two_correlated_shares_follow_zou_and_donner(r: float) -> None:
    share, trials = np.array([0.6, 0.3]), np.array([50.0, 80.0])
    shares = stats.Shares(share=share, trials=trials, correlation=np.array([[1.0, r], [r, 1.0]]))
    limits = stats.wilson_intervals(np.array([30, 24]), np.array([50, 80]))
    below, above = share - limits[:, 0], limits[:, 1] - share
    found = stats.largest_difference([shares])
    low = 0.3 - math.sqrt(below[0] ** 2 + above[1] ** 2 - 2 * r * below[0] * above[1])
    high = 0.3 + math.sqrt(above[0] ** 2 + below[1] ** 2 - 2 * r * above[0] * below[1])
    assert (found.low, found.high) == pytest.approx((max(0.0, low), high))
    logs, ends = np.log(share), np.log(limits)
    down, up = logs - ends[:, 0], ends[:, 1] - logs
    ratio = stats.smallest_ratio([shares])
    gap = logs[1] - logs[0]
    lower = math.exp(gap - math.sqrt(down[1] ** 2 + up[0] ** 2 - 2 * r * down[1] * up[0]))
    upper = math.exp(gap + math.sqrt(up[1] ** 2 + down[0] ** 2 - 2 * r * up[1] * down[0]))
    assert (ratio.low, ratio.high) == pytest.approx((lower, min(1.0, upper)))


def test_a_difference_of_means_is_found_as_often_as_stated() -> None:
    found = stats.minimum_detectable_mean_difference(0.3, 0.4, power=0.8)
    assert found is not None
    rng = np.random.default_rng(0)
    gaps = rng.normal(found, math.hypot(0.3, 0.4), 20_000)
    assert np.mean(np.abs(gaps) > 1.96 * 0.5) == pytest.approx(0.8, abs=0.01)
    assert stats.minimum_detectable_mean_difference(0.0, 0.0) is None


def test_limits_on_the_log_odds_scale_stay_inside() -> None:
    means = stats.GroupMeans(
        mean=np.array([0.97, 1.0]), error=np.array([0.03, 0.0]), freedom=np.array([40.0, 40.0]), log_odds=True
    )
    limited = means.limited(0.95)
    assert 0 < limited.low[0] < 0.97 < limited.high[0] < 1
    assert np.isnan([limited.low[1], limited.high[1]]).all()
