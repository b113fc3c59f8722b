"""Largest differences and smallest ratios between groups: equal to Newcombe for two, to a plain loop, and covering."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from auditbench import statistics as stats

GROUP = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
GROUPS = st.lists(GROUP, min_size=2, max_size=6)
SIMULATIONS = 2000
SIMULATION_ERROR = 3.0 * math.sqrt(0.05 * 0.95 / SIMULATIONS)
TWO = (300, 300)
RACE = (14_000, 1500, 500, 160, 130)
TEN = (2000, 1000, 500, 300, 200, 40, 40, 40, 40, 40)


def sides(groups: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [hits for hits, _ in groups], [trials for _, trials in groups]


def bounds(estimate: stats.IntervalEstimate) -> tuple[float, float, float]:
    assert estimate.estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.estimate, estimate.high


@given(a=GROUP, b=GROUP, level=st.floats(0.5, 0.999))
def test_two_groups_have_the_interval_of_newcombe_without_its_sign(
    a: tuple[int, int], b: tuple[int, int], level: float
) -> None:
    pair = stats.newcombe_difference(*a, *b, level=level)
    low, value, high = bounds(stats.largest_difference([sides([a, b])], level=level))
    assert value == pytest.approx(abs(pair.estimate or 0.0))
    assert low == pytest.approx(max(0.0, pair.low or 0.0, -(pair.high or 0.0)), abs=1e-12)
    assert high == pytest.approx(max(pair.high or 0.0, -(pair.low or 0.0)), abs=1e-12)


@settings(max_examples=50)
@given(rates=st.lists(GROUPS, min_size=1, max_size=2))
def test_bounds_equal_a_loop_over_all_pairs(rates: list[list[tuple[int, int]]]) -> None:
    pairs = sum(math.comb(len(groups), 2) for groups in rates)
    each = 0.95 ** (1 / pairs)
    lows, highs, ratio_lows, ratio_highs = [0.0], [], [], [1.0]
    for groups in rates:
        for (x, n), (y, m) in itertools.permutations(groups, 2):
            newcombe = stats.newcombe_difference(x, n, y, m, level=each)
            lows.append(newcombe.low or 0.0)
            highs.append(newcombe.high or 0.0)
            low, high = plain_ratio(x, n, y, m, each)
            ratio_lows.append(low)
            ratio_highs.append(high)
    found = bounds(stats.largest_difference([sides(groups) for groups in rates]))
    assert (found[0], found[2]) == pytest.approx((max(lows), max(highs)), abs=1e-12)
    ratio = stats.smallest_ratio([sides(groups) for groups in rates])
    if any(not any(hits for hits, _ in groups) for groups in rates):
        assert (ratio.estimate, ratio.reason) == (None, "zero_denominator")
        return
    low, value, high = bounds(ratio)
    assert (low, high) == pytest.approx((min(ratio_lows), min(ratio_highs)))
    shares = [[hits / trials for hits, trials in groups] for groups in rates]
    assert value == pytest.approx(min(min(part) / max(part) for part in shares))
    assert low <= value + 1e-12
    assert value <= high + 1e-12


def plain_ratio(x: int, n: int, y: int, m: int, level: float) -> tuple[float, float]:
    (low_x, high_x), (low_y, high_y) = (stats.wilson_interval(*side, level) or (0, 0) for side in ((x, n), (y, m)))
    if x == 0 or y == 0:
        return low_x / high_y, high_x / low_y if low_y else math.inf
    a, b = math.log(x / n), math.log(y / m)
    low = a - b - math.sqrt((a - math.log(low_x)) ** 2 + (math.log(high_y) - b) ** 2)
    high = a - b + math.sqrt((math.log(high_x) - a) ** 2 + (b - math.log(low_y)) ** 2)
    return math.exp(low), math.exp(high)


@given(groups=GROUPS, level=st.floats(0.5, 0.98))
def test_a_higher_level_widens_and_more_rows_narrow(groups: list[tuple[int, int]], level: float) -> None:
    whole = [sides(groups)]
    more = [sides([(9 * hits, 9 * trials) for hits, trials in groups])]
    functions: tuple[Callable[..., stats.IntervalEstimate], ...] = (stats.largest_difference, stats.smallest_ratio)
    for function in functions[: 2 if any(whole[0][0]) else 1]:
        narrow, wide = bounds(function(whole, level=level)), bounds(function(whole, level=level + 0.015))
        assert wide[0] <= narrow[0] + 1e-12
        assert narrow[2] <= wide[2] + 1e-12
        precise = bounds(function(more, level=level))
        assert precise[0] >= narrow[0] - 1e-9
        assert precise[2] <= narrow[2] + 1e-9


@given(groups=GROUPS, extra=GROUP)
def test_the_order_of_groups_does_not_matter_and_another_group_raises_the_upper_bound(
    groups: list[tuple[int, int]], extra: tuple[int, int]
) -> None:
    found = bounds(stats.largest_difference([sides(groups)]))
    assert bounds(stats.largest_difference([sides(groups[::-1])])) == pytest.approx(found)
    assert bounds(stats.largest_difference([sides([*groups, extra])]))[2] >= found[2] - 1e-12


def test_batches_of_pairs_give_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    trials = rng.integers(5, 50, 37)
    rates = [(rng.binomial(trials, 0.3), trials)]
    whole = stats.largest_difference(rates), stats.smallest_ratio(rates)
    monkeypatch.setattr("auditbench.statistics.square_and_add._BATCH_PAIRS", 100)
    assert (stats.largest_difference(rates), stats.smallest_ratio(rates)) == whole


def covered(sizes: tuple[int, ...], rates: Any, seed: int) -> tuple[float, float, float]:
    """How often the intervals of difference, ratio, and difference to all rows hold the true value."""
    rng = np.random.default_rng(seed)
    true, n = np.broadcast_to(rates, len(sizes)), np.array(sizes)
    overall = float(true @ n / n.sum())
    wanted = (true.max() - true.min(), true.min() / true.max(), np.abs(true - overall).max())
    held = np.zeros(3)
    for hits in rng.binomial(n, true, (SIMULATIONS, len(n))):
        found = (
            stats.largest_difference([(hits, n)]),
            stats.smallest_ratio([(hits, n)]),
            stats.largest_difference_to_overall(hits, n, (int(hits.sum()), int(n.sum()))),
        )
        for index, (estimate, value) in enumerate(zip(found, wanted, strict=True)):
            low, _, high = bounds(estimate)
            held[index] += low - 1e-12 <= value <= high + 1e-12
    return tuple(held / SIMULATIONS)


@pytest.mark.parametrize("sizes", [TWO, RACE, TEN], ids=["two-of-300", "five-as-by-race", "ten-of-which-five-of-40"])
@pytest.mark.parametrize("spread", [0.0, 0.15], ids=["equal", "different"])
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.6])
def test_intervals_cover_as_stated(sizes: tuple[int, ...], spread: float, rate: float) -> None:
    shares = covered(sizes, rate + np.linspace(0.0, spread, len(sizes)), seed=int(100 * rate) + len(sizes))
    assert min(shares) >= 0.95 - SIMULATION_ERROR


def test_coverage_of_two_rates_at_once() -> None:
    rng, trials = np.random.default_rng(8), np.array(RACE)
    held = 0
    for hits in rng.binomial(trials, 0.3, (SIMULATIONS, 2, len(RACE))):
        low, _, _ = bounds(stats.largest_difference([(hits[0], trials), (hits[1], trials)]))
        held += low == 0.0
    assert held / SIMULATIONS >= 0.95 - SIMULATION_ERROR


@pytest.mark.parametrize("sizes", [TWO, RACE, TEN], ids=["two-of-300", "five-as-by-race", "ten-of-which-five-of-40"])
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.6])
def test_limits_on_equal_groups_are_broken_no_more_often_than_stated(sizes: tuple[int, ...], rate: float) -> None:
    rng, trials = np.random.default_rng(5), np.array(sizes)
    broken = np.zeros(2)
    for hits in rng.binomial(trials, rate, (SIMULATIONS, len(sizes))):
        broken[0] += bounds(stats.smallest_ratio([(hits, trials)]))[2] < 0.8
        broken[1] += bounds(stats.largest_difference([(hits, trials)]))[0] > 0.1
    assert (broken / SIMULATIONS <= 0.05).all()


@settings(max_examples=50)
@given(groups=GROUPS, others=GROUP)
def test_difference_to_all_rows_equals_comparing_each_group_with_the_rest(
    groups: list[tuple[int, int]], others: tuple[int, int]
) -> None:
    hits, trials = sides(groups)
    all_hits, rows = sum(hits) + others[0], sum(trials) + others[1]
    lows, highs, values = [0.0], [], []
    each = 0.95 ** (1 / max(len(groups), math.comb(len(groups), 2)))
    for own, size in groups:
        share = (rows - size) / rows
        pair = stats.newcombe_difference(own, size, all_hits - own, rows - size, level=each)
        lows += [share * (pair.low or 0.0), -share * (pair.high or 0.0)]
        highs += [share * (pair.high or 0.0), -share * (pair.low or 0.0)]
        values.append(abs(own / size - all_hits / rows))
    found = bounds(stats.largest_difference_to_overall(hits, trials, (all_hits, rows)))
    assert found == pytest.approx((max(lows), max(values), max(highs)), abs=1e-9)


def test_two_groups_that_are_all_rows_are_compared_once() -> None:
    low, value, high = bounds(stats.largest_difference_to_overall([30, 60], [100, 300], (90, 400)))
    pair = stats.newcombe_difference(30, 100, 60, 300)
    assert value == pytest.approx(30 / 100 - 90 / 400)
    assert low == pytest.approx(max(0.0, 0.75 * (pair.low or 0.0)))
    assert high == pytest.approx(0.75 * (pair.high or 0.0))


def test_means_equal_a_loop_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(centre, scale, n) for centre, scale, n in ((0, 1, 9), (1, 3, 40), (0.5, 0.2, 5), (2, 1, 30))]
    each = 0.95 ** (1 / 6)
    half = [
        float(special.stdtrit(len(x) - 1, (1 + each) / 2)) * float(x.std(ddof=1)) / math.sqrt(len(x)) for x in samples
    ]
    pairs = list(itertools.permutations(range(4), 2))
    gaps = [samples[i].mean() - samples[j].mean() for i, j in pairs]
    widths = [math.hypot(half[i], half[j]) for i, j in pairs]
    expected = (
        max(0.0, *(gap - width for gap, width in zip(gaps, widths, strict=True))),
        max(gaps),
        max(gap + width for gap, width in zip(gaps, widths, strict=True)),
    )
    assert bounds(stats.largest_mean_difference(*moments(samples))) == pytest.approx(expected)


def test_means_against_all_rows_equal_a_loop_over_the_groups() -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(centre, scale, n) for centre, scale, n in ((0, 1, 9), (1, 3, 40), (0.5, 0.2, 12))]
    outside = rng.normal(5, 1, 7)
    everyone = np.concatenate([*samples, outside])
    each = 0.95 ** (1 / 3)
    lows, highs = [0.0], []
    for index, own in enumerate(samples):
        rest = np.concatenate([part for other, part in enumerate([*samples, outside]) if other != index])
        share = len(rest) / len(everyone)
        gap = own.mean() - rest.mean()
        half = math.hypot(*(half_width(part, each) for part in (own, rest)))
        lows += [share * (gap - half), -share * (gap + half)]
        highs += [share * (gap + half), -share * (gap - half)]
    overall = (len(everyone), float(everyone.mean()), float(everyone.var(ddof=1)))
    found = bounds(stats.largest_mean_difference_to_overall(*moments(samples), overall))
    value = max(abs(own.mean() - everyone.mean()) for own in samples)
    assert found == pytest.approx((max(lows), value, max(highs)))


@pytest.mark.parametrize("centres", [(0, 0, 0, 0, 0), (0, 0.2, 0.4, 0.1, 0)], ids=["equal", "different"])
def test_intervals_of_means_cover_as_stated(centres: tuple[float, ...]) -> None:
    rng, held = np.random.default_rng(4), 0
    for _ in range(SIMULATIONS):
        samples = [
            rng.normal(centre, scale, n)
            for centre, scale, n in zip(centres, (1, 3, 1, 2, 1), (400, 60, 30, 8, 5), strict=True)
        ]
        low, _, high = bounds(stats.largest_mean_difference(*moments(samples)))
        held += low - 1e-12 <= max(centres) <= high
    assert held / SIMULATIONS >= 0.95 - SIMULATION_ERROR


def half_width(sample: Any, level: float) -> float:
    interval = stats.mean_interval(sample, level=level)
    return ((interval.high or 0.0) - (interval.low or 0.0)) / 2


def moments(samples: list[Any]) -> tuple[list[int], list[float], list[float]]:
    return [len(x) for x in samples], [x.mean() for x in samples], [x.var(ddof=1) for x in samples]


@pytest.mark.parametrize(
    ("estimate", "value", "reason"),
    [
        pytest.param(stats.largest_difference([([3], [9])]), None, "one_group", id="one-group"),
        pytest.param(stats.largest_difference([([], [])]), None, "one_group", id="no-group"),
        pytest.param(stats.largest_difference([([1, 2], [5, 5]), ([3], [9])]), None, "one_group", id="one-of-a-rate"),
        pytest.param(stats.smallest_ratio([([0, 0], [9, 8])]), None, "zero_denominator", id="zero-everywhere"),
        pytest.param(stats.smallest_ratio([([3], [9])]), None, "one_group", id="ratio-of-one"),
        pytest.param(stats.largest_difference_to_overall([3], [9], (5, 12)), None, "one_group", id="one-to-all"),
        pytest.param(stats.largest_mean_difference([4], [1.0], [2.0]), None, "one_group", id="one-mean"),
        pytest.param(stats.largest_mean_difference([4, 1], [1.0, 3.0], [2.0, 0]), 2.0, "too_few_rows", id="one-row"),
        pytest.param(
            stats.largest_mean_difference_to_overall([4, 1], [1.0, 3.0], [2.0, 0], (5, 1.4, 2.0)),
            1.6,
            "too_few_rows",
            id="one-row-to-all",
        ),
    ],
)
def test_what_is_undefined_says_why(estimate: stats.IntervalEstimate, value: float | None, reason: str) -> None:
    assert estimate.estimate == (None if value is None else pytest.approx(value))
    assert (estimate.low, estimate.high, estimate.reason) == (None, None, reason)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.sidak_level(0.95, 0), "`comparisons` of at least 1, got 0"),
        (lambda: stats.sidak_level(1.0, 2), "`level` strictly between 0 and 1"),
        (lambda: stats.largest_difference([]), "at least one rate"),
        (lambda: stats.largest_difference([([1, 0], [5, 0])]), "at least one trial"),
        (lambda: stats.smallest_ratio([([6, 0], [5, 4])]), "got 6.0 of 5.0"),
        (lambda: stats.smallest_ratio([([6, 0], [5])]), "one shape"),
        (lambda: stats.largest_difference_to_overall([1, 2], [3, 4], (2, 9)), "at least the sum of the groups"),
        (lambda: stats.largest_mean_difference([1, 0], [1, 1], [0, 0]), "`sizes` of at least 1, got 0"),
        (lambda: stats.largest_mean_difference([1, 2], [1], [0, 0]), "one shape"),
        (lambda: stats.largest_mean_difference([1, 2], [1, math.nan], [0, 0]), "finite `means`"),
        (lambda: stats.largest_mean_difference_to_overall([2, 3], [1, 1], [0, 0], (4, 1.0, 0.0)), "sum of the groups"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
