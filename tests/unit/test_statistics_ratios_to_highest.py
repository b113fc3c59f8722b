"""Ratios to the highest proportion: the least of them are those of the smallest ratio, and bounds hold for all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench import statistics as stats

groups = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), min_size=2, max_size=8).map(
    lambda rows: ([min(hits, size) for hits, size in rows], [size for _, size in rows])
)


@given(groups.filter(lambda sides: any(sides[0])))
def test_the_least_is_the_smallest_ratio(sides: tuple[list[int], list[int]]) -> None:
    found, pair = stats.ratios_to_highest(*sides), stats.smallest_ratio([sides])
    rates = np.divide(*map(np.asarray, sides))
    assert found.estimate == pytest.approx(rates / rates.max())
    assert (found.low <= found.estimate + 1e-12).all()
    assert (found.estimate <= found.high + 1e-12).all()
    least = (found.estimate.min(), found.low.min(), found.high.min())
    assert least == pytest.approx((pair.estimate, pair.low, pair.high))


@given(groups.filter(lambda sides: any(sides[0])), st.randoms())
def test_the_order_of_groups_does_not_matter(sides: tuple[list[int], list[int]], random: Any) -> None:
    order = list(range(len(sides[0])))
    random.shuffle(order)
    found = stats.ratios_to_highest(*sides)
    other = stats.ratios_to_highest(*[[side[place] for place in order] for side in sides])
    assert other.low == pytest.approx(found.low[order])
    assert other.high == pytest.approx(found.high[order])


@pytest.mark.parametrize("sides", [([3], [9]), ([0, 0], [9, 8])], ids=["one-group", "no-success"])
def test_without_a_ratio_all_is_nan(sides: tuple[list[int], list[int]]) -> None:
    found = stats.ratios_to_highest(*sides)
    assert np.isnan([found.estimate, found.low, found.high]).all()


@pytest.mark.parametrize(
    ("data_sets", "fewest"),
    [pytest.param(200, 0.92, id="few"), pytest.param(2000, 0.94, id="2000", marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("rates", [(0.3, 0.3, 0.3), (0.2, 0.4), (0.5, 0.49, 0.4, 0.1)], ids=["equal", "two", "four"])
def test_bounds_hold_for_all_groups_at_once(rates: tuple[float, ...], data_sets: int, fewest: float) -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([300, 120, 80, 60][: len(rates)])
    truth = np.array(rates) / max(rates)
    held = 0
    for hits in rng.binomial(sizes, rates, size=(data_sets, len(rates))):
        found = stats.ratios_to_highest(hits, sizes)
        held += bool(((found.low <= truth + 1e-12) & (truth <= found.high + 1e-12)).all())
    assert held / data_sets >= fewest


@pytest.mark.parametrize(
    ("data_sets", "fewest"),
    [pytest.param(150, 0.91, id="few"), pytest.param(1000, 0.94, id="1000", marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_bounds_hold_for_shares_above_the_median_of_all_rows(shift: float, data_sets: int, fewest: float) -> None:
    """The median is drawn with the rows and taken as given: what that changes is small beside the groups' own noise."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    rng = np.random.default_rng(1)
    median = brentq(lambda m: 0.6 * norm.cdf(m) + 0.4 * norm.cdf(m, loc=shift) - 0.5, -5, 5)
    true = np.array([norm.sf(median), norm.sf(median, loc=shift)])
    held = 0
    for _ in range(data_sets):
        group = rng.random(300) < 0.4
        scores = rng.normal(size=300) + shift * group
        above = scores > np.median(scores)
        sizes = np.array([(~group).sum(), group.sum()])
        found = stats.ratios_to_highest([above[~group].sum(), above[group].sum()], sizes)
        held += bool(((found.low <= true / true.max() + 1e-12) & (true / true.max() <= found.high + 1e-12)).all())
    assert held / data_sets >= fewest
