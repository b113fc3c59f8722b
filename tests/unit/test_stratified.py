"""The common difference over strata: hand-computed tables, a second library, plain formulas and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from auditbench import statistics as stats

# Two departments. Women apply where few are taken: 30 of 100 and 8 of 10 of them, 2 of 10 and 60 of 90 men.
SIMPSON = {(0, 1): (30, 100), (1, 1): (8, 10), (0, 0): (2, 10), (1, 0): (60, 90)}


def rows_of(cells: dict[tuple[int, int], tuple[int, int]]) -> tuple[Any, Any, Any]:
    """Hits, whether of the group, and strata, from (hits, rows) by stratum and side."""
    hit, group, strata = [], [], []
    for (stratum, side), (hits, rows) in cells.items():
        hit += [True] * hits + [False] * (rows - hits)
        group += [side == 1] * rows
        strata += [stratum] * rows
    return np.array(hit), np.array(group), np.array(strata)


def test_simpsons_table_changes_its_sign() -> None:
    hit, group, strata = rows_of(SIMPSON)
    assert hit[group].mean() - hit[~group].mean() == pytest.approx(38 / 110 - 62 / 100)
    found = stats.stratified_difference(hit, group, strata)
    first, second = 100 * 10 / 110, 10 * 90 / 100
    by_hand = (first * (0.30 - 0.20) + second * (8 / 10 - 60 / 90)) / (first + second)
    assert found.estimate == pytest.approx(by_hand)
    assert by_hand > 0
    assert (found.strata, found.left_out, found.rows) == (2, 0, 210)


def test_strata_that_lack_a_side_are_left_out_and_counted() -> None:
    cells = {**SIMPSON, (2, 1): (5, 5), (3, 0): (0, 7)}
    hit, group, strata = rows_of(cells)
    found, alone = (stats.stratified_difference(*rows_of(table)) for table in (cells, SIMPSON))
    assert found.estimate == alone.estimate
    assert found.p_value == alone.p_value
    assert (found.strata, found.left_out, found.rows) == (2, 2, 210)
    nothing = stats.stratified_difference(hit[strata == 2], group[strata == 2], strata[strata == 2])
    assert (nothing.estimate, nothing.p_value, nothing.left_out) == (None, None, 1)
    assert nothing.interval().reason == "no_rows"


@pytest.mark.parametrize("seed", range(10))
def test_the_test_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata, group = rng.integers(0, 6, 300), rng.random(300) < 0.4
    hit = rng.random(300) < 0.2 + 0.1 * strata / 6 + 0.1 * group
    tables = [
        [[np.sum(hit & group & (strata == s)), np.sum(~hit & group & (strata == s))],
         [np.sum(hit & ~group & (strata == s)), np.sum(~hit & ~group & (strata == s))]]
        for s in range(6)
    ]  # fmt: skip
    theirs = StratifiedTable([np.asarray(table, dtype=float) for table in tables]).test_null_odds(correction=False)
    assert stats.stratified_difference(hit, group, strata).p_value == pytest.approx(theirs.pvalue)


def satos_variance(difference: float) -> float:
    """Sato's variance for a given difference, by his formula."""
    p = q = whole = 0.0
    for stratum in (0, 1):
        (a, n), (c, m) = SIMPSON[stratum, 1], SIMPSON[stratum, 0]
        total = n + m
        p += (n**2 * c - m**2 * a + n * m * (m - n) / 2) / total**2
        q += (a * (m - c) + c * (n - a)) / (2 * total)
        whole += n * m / total
    return (difference * p + q) / whole**2


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_limits_are_where_satos_variance_puts_the_difference_at_the_quantile(level: float) -> None:
    found = stats.stratified_difference(*rows_of(SIMPSON)).interval(level)
    z = stats.normal_quantile((1 + level) / 2)
    assert found.estimate is not None
    for limit in (found.low, found.high):
        assert limit is not None
        assert abs(found.estimate - limit) == pytest.approx(z * math.sqrt(satos_variance(limit)))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_group_without_hits_is_not_known_for_sure(weighted: bool) -> None:
    hit, group, strata = rows_of({(0, 1): (0, 30), (0, 0): (40, 200), (1, 1): (0, 36), (1, 0): (60, 200)})
    weights = np.random.default_rng(0).lognormal(0, 0.5, len(hit)) if weighted else None
    found = stats.stratified_difference(hit, group, strata, weights=weights).interval()
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low > 0.08
    nobody = stats.stratified_difference(np.zeros(len(hit), dtype=bool), group, strata, weights=weights)
    assert (nobody.estimate, nobody.interval().reason, nobody.p_value) == (0.0, "no_variation", 1.0)


def test_one_stratum_is_a_plain_difference() -> None:
    hit, group, strata = rows_of({(0, 1): (30, 100), (0, 0): (60, 90)})
    found = stats.stratified_difference(hit, group, strata)
    assert found.estimate == pytest.approx(0.3 - 60 / 90)


def test_equal_weights_and_single_clusters_change_little() -> None:
    hit, group, strata = rows_of({cell: (10 * hits, 10 * rows) for cell, (hits, rows) in SIMPSON.items()})
    plain = stats.stratified_difference(hit, group, strata)
    weighted = stats.stratified_difference(hit, group, strata, weights=np.full(2100, 3.0))
    assert weighted.estimate == pytest.approx(plain.estimate)
    assert weighted.base == pytest.approx(plain.base, rel=0.02)
    ends = [(each.interval().low, each.interval().high) for each in (plain, weighted)]
    (low, high), (lower, higher) = ends
    assert low - 0.005 < lower <= low + 1e-12
    assert high - 1e-12 <= higher < high + 0.005
    twice = [np.repeat(part, 2) for part in (hit, group, strata)]
    doubled = stats.stratified_difference(*twice, clusters=stats.clusters_of(np.repeat(np.arange(2100), 2)))
    assert doubled.estimate == pytest.approx(plain.estimate)
    assert doubled.error == pytest.approx(weighted.error, rel=0.01)
    assert doubled.p_value == pytest.approx(weighted.p_value, rel=0.05)
    few = stats.stratified_difference(hit, group, strata, clusters=stats.clusters_of(np.arange(2100) % 5))
    assert few.interval().reason == "too_few_clusters"


def cover(clustered: bool, repeats: int) -> float:
    rng, held = np.random.default_rng(2), 0
    for _ in range(repeats):
        ids = np.repeat(np.arange(40), rng.integers(2, 12, 40)) if clustered else np.arange(240)
        strata, group = rng.integers(0, 12, len(ids)), rng.random(len(ids)) < 0.3
        base = 0.2 + 0.4 * strata / 12 + (0.15 * (rng.random(40) - 0.5)[ids] if clustered else 0.0)
        hit = rng.random(len(ids)) < base + 0.15 * group
        found = stats.stratified_difference(hit, group, strata, clusters=stats.clusters_of(ids)).interval()
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.15 <= found.high
    return held / repeats


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_the_truth(clustered: bool) -> None:
    assert cover(clustered, 150) >= 0.90


@pytest.mark.nightly
@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_cover_as_often_as_they_say(clustered: bool) -> None:
    assert 0.93 <= cover(clustered, 500) <= 0.975
