"""The search for slices against loops, scipy and data sets whose truth is known."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from auditbench.statistics import benjamini_hochberg, clusters_of, first_half, holm, jackknife_error
from auditbench_slices import Params
from auditbench_slices.columns import Column, columns_of
from auditbench_slices.comparing import compare
from auditbench_slices.confirming import Found, confirm
from auditbench_slices.losses import Losses
from auditbench_slices.pruning import added_p_value, kept_slices
from auditbench_slices.search import Searched, search
from auditbench_slices.tails import hypergeometric_tail
from tests.slice_data import confirmed, groups, off_by, slices_of, wrong_with

TABLES = st.integers(1, 300).flatmap(
    lambda rows: st.tuples(st.just(rows), st.integers(0, rows), st.integers(0, rows), st.integers(0, rows))
)


@given(tables=st.lists(TABLES, min_size=1, max_size=20))
def test_tails_are_those_of_scipy(tables: list[tuple[int, int, int, int]]) -> None:
    rows, all_hits, drawn, hits = np.array(tables).T
    hits = np.clip(hits, np.maximum(0, drawn - (rows - all_hits)), np.minimum(drawn, all_hits))
    found = hypergeometric_tail(*(part.astype(float) for part in (hits, drawn, all_hits, rows)))
    assert found == pytest.approx(scipy_stats.hypergeom.sf(hits - 1, rows, all_hits, drawn), rel=1e-9, abs=1e-300)


def drawn(rng: np.random.Generator, *, rows: int = 900, kind: str = "wrong") -> tuple[list[Column], Losses]:
    """Four columns, of which two tell the losses."""
    codes = [rng.integers(0, levels, rows).astype(np.intp) for levels in (2, 3, 4, 5)]
    columns = [
        Column(name=f"c{place}", levels=tuple("vwxyz"[: values.max() + 1]), codes=values)
        for place, values in enumerate(codes)
    ]
    worse = (codes[0] == 1) & (codes[2] == 3)
    if kind == "wrong":
        values = (rng.random(rows) < 0.2 + 0.3 * worse).astype(float)
    else:
        values = rng.lognormal(0.0, 0.7, rows) * (1 + worse)
    return columns, Losses(name="wrong" if kind == "wrong" else "absolute_error", values=values)


def naive(columns: list[Column], losses: Losses, minimum: int) -> dict[tuple[tuple[int, int], ...], float]:
    """P-value of each slice, by a loop over all of them."""
    every = [(column, level) for column in range(len(columns)) for level in range(len(columns[column].levels))]
    slices = [(part,) for part in every] + [
        pair for pair in itertools.combinations(every, 2) if pair[0][0] < pair[1][0]
    ]
    found = {}
    for parts in slices:
        masks = [columns[column].codes == level for column, level in parts]
        inside = np.logical_and.reduce(masks)
        if min(inside.sum(), (~inside).sum()) < minimum:
            continue
        if len(parts) == 2 and any((mask == inside).all() for mask in masks):
            continue
        one, other = losses.values[inside], losses.values[~inside]
        if losses.is_share:
            table = [[one.sum(), (1 - one).sum()], [other.sum(), (1 - other).sum()]]
            tail = scipy_stats.fisher_exact(table, alternative="greater").pvalue
        else:
            tail = scipy_stats.ttest_ind(one, other, equal_var=False, alternative="greater").pvalue
        found[parts] = min(1.0, 2 * tail)
    return found


def p_values(searched: Searched) -> dict[tuple[tuple[int, int], ...], float]:
    return {searched.slice_at(place).parts: float(searched.p_value[place]) for place in range(len(searched))}


@pytest.mark.parametrize("kind", ["wrong", "absolute_error"])
@pytest.mark.parametrize("seed", range(3))
def test_the_search_is_a_loop_over_scipy(kind: str, seed: int) -> None:
    columns, losses = drawn(np.random.default_rng(seed), kind=kind)
    searched = search(columns, losses, minimum=40, most_paired=10)
    expected = naive(columns, losses, 40)
    assert len(expected) > 40
    assert p_values(searched) == pytest.approx(expected, rel=1e-9)
    assert searched.adjusted == pytest.approx(benjamini_hochberg(searched.p_value))
    assert searched.slice_at(searched.worse(0.05)[0]).parts == ((0, 1), (2, 3))


def test_only_columns_with_the_clearest_values_are_paired() -> None:
    columns, losses = drawn(np.random.default_rng(0))
    searched = search(columns, losses, minimum=30, most_paired=2)
    assert {tuple(pair) for pair in searched.columns.tolist() if pair[1] >= 0} == {(0, 2)}
    assert set(searched.columns[:, 0].tolist()) == {0, 1, 2, 3}


@settings(max_examples=25)
@given(seed=st.integers(0, 50), data=st.data())
def test_neither_the_order_of_rows_nor_the_numbers_of_values_matter(seed: int, data: Any) -> None:
    columns, losses = drawn(np.random.default_rng(seed), rows=300)
    order = np.array(data.draw(st.permutations(range(300))))
    renamed = [np.array(data.draw(st.permutations(range(len(column.levels))))) for column in columns]
    others = [
        Column(
            name=column.name, levels=tuple(column.levels[i] for i in np.argsort(new)), codes=new[column.codes[order]]
        )
        for column, new in zip(columns, renamed, strict=True)
    ]
    found = p_values(search(columns, losses, minimum=20, most_paired=10))
    again = p_values(search(others, Losses(name="wrong", values=losses.values[order]), minimum=20, most_paired=10))
    told = {
        tuple((column, int(renamed[column][level])) for column, level in parts): value for parts, value in found.items()
    }
    assert again == pytest.approx(told, rel=1e-9)


def test_clusters_of_one_row_each_have_the_error_of_rows() -> None:
    columns, losses = drawn(np.random.default_rng(1), kind="absolute_error")
    apart = Losses(name="absolute_error", values=losses.values, clusters=clusters_of(np.arange(900) // 2))
    plain = compare(columns[3].codes, 5, losses, minimum=10)
    found = compare(columns[3].codes, 5, apart, minimum=10)
    assert np.all(found.error >= plain.error - 1e-12)
    assert found.error == pytest.approx(plain.error, rel=0.2)


def test_the_error_of_clusters_is_the_jackknife_of_whole_clusters() -> None:
    rng = np.random.default_rng(2)
    clusters = clusters_of(rng.integers(0, 60, 900))
    assert clusters is not None
    values = rng.lognormal(size=900) + rng.lognormal(size=60)[clusters.of_row]
    codes = ((rng.random(900) < 0.2) | (clusters.of_row < 8)).astype(np.intp)
    found = compare(codes, 2, Losses(name="absolute_error", values=values, clusters=clusters), minimum=10)
    inside = codes == 1
    influence = np.where(inside, (values - values[inside].mean()) / inside.mean(), 0.0)
    influence -= np.where(~inside, (values - values[~inside].mean()) / (~inside).mean(), 0.0)
    assert found.error[1] == pytest.approx(
        jackknife_error(influence, clusters), rel=0.03
    )  # leaves clusters out in fact
    sums = clusters.sums(influence) / 900
    assert found.error[1] == pytest.approx(math.sqrt(60 / 59 * float(sums @ sums)))
    only_outside = {cluster for cluster in range(60) if not inside[clusters.of_row == cluster].any()}
    assert found.freedom[1] == min(60 - len(only_outside), 60 - 8) - 1


def test_what_a_slice_adds_is_a_loop_over_strata_and_a_permutation_within_them() -> None:
    rng = np.random.default_rng(3)
    strata, rows = rng.integers(0, 3, 400).astype(np.intp), rng.random(400) < 0.3
    values = (rng.random(400) < 0.2 + 0.1 * strata + 0.1 * rows).astype(float)
    excess, variance = 0.0, 0.0
    for stratum in range(3):
        here = strata == stratum
        n, drawn_rows, hits = here.sum(), (here & rows).sum(), values[here].sum()
        mean, spread = scipy_stats.hypergeom.stats(n, int(hits), drawn_rows, moments="mv")
        excess += values[here & rows].sum() - mean
        variance += spread
    found = added_p_value(rows, strata, Losses(name="wrong", values=values))
    assert found == pytest.approx(2 * scipy_stats.norm.sf(excess / math.sqrt(variance)))
    sums = []
    for _ in range(4000):
        shuffled = values.copy()
        for stratum in range(3):
            here = np.flatnonzero(strata == stratum)
            shuffled[here] = values[rng.permutation(here)]
        sums.append(shuffled[rows].sum())
    beyond, equal = np.asarray(sums) - values[rows].sum() > 0.5, np.abs(np.asarray(sums) - values[rows].sum()) < 0.5
    assert found == pytest.approx(2 * float(beyond.mean() + equal.mean() / 2), abs=0.02)


def kept_names(chance: Any, codes: list[Any], seed: int = 0) -> list[tuple[tuple[int, int], ...]]:
    rng = np.random.default_rng(seed)
    columns = [Column(name=f"c{place}", levels=tuple("wxyz"), codes=c.astype(np.intp)) for place, c in enumerate(codes)]
    losses = Losses(name="wrong", values=(rng.random(len(codes[0])) < chance).astype(float))
    searched = search(columns, losses, minimum=30, most_paired=10)
    return [searched.slice_at(place).parts for place in kept_slices(searched, columns, losses, rate=0.05, most=10)]


def test_slices_that_say_no_more_than_others_are_left_out() -> None:
    rng = np.random.default_rng(4)
    a, b, c = (rng.random(8000) < share for share in (0.3, 0.4, 0.5))
    twin = a ^ (rng.random(8000) < 0.02)
    assert kept_names(0.1 + 0.2 * a, [a, b, c]) == [((0, 1),)]
    assert kept_names(0.1 + 0.4 * (a & b), [a, b, c]) == [((0, 1), (1, 1))]
    assert kept_names(0.1 + 0.2 * a, [a, twin, b]) == [((0, 1),)]
    both = kept_names(0.1 + 0.2 * a + 0.4 * (a & b), [a, b, c])
    assert set(both) == {((0, 1),), ((0, 1), (1, 1))}


def test_a_value_that_is_worse_only_where_pairs_within_it_are_goes_even_if_it_came_first() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.random(20_000) < 0.2, rng.choice(4, 20_000, p=[0.3, 0.3, 0.2, 0.2])
    kept = kept_names(0.1 + 0.3 * (a & (b < 2)), [a, b])
    assert sorted(kept) == [((0, 1), (1, 0)), ((0, 1), (1, 1))]


def test_what_is_reported_was_measured_on_the_second_half_alone() -> None:
    rng = np.random.default_rng(5)
    columns = groups(4000, rng)
    context = wrong_with(0.15 + 0.3 * (columns["column_0"] == "c"), columns, rng)
    result = slices_of(context)
    second = ~first_half(4000, context.rng("halves"))
    wrong = context.data.y_true[second] == 0
    inside = columns["column_0"][second] == "c"
    (metric,) = [m for m in result.metrics if m.where == {"column_0": "c"}]
    assert metric.value == pytest.approx(wrong[inside].mean() - wrong[~inside].mean())
    (line,) = [row for row in result.tables[0].rows if row[:2] == ("column_0", "c")]
    assert line[3] == inside.sum()
    tails = []
    for names, values, *_ in result.tables[0].rows:
        parts = zip(names.split(" & "), values.split(" & "), strict=True)
        mask = np.logical_and.reduce([columns[name][second] == value for name, value in parts])
        table = [[wrong[side].sum(), (~wrong[side]).sum()] for side in (mask, ~mask)]
        tails.append(scipy_stats.fisher_exact(table, alternative="greater").pvalue)
    assert [row[7] for row in result.tables[0].rows] == pytest.approx(holm(np.minimum(1, 2 * np.array(tails))).tolist())
    influence = np.asarray(metric.influence)
    assert np.all(influence[~second] == 0)
    error = influence.std(ddof=1) / math.sqrt(4000)
    assert metric.interval is not None
    assert metric.interval.high - metric.interval.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def searched_null(context: Any) -> tuple[int, int]:
    """Slices that the search calls worse, and those that the second half confirms."""
    result = slices_of(context)
    (note,) = [note.text for note in result.notes if note.text.key == "slices.note.search"]
    assert int(note.values["slices"]) > 200
    return int(note.values["worse"]), len(result.findings)


def null_context(seed: int, kind: str) -> Any:
    rng = np.random.default_rng(seed)
    columns = groups(2000, rng)
    if kind == "wrong":
        return wrong_with(0.15, columns, rng)
    if kind == "skewed":
        return off_by(rng.lognormal(0.0, 1.0, 2000) * rng.choice([-1, 1], 2000), columns)
    clusters = rng.integers(0, 150, 2000)
    return wrong_with(rng.beta(1.5, 8.5, 150)[clusters], columns, rng, clusters=clusters)


@pytest.mark.parametrize("kind", ["wrong", "skewed", "clusters"])
@pytest.mark.parametrize("sets", [30, pytest.param(200, marks=pytest.mark.nightly)])
def test_null_data_sets_give_no_more_discoveries_than_stated(kind: str, sets: int) -> None:
    """With nothing to find every discovery is false, so the false discovery rate is the share of sets with one."""
    found = np.array([searched_null(null_context(seed, kind)) for seed in range(sets)]) > 0
    searched, second = found.sum(axis=0)
    allowed = scipy_stats.binom.ppf(0.99, sets, Params().search_rate)
    assert searched <= allowed
    assert second <= scipy_stats.binom.ppf(0.99, sets, Params().search_rate * Params().confirmation_rate)


@pytest.mark.parametrize("sets", [12, pytest.param(200, marks=pytest.mark.nightly)])
def test_of_what_is_found_beside_a_bad_slice_no_more_is_false_than_stated(sets: int) -> None:
    """A slice is found falsely if its rows have no higher chance of a wrong decision than all others."""
    shares, any_false = [], 0
    for seed in range(sets):
        rng = np.random.default_rng(1000 + seed)
        columns = groups(3000, rng)
        chance = 0.15 + 0.25 * (columns["column_2"] == "d")
        context = wrong_with(chance, columns, rng)
        first = first_half(3000, context.rng("halves"))
        levels = [column.among(first) for column in columns_of(context.data, first, minimum=30, most=20)]
        losses = Losses(name="wrong", values=(context.data.y_true[first] == 0).astype(float))
        searched = search(levels, losses, minimum=30, most_paired=40)
        worse = [searched.slice_at(place).rows(levels) for place in searched.worse(0.05)]
        assert worse
        shares.append(np.mean([chance[first][rows].mean() <= chance[first][~rows].mean() for rows in worse]))
        for where in confirmed(slices_of(context)):
            rows = np.logical_and.reduce([columns[name] == value for name, value in where.items()])
            any_false += chance[rows].mean() <= chance[~rows].mean()
    assert np.mean(shares) <= 0.05
    assert any_false <= scipy_stats.binom.ppf(0.99, sets, 0.05)


@pytest.mark.parametrize("kind", ["wrong", "squares", "clusters"])
@pytest.mark.parametrize(
    ("sets", "least", "most"), [(150, 0.88, 1.0), pytest.param(1500, 0.93, 0.985, marks=pytest.mark.nightly)]
)
def test_intervals_of_the_second_half_cover_as_stated(kind: str, sets: int, least: float, most: float) -> None:
    """Of a slice of 60 to 100 rows of 1,000: its mean, and its difference to all other rows."""
    held = []
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        inside, ids = rng.random(1000) < 0.08, rng.integers(0, 80, 1000)
        clusters, values = None, 1.0 + 0.5 * inside + rng.chisquare(3, 1000) / 3 - 1
        if kind != "squares":
            shared = rng.normal(0, 0.08, 80)[ids] if kind == "clusters" else 0.0
            values = (rng.random(1000) < np.clip(0.3 + 0.2 * inside + shared, 0, 1)).astype(float)
            clusters = clusters_of(ids) if kind == "clusters" else None
        losses = Losses(name="squared_error" if kind == "squares" else "wrong", values=values, clusters=clusters)
        found = Found(labels={"x": "y"}, n=80, adjusted=0.01, rows=inside)
        (tested,) = confirm([found], losses, minimum=30)
        assert tested.mean is not None
        assert tested.difference is not None
        level, difference = (1.5, 0.5) if kind == "squares" else (0.5, 0.2)
        held.append([_holds(tested.mean, level), _holds(tested.difference, difference)])
    for share in np.mean(held, axis=0):
        assert least <= share <= most


def _holds(estimate: Any, truth: float) -> bool:
    return bool(estimate.low <= truth <= estimate.high)


@pytest.mark.parametrize("seeds", [4, pytest.param(50, marks=pytest.mark.nightly)])
def test_a_bad_slice_of_three_percent_is_found_and_confirmed(seeds: int) -> None:
    hit = 0
    for seed in range(seeds):
        rng = np.random.default_rng(2000 + seed)
        columns = groups(10_000, rng)
        bad = (columns["column_0"] == "c") & (columns["column_5"] == "c")
        assert 0.025 < bad.mean() < 0.045
        hit += confirmed(slices_of(wrong_with(0.15 + 0.25 * bad, columns, rng))) == [{"column_0": "c", "column_5": "c"}]
    assert hit >= 0.9 * seeds
