"""Rates of small groups, near 0 and 1 and at them: how often no change is called one, and how often intervals hold the truth.

Not drawn but added up: every outcome that so many rows can have, weighted with its chance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from auditbench.comparison.changes import compare_metrics
from auditbench.comparison.differences import independent_difference
from auditbench.comparison.pairing import Common, RowPairs, pair_rows
from auditbench.comparison.record import MetricChange
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.statistics import mean_influence, wilson_interval
from tests.compared_models import most_false_calls

Rows = npt.NDArray[np.bool_]
SMALLEST_WEIGHT = 1e-5


def share(hit: Rows, among: Rows) -> Metric:
    """A share of some rows as plugins measure it: with Wilson's interval, and what each row does to it."""
    hits, trials = int((hit & among).sum()), int(among.sum())
    return rate(hits, trials, influence=mean_influence(hit, among).astype(np.float32), n=len(hit))


def rate(hits: int, trials: int, *, n: int, influence: npt.NDArray[np.float32] | None = None) -> Metric:
    bounds = wilson_interval(hits, trials)
    assert bounds is not None
    interval = Interval(low=bounds[0], high=bounds[1], method="wilson")
    return Metric(name="m", value=hits / trials, n=n, denominator=trials, interval=interval, influence=influence)


def same_rows(rows: int) -> RowPairs:
    keys = np.arange(rows, dtype=np.uint64)
    return pair_rows(keys, keys, baseline_rows=rows, candidate_rows=rows)


def change_of(before: Metric, after: Metric, pairs: RowPairs) -> MetricChange:
    first, second = (AnalysisResult(analyzer="toy", topic="probe", metrics=(metric,)) for metric in (before, after))
    (change,) = compare_metrics([first], [second], Common(rows=pairs, model=False, seed=True), level=0.95)
    return change


def holds(change: MetricChange, truth: float) -> bool:
    assert change.interval is not None
    return change.interval.low - 1e-12 <= truth <= change.interval.high + 1e-12


def outcomes(rows: int, chances: tuple[float, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
    """How many rows may be right in both runs, in the first, in the second, in neither; and the chance of it."""
    for first in itertools.product(range(rows + 1), repeat=3):
        counts = (*first, rows - sum(first))
        if counts[3] < 0 or any(count and not chance for count, chance in zip(counts, chances, strict=True)):
            continue
        weight = math.exp(
            math.lgamma(rows + 1)
            + sum(
                count * math.log(chance) - math.lgamma(count + 1)
                for count, chance in zip(counts, chances, strict=True)
                if count
            )
        )
        if weight > SMALLEST_WEIGHT:
            yield counts, weight


@pytest.mark.parametrize(
    ("chances", "at_the_edge"),
    [
        pytest.param((0.98, 0.01, 0.01, 0.0), 0.8, id="nearly-always-right"),
        pytest.param((0.90, 0.05, 0.04, 0.01), 0.1, id="seldom-wrong"),
        pytest.param((0.96, 0.04, 0.00, 0.00), 0.99, id="right-until-now"),
        pytest.param((0.85, 0.14, 0.005, 0.005), 0.5, id="much-worse"),
        pytest.param((0.60, 0.10, 0.10, 0.20), 0.0, id="in-the-middle"),
    ],
)
def test_rates_of_forty_rows_that_both_runs_have(chances: tuple[float, ...], at_the_edge: float) -> None:
    pairs = same_rows(40)
    everyone = np.ones(40, dtype=np.bool_)
    covered = called = edge = whole = 0.0
    for counts, weight in outcomes(40, chances):
        first, second = (np.repeat(right, counts) for right in ([True, True, False, False], [True, False, True, False]))
        change = change_of(share(first, everyone), share(second, everyone), pairs)
        assert change.p_value is not None
        whole += weight
        covered += weight * holds(change, chances[2] - chances[1])
        called += weight * (change.p_value <= 0.05)
        edge += weight * (change.design == "independent")
    assert whole > 0.99
    assert covered / whole >= 0.95
    assert edge / whole >= at_the_edge
    if chances[1] == chances[2]:
        assert called <= 0.05


@pytest.mark.parametrize("sizes", [(30, 30), (12, 40)])
@pytest.mark.parametrize("chance", [0.003, 0.03, 0.3, 0.5])
def test_rates_of_other_rows(sizes: tuple[int, int], chance: float) -> None:
    """Also far in the tail, where Holm's method looks: there, no more than stated, and at 5 % about as much."""
    shares = [stats.binom.pmf(np.arange(size + 1), size, chance) for size in sizes]
    called = dict.fromkeys((0.05, 0.005, 0.0005), 0.0)
    for hits in itertools.product(*(range(size + 1) for size in sizes)):
        weight = float(shares[0][hits[0]] * shares[1][hits[1]])
        if weight > SMALLEST_WEIGHT / 10:
            rates = [rate(hit, size, n=size) for hit, size in zip(hits, sizes, strict=True)]
            found = independent_difference(*rates)
            assert found is not None
            for chance_of_error in called:
                called[chance_of_error] += weight * (found.p_value() <= chance_of_error)
    assert called[0.05] <= 0.06
    assert called[0.005] <= 0.005
    assert called[0.0005] <= 0.0005


@pytest.mark.parametrize(("precision", "selected"), [(0.95, (0.04, 0.15)), (0.6, (0.03, 0.1))])
def test_shares_of_rows_that_the_model_chooses(precision: float, selected: tuple[float, float]) -> None:
    """Precision of one model that selects a dozen rows, often all rightly, and of another that selects many more."""
    rng = np.random.default_rng(0)
    pairs, trials, called, missed = same_rows(400), 300, 0, 0
    for _ in range(trials):
        right, seen, own = rng.random(400) < precision, rng.random(400), rng.random(400)
        chosen = seen < selected[0], (seen < 0.6 * selected[1]) | (own < 0.4 * selected[1])
        change = change_of(share(right, chosen[0]), share(right, chosen[1]), pairs)
        called += change.verdict != "within_noise"
        missed += not holds(change, 0.0)
    assert called <= most_false_calls(trials, 0.05)
    assert missed <= most_false_calls(trials, 0.05)


def test_a_rate_of_one_of_three_rows_is_not_certain() -> None:
    """All of 3 before, 24 of 40 now: taken as certain, the first would make the second a significant loss."""
    chosen = np.arange(400) < 3, (np.arange(400) >= 2) & (np.arange(400) < 42)
    change = change_of(share(np.arange(400) < 26, chosen[0]), share(np.arange(400) < 26, chosen[1]), same_rows(400))
    assert (change.before, change.after) == (1.0, 0.6)
    assert (change.verdict, change.design) == ("within_noise", "independent")


def test_no_error_in_fifty_rows_leaves_some_room_for_one() -> None:
    """Both rates 1: the interval of the difference is that of none in fifty, on both sides."""
    everyone = np.ones(50, dtype=np.bool_)
    change = change_of(share(everyone, everyone), share(everyone, everyone), same_rows(50))
    bounds = wilson_interval(0, 50)
    assert bounds is not None
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx((-bounds[1], bounds[1]))
    assert (change.verdict, change.p_value) == ("within_noise", 1.0)
