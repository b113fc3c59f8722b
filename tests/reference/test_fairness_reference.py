"""Rates and gaps by group against fairlearn, and the exact test against scipy, on the same predictions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact as scipy_fisher_exact
from sklearn.metrics import accuracy_score, precision_score

from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_fairness import Params
from auditbench_fairness.analysis import analyze
from auditbench_fairness.comparisons import fisher_exact
from auditbench_fairness.rates import rate_parts
from tests.plugin_results import metric_of

EVERY_GROUP = Params(minimum_group=1, minimum_outcomes=1)
PEERS = {
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
    "precision": lambda y_true, y_pred: precision_score(y_true, y_pred, zero_division=np.nan),
    "accuracy": accuracy_score,
}
GAPS = {
    "demographic_parity_difference": fairlearn.demographic_parity_difference,
    "demographic_parity_ratio": fairlearn.demographic_parity_ratio,
    "equal_opportunity_difference": fairlearn.equal_opportunity_difference,
    "equalized_odds_difference": fairlearn.equalized_odds_difference,
    "equalized_odds_ratio": fairlearn.equalized_odds_ratio,
}
RATE_GAPS = {
    "true_positive_rate_difference": ("true_positive_rate", "difference"),
    "false_positive_rate_difference": ("false_positive_rate", "difference"),
    "precision_difference": ("precision", "difference"),
    "precision_ratio": ("precision", "ratio"),
    "accuracy_difference": ("accuracy", "difference"),
}


def measured(y_true: Any, y_pred: Any, **sensitive: Any) -> AnalysisResult:
    subject = given_outputs_subject(y_pred, y_true, sensitive_features=sensitive)
    return analyze(toy_context(subject, analyzer="fairness"), EVERY_GROUP)


def sample(n: int, seed: int) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(["F", "M"], n), rng.choice(list("abcd"), n, p=[0.7, 0.2, 0.06, 0.04])
    y_true = (rng.random(n) < np.where(sex == "M", 0.4, 0.2)).astype(int)
    y_pred = (rng.random(n) < 0.15 + 0.5 * y_true + 0.1 * (race == "b")).astype(int)
    return y_true, y_pred, sex, race


@pytest.mark.parametrize("seed", range(3))
def test_every_rate_and_gap_equals_fairlearn(seed: int) -> None:
    y_true, y_pred, sex, race = sample(2000, seed)
    result = measured(y_true, y_pred, sex=sex, race=race)
    both = np.array([f"{s} & {r}" for s, r in zip(sex, race, strict=True)])
    for feature, groups in (("sex", sex), ("race", race), ("sex & race", both)):
        frame = fairlearn.MetricFrame(metrics=PEERS, y_true=y_true, y_pred=y_pred, sensitive_features=groups)
        for name in PEERS:
            for group, value in frame.by_group[name].items():
                assert metric_of(result, name, feature=feature, group=group).value == pytest.approx(value)
            to_overall = metric_of(result, f"{name}_difference_to_overall", feature=feature)
            assert to_overall.value == pytest.approx(frame.difference(method="to_overall")[name])
        for name, peer in GAPS.items():
            wanted = peer(y_true, y_pred, sensitive_features=groups)
            assert metric_of(result, name, feature=feature).value == pytest.approx(wanted), name
        for name, (rate, kind) in RATE_GAPS.items():
            wanted = getattr(frame, kind)()[rate]
            assert metric_of(result, name, feature=feature).value == pytest.approx(wanted), name


ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc")), min_size=2, max_size=25)


@settings(deadline=None, max_examples=20)
@given(rows=ROWS)
def test_with_empty_cells_we_say_why_where_fairlearn_gives_0_or_nan(rows: list[tuple[int, int, str]]) -> None:
    y_true, y_pred, group = (np.array(part) for part in zip(*rows, strict=True))
    result = measured(y_true, y_pred, area=group)
    frame = fairlearn.MetricFrame(metrics=PEERS, y_true=y_true, y_pred=y_pred, sensitive_features=group)
    for name in PEERS:
        for label, value in frame.by_group[name].items():
            metric = metric_of(result, name, feature="area", group=label)
            if metric.denominator:
                assert metric.value == pytest.approx(value)
            else:
                assert metric.value is None
                assert metric.reason is not None
                assert math.isnan(value) or value == 0
    whole = {
        name: np.array([metric_of(result, name, feature="area", group=g).value is not None for g in set(group)])
        for name in PEERS
    }
    for name, peer in GAPS.items():
        metric = metric_of(result, name, feature="area")
        needed = {"demographic": ["selection_rate"], "equal": ["true_positive_rate"]}.get(
            name.split("_", maxsplit=1)[0], ["true_positive_rate", "false_positive_rate"]
        )
        assert (metric.value is None) == (metric.reason is not None)
        if len(set(group)) > 1 and all(whole[rate].all() for rate in needed) and metric.value is not None:
            assert metric.value == pytest.approx(peer(y_true, y_pred, sensitive_features=group)), name


@given(a=st.tuples(st.integers(0, 40), st.integers(0, 40)), b=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_exact_test_equals_scipy(a: tuple[int, int], b: tuple[int, int]) -> None:
    if sum(a) == 0 or sum(b) == 0:
        return
    ours = fisher_exact(a[0], sum(a), b[0], sum(b))
    assert ours == pytest.approx(scipy_fisher_exact([list(a), list(b)]).pvalue, rel=1e-6)


def test_exact_test_of_many_rows_equals_scipy() -> None:
    ours = fisher_exact(40_300, 100_000, 80_100, 200_000)
    assert ours == pytest.approx(scipy_fisher_exact([[40_300, 59_700], [80_100, 119_900]]).pvalue, rel=1e-5)


def test_exact_test_never_gives_0() -> None:
    for hits in (600, 5000, 100_000):
        p_value = fisher_exact(hits, hits, 0, 2 * hits)
        assert 0 < p_value < 1e-300
    assert fisher_exact(100, 250, 400, 500) == pytest.approx(
        scipy_fisher_exact([[100, 150], [400, 100]]).pvalue, rel=1e-6
    )


@given(counts=st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_rate_parts_equal_sums_of_cells(counts: list[int]) -> None:
    table = np.array(counts).reshape(3, 2, 2)
    hits, trials = rate_parts(table)
    for group in range(3):
        (tn, fp), (fn, tp) = table[group]
        assert hits[group].tolist() == [tp + fp, tp, fp, tp, tp + tn]
        assert trials[group].tolist() == [tn + fp + fn + tp, tp + fn, fp + tn, tp + fp, tn + fp + fn + tp]
