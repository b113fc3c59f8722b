"""Rules of `mitigation` against fairlearn called by hand, and its measures against counts by hand and simulated data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from statsmodels.stats.proportion import proportion_confint

from auditbench.statistics import clusters_of, newcombe_difference
from auditbench_mitigation.measuring import GAPS, Measuring, gap, gap_change, share, share_change
from auditbench_mitigation.reduction import ITERATIONS, Networks, reduction_rules
from auditbench_mitigation.thresholds import GivenScores, fitted_groups, threshold_rules


def drawn_rows(rows: int, groups: int = 2, seed: int = 0) -> tuple[Any, Any, Any]:
    """Scores, labels and groups whose base rates differ."""
    rng = np.random.default_rng(seed)
    of_row = rng.integers(0, groups, rows)
    scores = 1 / (1 + np.exp(-rng.normal(size=rows) - 0.8 * of_row))
    return scores, (rng.random(rows) < scores).astype(np.int64), of_row.astype(np.int64)


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [("demographic_parity", 0.0), ("demographic_parity", 0.04), ("equalized_odds", 0.0)],
)
def test_thresholds_are_those_of_fairlearn(constraint: str, allowed: float, groups: int) -> None:
    scores, labels, of_row = drawn_rows(900, groups)
    fitted = np.arange(900) % 3 > 0
    by_hand = ThresholdOptimizer(
        estimator=GivenScores(), constraints=constraint, prefit=True, predict_method="predict", tol=allowed or None
    ).fit(scores[fitted, None], labels[fitted], sensitive_features=of_row[fitted])
    (rule,) = threshold_rules(
        scores,
        labels,
        of_row,
        fitted=fitted,
        groups=np.arange(groups),
        as_is=scores >= 0.5,
        constraint=constraint,
        allowed_gaps=(allowed,),
    )
    expected = by_hand._pmf_predict(scores[:, None], sensitive_features=of_row)[:, 1]
    np.testing.assert_allclose(rule.chance, expected, atol=1e-12)
    for group in range(groups):
        assert sum(each.share for each in rule.thresholds if each.group == group) == pytest.approx(1.0)


def test_rows_of_groups_without_thresholds_are_decided_as_they_are() -> None:
    scores, labels, of_row = drawn_rows(600, 3)
    labels[of_row == 2] = 1
    every = np.ones(600, dtype=bool)
    chosen = fitted_groups(of_row, labels, every, 30, 3)
    assert chosen.tolist() == [0, 1]  # the third has one label alone
    (rule,) = threshold_rules(
        scores, labels, of_row, fitted=every, groups=chosen, as_is=scores >= 0.5,
        constraint="demographic_parity", allowed_gaps=(0.0,),
    )  # fmt: skip
    np.testing.assert_array_equal(rule.chance[of_row == 2], scores[of_row == 2] >= 0.5)


class Logistic:
    """A logistic regression on fixed rows, which are named by their positions."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __sklearn_clone__(self) -> Logistic:
        return Logistic(self.rows)

    def fit(self, places: Any, labels: Any, sample_weight: Any) -> Logistic:
        rows = self.rows[np.asarray(places)[:, 0]]
        weights = np.where(np.asarray(sample_weight) < 1e-12, 0.0, sample_weight)
        self.model = LogisticRegression(tol=1e-8).fit(rows, np.asarray(labels), sample_weight=weights)
        return self

    def predict(self, places: Any) -> Any:
        return self.model.predict(self.rows[np.asarray(places)[:, 0]])


@pytest.mark.parametrize(
    ("constraint", "moment"), [("demographic_parity", DemographicParity), ("equalized_odds", EqualizedOdds)]
)
@pytest.mark.parametrize("allowed", [0.0, 0.05])
def test_the_reduction_is_that_of_fairlearn(constraint: str, moment: Any, allowed: float) -> None:
    rng = np.random.default_rng(1)
    of_row = rng.integers(0, 2, 500)
    rows = np.stack([rng.normal(size=500) + of_row, rng.normal(size=500), of_row], axis=1)
    labels = (rows[:, 0] + rng.normal(size=500) > 0.6).astype(np.int64)
    trained, places = slice(0, 350), np.arange(350)[:, None]

    def train(wanted: Any, weights: Any) -> Any:
        return LogisticRegression(tol=1e-8).fit(rows[trained], wanted, sample_weight=weights).predict(rows)

    networks = Networks(train=train, labels=labels[trained], constrained=np.ones(350, dtype=bool), most=500)
    (rule,) = reduction_rules(networks, of_row[trained], rows=150, constraint=constraint, allowed_gaps=(allowed,))
    by_hand = ExponentiatedGradient(Logistic(rows), moment(difference_bound=allowed), max_iter=ITERATIONS)
    by_hand.fit(places, labels[trained], sensitive_features=of_row[trained])
    expected = by_hand._pmf_predict(np.arange(350, 500)[:, None])[:, 1]
    np.testing.assert_allclose(rule.chance, expected, atol=1e-9)
    assert 0 < rule.chance.mean() < 1
    assert len(networks.decisions) < by_hand.n_oracle_calls_  # what is asked twice is trained once


def test_once_all_networks_are_trained_the_best_of_them_stands_in() -> None:
    rng = np.random.default_rng(0)
    pool = [rng.integers(0, 2, 30) for _ in range(3)]
    labels, asked = rng.integers(0, 2, 20), []
    constrained = np.arange(20) < 15

    def train(wanted: Any, weights: Any) -> Any:
        asked.append((wanted, weights))
        return pool[len(asked) - 1]

    networks = Networks(train=train, labels=labels, constrained=constrained, most=3)
    for _ in range(40):
        wanted, weights = rng.integers(0, 2, 15), rng.random(15) * (rng.random(15) > 0.2)
        found = networks.of(wanted, weights)
        if len(asked) == 3:
            whole, counted = labels.copy(), np.ones(20)
            whole[:15], counted[:15] = wanted, weights
            errors = [sum(counted[row] for row in range(20) if each[row] != whole[row]) for each in pool]
            assert found is pool[int(np.argmin(errors))] or found is pool[2]
        assert networks.of(wanted, weights) is found
    assert len(asked) == 3
    for wanted, weights in asked:  # rows of other groups keep their label and count once
        np.testing.assert_array_equal(wanted[15:], labels[15:])
        np.testing.assert_array_equal(weights[15:], np.ones(5))


def measuring_of(rows: int, groups: int = 2, **keys: Any) -> tuple[Measuring, Any, Any]:
    """Rows with two ways to decide them, of which the second is nearer to equal."""
    scores, labels, of_row = drawn_rows(rows, groups, seed=keys.pop("seed", 0))
    measuring = Measuring(y_true=labels, of_row=of_row, groups=groups, minimum_group=10, minimum_outcomes=5, **keys)
    return measuring, scores > 0.5, scores > np.where(of_row == groups - 1, 0.6, 0.45)


def rates_by_hand(measuring: Measuring, decided: Any, group: int) -> dict[str, float]:
    """Selection rate, true and false positive rate, accuracy."""
    rows = [row for row in range(len(decided)) if measuring.of_row[row] == group]
    positive = [row for row in rows if measuring.y_true[row] == 1]
    negative = [row for row in rows if measuring.y_true[row] == 0]
    return {
        "selection_rate": sum(decided[row] for row in rows) / len(rows),
        "true_positive_rate": sum(decided[row] for row in positive) / len(positive),
        "false_positive_rate": sum(decided[row] for row in negative) / len(negative),
        "accuracy": sum(decided[row] == measuring.y_true[row] for row in rows) / len(rows),
    }


@pytest.mark.parametrize("groups", [2, 4])
def test_measures_are_those_of_fairlearn_and_of_counts_by_hand(groups: int) -> None:
    measuring, before, after = measuring_of(500, groups)
    for decided in (before, after):
        keys = {"y_true": measuring.y_true, "y_pred": decided, "sensitive_features": measuring.of_row}
        demographic, odds = (gap(measuring, name, decided) for name in GAPS)
        assert demographic.estimate == pytest.approx(demographic_parity_difference(**keys))
        assert odds.estimate == pytest.approx(equalized_odds_difference(**keys))
        accuracy = share(measuring, "accuracy", decided)
        right = decided == measuring.y_true
        assert accuracy.estimate == pytest.approx(accuracy_score(measuring.y_true, decided))
        assert (accuracy.low, accuracy.high) == pytest.approx(proportion_confint(right.sum(), 500, method="wilson"))
        for group in range(groups):
            for rate, value in rates_by_hand(measuring, decided, group).items():
                assert share(measuring, rate, decided, group).estimate == pytest.approx(value)
    for group in range(groups):
        first, second = (rates_by_hand(measuring, decided, group) for decided in (before, after))
        for rate in first:
            found = share_change(measuring, rate, before, after, group)
            assert found.estimate == pytest.approx(second[rate] - first[rate])


def test_the_change_of_a_share_has_the_limits_of_bonett_and_price() -> None:
    measuring, before, after = measuring_of(500)
    found = share_change(measuring, "accuracy", before, after)
    first, second = before == measuring.y_true, after == measuring.y_true
    gained, lost = (second & ~first).sum(), (first & ~second).sum()
    one, other = (gained + 1) / 502, (lost + 1) / 502
    half = 1.959963984540054 * math.sqrt((one + other - (one - other) ** 2) / 502)
    assert (found.low, found.high) == pytest.approx((one - other - half, one - other + half))


def test_two_groups_have_the_gap_of_newcombe() -> None:
    measuring, before, _ = measuring_of(500)
    sides = [(int(before[measuring.of_row == group].sum()), int((measuring.of_row == group).sum())) for group in (1, 0)]
    expected = newcombe_difference(*sides[0], *sides[1])
    found = gap(measuring, "demographic_parity_difference", before)
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))


@pytest.mark.parametrize("clustered", [False, True])
def test_the_change_of_a_gap_is_square_and_add_with_the_correlation_of_leaving_out(clustered: bool) -> None:
    """The correlation is that of both gaps when one row, or one cluster, after the other is left out."""
    units = np.arange(480) // 4 if clustered else np.arange(480)
    measuring, before, after = measuring_of(480, clusters=clusters_of(units) if clustered else None)
    first, second = (gap(measuring, "demographic_parity_difference", decided) for decided in (before, after))

    def signed(decided: Any, kept: Any) -> float:
        rates = [decided[kept & (measuring.of_row == group)].mean() for group in (0, 1)]
        whole = [decided[measuring.of_row == group].mean() for group in (0, 1)]
        return float(rates[1] - rates[0]) * (1 if whole[1] > whole[0] else -1)

    left = [[signed(decided, units != unit) for unit in np.unique(units)] for decided in (before, after)]
    together = float(np.corrcoef(left)[0, 1])
    found = gap_change(measuring, "demographic_parity_difference", before, after)
    assert found.estimate is not None
    assert None not in (first.low, second.high, found.low)
    assert second.low > 0  # type: ignore[operator]
    one, other = second.estimate - second.low, first.high - first.estimate  # type: ignore[operator]
    expected = found.estimate - math.sqrt(one**2 + other**2 - 2 * together * one * other)
    assert found.low == pytest.approx(expected, abs=2e-3)
    assert found.estimate == pytest.approx(second.estimate - first.estimate)  # type: ignore[operator]


def test_rates_of_few_rows_are_left_out_of_a_gap() -> None:
    of_row = np.repeat([0, 1, 2], [200, 200, 8])
    decided = np.concatenate([np.arange(400) % 2 == 0, np.ones(8, dtype=bool)])
    measuring = Measuring(y_true=np.arange(408) % 2, of_row=of_row, groups=3, minimum_group=10, minimum_outcomes=5)
    assert gap(measuring, "demographic_parity_difference", decided).estimate == 0
    assert measuring.estimated("selection_rate").tolist() == [0, 1]
    alone = Measuring(y_true=measuring.y_true, of_row=of_row, groups=3, minimum_group=300, minimum_outcomes=5)
    assert gap(alone, "equalized_odds_difference", decided).reason == "one_group"
    assert gap_change(alone, "equalized_odds_difference", decided, ~decided).estimate is None


CASES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "to nothing": ((0.20, 0.10, 0.05), (0.35, 0.0, 0.10)),
    "little": ((0.20, 0.02, 0.01), (0.40, 0.01, 0.02)),
    "turned": ((0.15, 0.30, 0.0), (0.40, 0.0, 0.10)),
    "from nothing": ((0.30, 0.05, 0.0), (0.30, 0.0, 0.15)),
    "nothing to nothing": ((0.30, 0.05, 0.05), (0.30, 0.10, 0.10)),
}
"""By group: selected before, gained by others, lost by those, as shares of all rows of the group."""


def covered(case: str, data_sets: int, rows: int = 400) -> float:
    """Share of simulated data sets whose interval of the change of the gap holds the true change."""
    sides = CASES[case]
    before = [side[0] for side in sides]
    after = [side[0] + side[1] - side[2] for side in sides]
    truth = abs(after[1] - after[0]) - abs(before[1] - before[0])
    holds = 0
    for seed in range(data_sets):
        rng = np.random.default_rng(seed)
        of_row = rng.integers(0, 2, rows)
        place = rng.random(rows)
        first, second = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
        for group, (selected, gained, lost) in enumerate(sides):
            own = of_row == group
            first |= own & (place < selected)
            second |= own & (place >= lost) & (place < selected + gained)
        measuring = Measuring(
            y_true=np.ones(rows, dtype=np.int64), of_row=of_row, groups=2, minimum_group=10, minimum_outcomes=5
        )
        found = gap_change(measuring, "demographic_parity_difference", first, second)
        assert found.low is not None
        assert found.high is not None
        holds += found.low <= truth <= found.high
    return holds / data_sets


@pytest.mark.parametrize("rows", [400, 2000])
@pytest.mark.parametrize("case", CASES)
def test_intervals_of_changed_gaps_cover(case: str, rows: int) -> None:
    """They are too wide where a gap is nothing before or after, and more so where it is in both."""
    most = {"nothing to nothing": 1.0, "to nothing": 0.985, "from nothing": 0.985}
    assert 0.93 <= covered(case, 500, rows) <= most.get(case, 0.97)
