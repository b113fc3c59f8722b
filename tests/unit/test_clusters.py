"""Rows that depend on each other: against plain re-implementations, closed forms, and coverage on drawn data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from auditbench import statistics as stats
from auditbench.statistics._arguments import tail_replicates
from auditbench.statistics.clusters import effective_trials, expanded_level

Numbers = npt.NDArray[np.float64]
IDS = st.lists(st.integers(0, 9), min_size=2, max_size=40).filter(lambda ids: len(set(ids)) > 1)


def clusters(ids: npt.ArrayLike) -> stats.Clusters:
    found = stats.clusters_of(ids)
    assert found is not None
    return found


def texts(rng: np.random.Generator, count: int, *, alike: float, uneven: float = 0.4) -> tuple[Numbers, Any]:
    """Values of mean 0 and variance 1 in texts of many lengths; `alike` of the variance is of the text."""
    sizes = np.maximum(2, (30 * np.exp(uneven * rng.normal(size=count))).astype(int))
    ids = np.repeat(np.arange(count), sizes)
    values = math.sqrt(alike) * rng.normal(size=count)[ids] + math.sqrt(1 - alike) * rng.normal(size=len(ids))
    return values, ids


def bootstrap_mean(values: Numbers, drawn: stats.Clusters | None, rng: np.random.Generator) -> tuple[float, float]:
    weights = np.concatenate(list(stats.resampling_weights(rng, len(values), 400, drawn)))
    found = stats.percentile_intervals(values.mean(), weights @ values / weights.sum(axis=1), clusters=drawn)
    return float(found.low), float(found.high)


@pytest.mark.parametrize("ids", [None, [], [3], [5, 1, 9]])
def test_rows_without_a_shared_cluster_are_independent(ids: Any) -> None:
    assert stats.clusters_of(ids) is None


def test_clusters_are_counted_and_chosen_among() -> None:
    found = clusters([70, 20, 70, 40])
    assert (found.of_row.tolist(), found.count, found.are_enough) == ([2, 0, 2, 1], 3, False)
    assert found.sums([1, 2, 3, 4]).tolist() == [2, 4, 4]
    among = found.among(np.array([True, False, True, True]))
    assert (among.of_row.tolist(), among.count) == ([1, 1, 0], 2)
    with pytest.raises(ValueError, match=r"shape \(rows,\)"):
        stats.clusters_of([[1, 2]])


@given(ids=IDS, seed=st.integers(0, 9))
def test_whole_clusters_are_drawn_as_many_as_there_are(ids: list[int], seed: int) -> None:
    found = stats.clusters_of(ids) or stats.Clusters(of_row=np.unique(ids, return_inverse=True)[1], count=len(ids))
    weights = np.concatenate(list(stats.resampling_weights(np.random.default_rng(seed), len(ids), 7, found)))
    picks = np.random.default_rng(seed).integers(0, found.count, (7, found.count))
    assert weights.shape == (7, len(ids))
    for drawn, times in zip(picks, weights, strict=True):
        assert times.tolist() == [np.count_nonzero(drawn == place) for place in found.of_row]


def test_one_row_a_cluster_draws_what_rows_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    single = stats.Clusters(of_row=np.arange(50), count=50)
    plain, same = (list(stats.resampling_weights(np.random.default_rng(3), 50, 20, drawn)) for drawn in (None, single))
    np.testing.assert_array_equal(np.concatenate(plain), np.concatenate(same))
    monkeypatch.setattr("auditbench.statistics.bootstrap.BATCH_ELEMENTS", 60 * 4)
    pairs = stats.Clusters(of_row=np.repeat(np.arange(10), 6), count=10)
    batches = list(stats.resampling_weights(np.random.default_rng(3), 60, 9, pairs))
    assert [len(batch) for batch in batches] == [4, 4, 1]


def test_intervals_equal_a_plain_loop_over_resampled_texts() -> None:
    values, ids = texts(np.random.default_rng(5), 12, alike=0.3)
    rng = np.random.default_rng(8)
    means = []
    for _ in range(400):
        drawn = np.concatenate([values[ids == text] for text in rng.integers(0, 12, 12)])
        means.append(drawn.mean())
    out = scipy_stats.norm.cdf(-math.sqrt(12 / 11) * scipy_stats.t.ppf(0.975, 11))
    found = bootstrap_mean(values, clusters(ids), np.random.default_rng(8))
    assert found == pytest.approx(tuple(np.quantile(means, [out, 1 - out])), rel=1e-9)


@given(ids=IDS, seed=st.integers(0, 9))
def test_jackknife_leaves_out_one_cluster_at_a_time(ids: list[int], seed: int) -> None:
    array, values = np.asarray(ids), np.random.default_rng(seed).normal(size=len(ids))
    names = np.unique(array)
    left = np.array([values[array != name].mean() for name in names]) - values.mean()
    expected = math.sqrt((len(names) - 1) / len(names) * float(np.sum(left**2)))
    found = stats.Clusters(of_row=np.searchsorted(names, array), count=len(names))
    assert stats.jackknife_error(values - values.mean(), found) == pytest.approx(expected, rel=1e-9)


def test_jackknife_of_a_ratio_is_that_of_leaving_out_to_first_order() -> None:
    rng = np.random.default_rng(0)
    for count, tolerance in ((8, 0.12), (40, 0.02)):
        ids = np.repeat(np.arange(count), rng.integers(5, 60, count))
        below = (rng.random(len(ids)) < np.linspace(0.1, 0.9, count)[ids]).astype(float)
        above = below * (rng.random(len(ids)) < 0.6)
        ratio = above.sum() / below.sum()
        left = [above[ids != name].sum() / below[ids != name].sum() - ratio for name in range(count)]
        naive = math.sqrt((count - 1) / count * float(np.sum(np.square(left))))
        influence = stats.ratio_of_means_influence(above, below)
        assert influence is not None
        found = stats.jackknife_error(influence, clusters(ids))
        assert found == pytest.approx(naive, rel=tolerance)
        assert found != pytest.approx(naive, rel=1e-6)


def test_a_share_near_an_end_is_known_from_the_clusters_that_hold_the_rarer_outcome() -> None:
    found, rows = clusters(np.repeat(np.arange(10), 100)), np.arange(1000)
    lows = []
    for misses in ([], [0], [0, 100], [0, 100, 200, 300, 400, 500]):
        share = stats.share_interval(~np.isin(rows, misses), found)
        mirrored = stats.share_interval(np.isin(rows, misses), found)
        assert share.low is not None
        assert mirrored.high == pytest.approx(1 - share.low)
        lows.append(share.low)
    assert lows[0] == pytest.approx(stats.wilson_interval(10, 10)[0])
    assert lows[1] == pytest.approx(lows[0], abs=0.01)
    assert lows[2] < lows[3] < 0.99
    freedom_one = 1000 * (1.959964 / scipy_stats.t.ppf(0.975, 1)) ** 2
    assert effective_trials(~np.isin(rows, [0, 100]), found) == pytest.approx(freedom_one, rel=1e-6)


def test_clusters_of_uneven_sizes_and_one_outcome_count_as_fewer() -> None:
    ids = np.repeat(np.arange(10), [91, *[1] * 9])
    assert effective_trials(np.ones(100, dtype=bool), clusters(ids)) == pytest.approx(100**2 / (91**2 + 9))


def test_rows_that_are_all_alike_within_a_cluster_count_as_one() -> None:
    hit = np.repeat(np.arange(20) % 4 == 0, 50)
    found = clusters(np.repeat(np.arange(20), 50))
    student = scipy_stats.t.ppf(0.975, 19)
    assert effective_trials(hit, found) == pytest.approx(19 * (1.959964 / student) ** 2, rel=1e-6)
    share = stats.share_interval(hit, found)
    assert share.low is not None
    assert share.high is not None
    assert share.high - share.low > 5 * np.subtract(*stats.wilson_interval(250, 1000)[::-1])
    everyone = stats.share_interval(np.ones(1000, dtype=bool), found)
    assert (everyone.low, everyone.high) == pytest.approx(stats.wilson_interval(20, 20))


def test_rows_are_never_worth_more_than_independent_ones() -> None:
    hit = np.tile([True, False], 100)
    trials = effective_trials(hit, clusters(np.repeat(np.arange(20), 10)))
    assert trials == pytest.approx(200 * (1.959964 / scipy_stats.t.ppf(0.975, 19)) ** 2, rel=1e-6)


def test_few_clusters_have_no_interval() -> None:
    values, ids = texts(np.random.default_rng(0), stats.FEWEST_CLUSTERS - 1, alike=0.2)
    few, labels = clusters(ids), (values > 0).astype(int)
    assert all(map(math.isnan, bootstrap_mean(values, few, np.random.default_rng(0))))
    assert stats.share_interval(values > 0, few).reason == "too_few_clusters"
    assert stats.quantile_interval(values, 0.5, clusters=few).reason == "too_few_clusters"
    assert stats.delong_interval(values + labels, labels, clusters=few).low is None


def test_few_clusters_need_more_replicates() -> None:
    needed = {count: stats.fewest_replicates(clusters(np.repeat(np.arange(count), 5))) for count in (7, 10, 100)}
    assert (stats.fewest_replicates(), needed[7], needed[10]) == (40, 244, 117)
    assert needed[7] == tail_replicates(expanded_level(0.95, 7))
    drawn, seven = np.random.default_rng(0).normal(size=244), clusters(np.repeat(np.arange(7), 5))
    assert math.isnan(float(stats.percentile_intervals(0.0, drawn[:243], clusters=seven).low))
    assert not math.isnan(float(stats.percentile_intervals(0.0, drawn, clusters=seven).low))


def test_methods_say_that_they_are_of_clusters() -> None:
    values, ids = texts(np.random.default_rng(0), 12, alike=0.2)
    of, labels = clusters(ids), (values > 0).astype(int)
    scores = values + np.random.default_rng(1).normal(size=len(values))
    for drawn, start in ((None, ""), (of, "cluster-")):
        assert stats.delong_interval(scores, labels, clusters=drawn).method == f"{start}delong-logit"
        assert stats.quantile_interval(values, 0.5, clusters=drawn).method == f"{start}order-statistics"
        assert stats.share_interval(values > 0, drawn).method == f"{start}wilson"


def test_expanded_level_is_that_of_student_for_normal_replicates() -> None:
    assert expanded_level(0.95, 7) == pytest.approx(0.99179, abs=1e-5)
    assert expanded_level(0.95, 10**6) == pytest.approx(0.95, abs=1e-6)
    assert 0.95 < expanded_level(0.95, 50) < expanded_level(0.95, 20) < expanded_level(0.95, 4) < 1.0


def test_area_and_quantiles_of_single_rows_are_nearly_those_of_independent_ones() -> None:
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=800), rng.integers(0, 2, 800)
    single = stats.Clusters(of_row=np.arange(800), count=800)
    for function in (
        lambda drawn: stats.delong_interval(scores + labels, labels, clusters=drawn),
        lambda drawn: stats.quantile_interval(scores, 0.9, clusters=drawn),
    ):
        plain, found = function(None), function(single)
        width = plain.high - plain.low
        assert found.estimate == plain.estimate
        assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.06 * width)


def test_area_and_quantiles_of_copied_rows_are_as_uncertain_as_the_rows_without_copies() -> None:
    rng = np.random.default_rng(4)
    scores, labels = rng.normal(size=60), rng.integers(0, 2, 60)
    scores += labels
    copies = clusters(np.repeat(np.arange(60), 5))
    once = stats.delong_interval(scores, labels)
    found = stats.delong_interval(np.repeat(scores, 5), np.repeat(labels, 5), clusters=copies)
    assert found.high - found.low == pytest.approx(once.high - once.low, rel=0.06)
    once = stats.quantile_interval(scores, 0.5)
    found = stats.quantile_interval(np.repeat(scores, 5), 0.5, clusters=copies)
    assert found.low <= once.low < once.high <= found.high
    assert found.high - found.low < 1.5 * (once.high - once.low)


def covered(trials: int, count: int, *, alike: float, seed: int) -> tuple[float, float, float]:
    """Share of data sets whose interval holds the truth: of the mean by texts, by tokens, and of a share by texts."""
    rng, hits = np.random.default_rng(seed), np.zeros(3)
    for _ in range(trials):
        values, ids = texts(rng, count, alike=alike)
        found = clusters(ids)
        for place, drawn in enumerate((found, None)):
            low, high = bootstrap_mean(values, drawn, rng)
            hits[place] += low <= 0 <= high
        positive = stats.share_interval(values > scipy_stats.norm.ppf(0.3), found)
        assert positive.low is not None
        assert positive.high is not None
        hits[2] += positive.low <= 0.7 <= positive.high
    by_text, by_token, share = (hits / trials).tolist()
    return by_text, by_token, share


def test_intervals_of_texts_cover_where_those_of_tokens_do_not() -> None:
    by_text, by_token, share = covered(300, 15, alike=0.15, seed=2)
    assert 0.91 <= by_text <= 0.98
    assert 0.91 <= share <= 0.98
    assert by_token < 0.75


@pytest.mark.nightly
@pytest.mark.parametrize("count", [stats.FEWEST_CLUSTERS, 20])
@pytest.mark.parametrize("alike", [0.0, 0.05, 0.3])
def test_intervals_of_texts_cover_as_stated(count: int, alike: float) -> None:
    by_text, _, share = covered(1000, count, alike=alike, seed=count + 1)
    assert 0.92 <= by_text <= 0.975
    assert 0.93 <= share <= 0.995


def share_covered(trials: int, count: int, share: float, *, alike: float, seed: int) -> float:
    """Share of data sets of clusters of 100 rows, correlated by `alike`, whose interval holds the true share."""
    rng, ids = np.random.default_rng(seed), np.repeat(np.arange(count), 100)
    found, concentration, held = clusters(ids), 1 / alike - 1, 0
    for _ in range(trials):
        of_cluster = rng.beta(share * concentration, (1 - share) * concentration, count)
        interval = stats.share_interval(rng.random(len(ids)) < of_cluster[ids], found)
        assert interval.low is not None
        assert interval.high is not None
        held += interval.low <= share <= interval.high
    return held / trials


@pytest.mark.parametrize("share", [0.97, 0.99])
def test_shares_near_one_are_covered(share: float) -> None:
    assert share_covered(400, 10, share, alike=1 / 6, seed=5) >= 0.93


@pytest.mark.nightly
@pytest.mark.parametrize("count", [stats.FEWEST_CLUSTERS, 10, 20, 40])
@pytest.mark.parametrize("alike", [0.05, 1 / 6])
@pytest.mark.parametrize("share", [0.9, 0.97, 0.99])
def test_shares_near_one_are_covered_as_stated(share: float, alike: float, count: int) -> None:
    assert 0.91 <= share_covered(2000, count, share, alike=alike, seed=count) <= 0.998
