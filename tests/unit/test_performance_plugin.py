"""The performance plugin: counts by hand, undefined metrics with their reasons, rules, and every task."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import auditbench_performance
from auditbench import statistics as stats
from auditbench.errors import ModelError
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult
from auditbench.statistics import quantile_interval
from auditbench.testing import given_outputs_subject, toy_context, toy_subject
from auditbench_performance import Params
from auditbench_performance.analysis import analyze
from auditbench_performance.confusion import class_counts, f1_scores
from auditbench_performance.resampling import weighted_average_precision, weighted_r2
from tests.plugin_results import analyzer_of, check_catalogue, check_result, metric_of, rules_of

FEW = Params(replicates=60)
SCORES = [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1]
LABELS = [1, 1, 0, 1, 0, 1, 0, 0]


def binary(scores: Any, labels: Any, params: Params = FEW, **options: Any) -> AnalysisResult:
    context = toy_context(given_outputs_subject(scores, labels, **options), analyzer="performance", params=params)
    return analyze(context, params)


@pytest.mark.parametrize(
    ("name", "value", "denominator"),
    [
        ("accuracy", 6 / 8, 8),
        ("majority_class_accuracy", 4 / 8, 8),
        ("precision", 3 / 4, 4),
        ("recall", 3 / 4, 4),
        ("specificity", 3 / 4, 4),
        ("f1", 6 / 8, None),
        ("balanced_accuracy", 3 / 4, None),
        ("auc", 13 / 16, None),
        ("average_precision", (1 + 1 + 3 / 4 + 4 / 6) / 4, None),
        ("log_loss", -sum(math.log(p if y else 1 - p) for p, y in zip(SCORES, LABELS, strict=True)) / 8, None),
        ("brier", sum((p - y) ** 2 for p, y in zip(SCORES, LABELS, strict=True)) / 8, None),
        ("base_rate", 4 / 8, 8),
        ("positive_rate", 4 / 8, 8),
    ],
)
def test_binary_metrics_equal_a_hand_count(name: str, value: float, denominator: int | None) -> None:
    metric = metric_of(binary(SCORES, LABELS), name)
    assert metric.value == pytest.approx(value, abs=1e-6)
    assert (metric.n, metric.denominator) == (8, denominator)
    assert metric.repeatable


def test_a_share_has_its_wilson_interval_and_auc_that_of_delong() -> None:
    result = binary(SCORES, LABELS)
    recall, area = metric_of(result, "recall").interval, metric_of(result, "auc").interval
    assert recall is not None
    assert (recall.low, recall.high, recall.method) == (*stats.wilson_interval(3, 4), "wilson")
    assert area is not None
    assert area.method == "delong-logit"


def test_blocks_of_a_binary_model() -> None:
    result = binary(SCORES, LABELS)
    (confusion,) = result.matrices
    assert (confusion.rows, confusion.values) == (("no", "yes"), ((3.0, 1.0), (1.0, 3.0)))
    roc, precision_recall, reliability = result.curves
    assert [curve.kind for curve in result.curves] == ["roc", "precision_recall", "reliability"]
    assert (roc.series[0].x[0], roc.series[0].y[0], roc.series[0].x[-1], roc.series[0].y[-1]) == (0, 0, 1, 1)
    assert roc.series[0].y[:3] == (0, 0.25, 0.5)
    assert precision_recall.series[0].y[-1] == 0.5
    assert sum(reliability.series[0].n) == 8
    check_result(auditbench_performance, result)


def test_curves_keep_their_ends_and_at_most_a_hundred_points() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(5000)
    result = binary(scores, (rng.random(5000) < scores).astype(int))
    for curve in result.curves[:2]:
        (series,) = curve.series
        assert 80 <= len(series.x) <= 100
        assert list(series.x) == sorted(series.x)
        assert series.x[-1] == 1.0
    (roc,) = result.curves[0].series
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(metric_of(result, "auc").value, abs=0.002)


@pytest.mark.parametrize(
    ("scores", "labels", "undefined"),
    [
        pytest.param(
            SCORES[:3],
            [1, 1, 1],
            {
                "specificity": "no_negatives",
                "auc": "one_class",
                "balanced_accuracy": "one_class",
                "temperature": "no_temperature",
            },
            id="only-positives",
        ),
        pytest.param(
            [0.1, 0.2, 0.9],
            [0, 0, 0],
            {
                "recall": "no_positives",
                "auc": "one_class",
                "average_precision": "no_positives",
                "balanced_accuracy": "one_class",
                "temperature": "no_temperature",
            },
            id="only-negatives",
        ),
        pytest.param(
            [0.1, 0.2, 0.3],
            [0, 1, 1],
            {"precision": "none_predicted", "temperature": "no_temperature"},
            id="none-predicted",
        ),
        pytest.param(
            [0.1, 0.2],
            [0, 0],
            {
                "precision": "none_predicted",
                "recall": "no_positives",
                "f1": "no_positives_at_all",
                "auc": "one_class",
                "average_precision": "no_positives",
                "balanced_accuracy": "one_class",
                "temperature": "no_temperature",
            },
            id="no-positives-at-all",
        ),
    ],
)
def test_what_is_undefined_says_why(scores: list[float], labels: list[int], undefined: dict[str, str]) -> None:
    result = binary(scores, labels)
    reasons = {m.name: m.reason.key.rpartition(".")[2] for m in result.metrics if m.reason is not None}
    assert reasons == undefined
    check_result(auditbench_performance, result)


def test_one_row_has_values_without_bootstrap_intervals() -> None:
    result = binary([0.8], [1])
    assert metric_of(result, "brier").value == pytest.approx(0.04)
    assert metric_of(result, "brier").no_interval == "not_estimated"
    check_result(auditbench_performance, result)


@pytest.mark.parametrize("kind", ["binary", "constant", "multiclass", "regression"])
def test_every_task_gives_a_valid_result_that_repeats(kind: Any) -> None:
    context = toy_context(toy_subject(kind, rows=40), analyzer="performance", params=FEW)
    result = analyze(context, FEW)
    assert result.metrics
    check_result(auditbench_performance, result)
    assert analyze(context, FEW) == result


def test_multiclass_counts_each_class() -> None:
    subject = given_outputs_subject(
        np.eye(4)[[0, 0, 1, 2, 2]] * 0.6 + 0.1,
        [0, 1, 1, 2, 0],
        task="multiclass-classification",
        classes=("a", "b", "c", "d"),
    )
    result = analyze(toy_context(subject, analyzer="performance"), Params(replicates=60, top_k=2))
    assert metric_of(result, "accuracy").value == pytest.approx(3 / 5)
    assert metric_of(result, "recall", **{"class": "a"}).value == pytest.approx(1 / 2)
    assert metric_of(result, "precision", **{"class": "c"}).value == pytest.approx(1 / 2)
    assert metric_of(result, "recall", **{"class": "d"}).reason is not None
    assert metric_of(result, "balanced_accuracy").value == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert metric_of(result, "macro_f1").value == pytest.approx((1 / 2 + 2 / 3 + 2 / 3) / 3)
    # Rivals as probable as the labelled class count against the model, so the two errors are not in the top two.
    assert metric_of(result, "top_k_accuracy", k="2").value == pytest.approx(3 / 5)
    check_result(auditbench_performance, result)


def test_regression_errors_by_hand() -> None:
    subject = given_outputs_subject([1.0, 2.0, 3.0, 6.0], [1.0, 1.0, 4.0, 4.0], task="regression", output="value")
    result = analyze(toy_context(subject, analyzer="performance"), FEW)
    values = {m.name: m.value for m in result.metrics if not m.where}
    # Errors of 0, 1, 1 and 2 have the ranks 1, 2.5, 2.5 and 4.
    expected = {"mse": 1.5, "rmse": math.sqrt(1.5), "mae": 1.0, "mean_error": 0.5, "r2": 1 / 3}
    assert values == pytest.approx({**expected, "absolute_error_correlation": math.sqrt(0.9)})
    assert metric_of(result, "residual_percentile", percentile="50").value == pytest.approx(0.5)
    check_result(auditbench_performance, result)


def test_r2_of_constant_labels_is_undefined() -> None:
    subject = given_outputs_subject([1.0, 2.0], [3.0, 3.0], task="regression", output="value")
    metric = metric_of(analyze(toy_context(subject, analyzer="performance"), FEW), "r2")
    assert metric.reason is not None
    assert metric.reason.key == "performance.undefined.constant_labels"


def test_rules_fire_on_what_they_state() -> None:
    rng = np.random.default_rng(0)
    calibrated = rng.uniform(0.02, 0.98, 3000)
    labels = (rng.random(3000) < calibrated).astype(int)
    assert rules_of(binary(calibrated, labels)) == []
    assert rules_of(binary(calibrated**3, labels)) == ["calibration"]
    assert rules_of(binary(rng.uniform(0.4, 0.6, 3000), labels)) == ["at_baseline", "ranking_at_chance"]
    assert rules_of(binary([0.9, 0.8, 0.7], [1, 1, 1])) == ["one_class", "one_decision"]
    assert rules_of(binary(np.append(calibrated, [0.4]) * 0 + 0.4, np.append(labels * 0, [1])))[:2] == [
        "few_rows",
        "one_decision",
    ]
    noise = given_outputs_subject(rng.normal(size=200), rng.normal(size=200), task="regression", output="value")
    assert rules_of(analyze(toy_context(noise, analyzer="performance"), FEW)) == ["no_better_than_mean"]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_one_decision_for_all_rows_leads_to_the_scale_of_the_numbers(language: str) -> None:
    action = load_messages("auditbench_performance")[language]["performance.finding.one_decision.action"]
    assert "`model.inputs`" in action


def test_few_rows_of_calibrated_probabilities_are_no_finding() -> None:
    result = analyze(toy_context(toy_subject("multiclass"), analyzer="performance"), FEW)
    assert metric_of(result, "expected_calibration_error").value > 0.05
    assert "calibration" not in rules_of(result)


@pytest.mark.parametrize("outputs", [[0.2, math.nan], [0.2, math.inf], [0.2, 1.2]])
def test_outputs_that_are_no_probabilities_are_refused(outputs: list[float]) -> None:
    context = toy_context(given_outputs_subject([0.2, 0.4], [0, 1]), analyzer="performance")
    with pytest.raises(ModelError):
        analyze(dataclasses.replace(context, outputs=np.array(outputs)[:, np.newaxis]), FEW)


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_f1_equals_its_definition(rows: list[tuple[int, int]]) -> None:
    y_true, y_pred = np.array(rows).T
    scores = f1_scores(class_counts(y_true, y_pred, 4))
    for index in range(4):
        hits = sum(t == p == index for t, p in rows)
        labelled, predicted = int((y_true == index).sum()), int((y_pred == index).sum())
        if labelled + predicted == 0:
            assert math.isnan(scores[index])
            continue
        precision, recall = hits / max(1, predicted), hits / max(1, labelled)
        harmonic = 2 * precision * recall / (precision + recall) if hits else 0.0
        assert scores[index] == pytest.approx(harmonic)


ROWS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1)), min_size=1, max_size=20)


@given(rows=ROWS, seed=st.integers(0, 5))
def test_weights_mean_repeated_rows(rows: list[tuple[int, int]], seed: int) -> None:
    scores, labels = np.array(rows).T
    probability = scores / 8
    times = np.random.default_rng(seed).multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
    repeated = np.repeat(np.arange(len(rows)), times)
    weights = times[np.newaxis].astype(float)
    area = weighted_average_precision(probability, labels)(weights)[0]
    naive = stats.average_precision(probability[repeated], labels[repeated])
    assert (None if math.isnan(area) else pytest.approx(area)) == naive
    explained = weighted_r2(labels.astype(float), probability)(weights)[0]
    chosen, spread = labels[repeated], np.sum((labels[repeated] - labels[repeated].mean()) ** 2)
    if spread > 0:
        assert explained == pytest.approx(1 - np.sum((probability[repeated] - chosen) ** 2) / spread)
    else:
        assert math.isnan(explained)


def test_median_interval_is_the_tabulated_one() -> None:
    """For n = 20 the 6th and 15th value (Conover, Practical Nonparametric Statistics, table of the sign test)."""
    estimate = quantile_interval(np.arange(1, 21), 0.5)
    assert (estimate.low, estimate.estimate, estimate.high) == (6, 10.5, 15)
    assert quantile_interval(np.arange(5), 0.5).reason == "too_few_rows"
    assert quantile_interval([], 0.5).reason == "no_rows"


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.95])
def test_quantile_interval_covers_at_least_as_stated(probability: float) -> None:
    rng = np.random.default_rng(3)
    intervals = [quantile_interval(rng.random(150), probability) for _ in range(2000)]
    covered = [e.low is not None and e.low <= probability <= e.high for e in intervals]
    assert 0.945 <= np.mean(covered) <= 0.985


def test_record_and_catalogue() -> None:
    analyzer = analyzer_of(auditbench_performance)
    assert (analyzer.name, analyzer.topic, analyzer.Params) == ("performance", "performance", Params)
    check_catalogue(auditbench_performance)
