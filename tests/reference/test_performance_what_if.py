"""Thresholds, temperatures, parts of the Brier score and residuals: against other libraries, loops and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats
from sklearn import isotonic
from sklearn import metrics as sklearn
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

import auditbench_performance
from auditbench import statistics as stats
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Table
from auditbench.statistics import clusters_of, first_half
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_performance import Params
from auditbench_performance.analysis import analyze
from auditbench_performance.brier_parts import brier_parts
from auditbench_performance.measures import f1_score
from auditbench_performance.rank_correlation import rank_correlation
from auditbench_performance.resampling import Sample
from auditbench_performance.residuals import absolute_error_correlation
from auditbench_performance.temperature import at_temperature, fit_temperature
from auditbench_performance.thresholds import best_balanced_accuracy, best_f1
from tests.plugin_results import check_result, metric_of

FEW = Params(replicates=200)


def result_of(outputs: Any, y_true: Any, params: Params = FEW, **options: Any) -> AnalysisResult:
    return analyze(toy_context(given_outputs_subject(outputs, y_true, **options), analyzer="performance"), params)


def table_of(result: AnalysisResult, name: str) -> Table:
    (table,) = [table for table in result.tables if table.name == name]
    return table


def numbers(cell: Any) -> tuple[Any, ...]:
    assert isinstance(cell, Message)
    return tuple(cell.values.values())


def scored(rows: int, rng: np.random.Generator, *, sureness: float = 1.5) -> tuple[Any, Any]:
    """Probabilities of a model that is too sure of itself, and labels."""
    logit = rng.normal(-0.5, 2.0, rows)
    labels = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return 1 / (1 + np.exp(-sureness * logit)), labels


def several(rows: int, rng: np.random.Generator, *, sureness: float = 1.5) -> tuple[Any, Any]:
    logits = rng.normal(0, 1.5, (rows, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    scaled = np.exp(sureness * logits)
    return scaled / scaled.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("bins", [10, 15])
def test_calibration_errors_are_those_of_torchmetrics(bins: int) -> None:
    """Of two classes it takes the probability of the positive class, of several the largest; bins hold their lower end."""
    rng, params = np.random.default_rng(0), Params(replicates=40, bins=bins)
    p, y = scored(800, rng)
    p[:300] = p[:300].round(1).clip(0.1, 0.9)  # on the edges of bins
    p = p.astype(np.float32)
    wanted = binary_calibration_error(torch.from_numpy(p).double(), torch.from_numpy(y), n_bins=bins)
    assert metric_of(result_of(p, y, params), "expected_calibration_error").value == pytest.approx(
        float(wanted), abs=2e-6
    )
    q, z = several(800, rng)
    q = q.astype(np.float32)
    wanted = multiclass_calibration_error(torch.from_numpy(q).double(), torch.from_numpy(z), num_classes=4, n_bins=bins)
    found = result_of(q, z, params, task="multiclass-classification", classes=tuple("abcd"))
    assert metric_of(found, "expected_calibration_error").value == pytest.approx(float(wanted), abs=2e-6)


def test_thresholds_are_those_of_scikit_learn_and_the_one_in_use_is_marked() -> None:
    p, y = scored(600, np.random.default_rng(1))
    p = p.astype(np.float32)
    result = result_of(p, y, Params(replicates=200, thresholds=(0.2, 0.9)), threshold=0.4)
    table = table_of(result, "thresholds")
    assert [row[:2] for row in table.rows] == [(0.2, False), (0.4, True), (0.9, False)]
    for threshold, _, *cells in table.rows:
        d = p >= threshold
        wanted = [d.mean(), sklearn.precision_score(y, d), sklearn.recall_score(y, d), sklearn.f1_score(y, d)]
        assert [numbers(cell)[0] for cell in cells] == pytest.approx(wanted)
        counts = [(d.sum(), 600), (d[y == 1].sum(), d.sum()), (d[y == 1].sum(), y.sum())]
        bounds = [stats.wilson_interval(int(hits), int(of)) for hits, of in counts]
        assert [numbers(cell)[1:] for cell in cells[:3]] == bounds
    in_use = [numbers(cell) for cell in table.rows[1][2:]]
    for name, cell in zip(("positive_rate", "precision", "recall", "f1"), in_use, strict=True):
        metric = metric_of(result, name)
        assert metric.interval is not None
        assert cell == (metric.value, metric.interval.low, metric.interval.high)
    check_result(auditbench_performance, result)


@given(rows=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=30))
def test_found_thresholds_are_the_best_of_all(rows: list[tuple[int, bool]]) -> None:
    probability, positive = np.array([score for score, _ in rows]) / 10, np.array([label for _, label in rows])
    if positive.all() or not positive.any():
        return
    every = np.unique(probability)
    f1 = [sklearn.f1_score(positive, probability >= threshold) for threshold in every]
    balanced = [sklearn.balanced_accuracy_score(positive, probability >= threshold) for threshold in every]
    assert f1[every.tolist().index(best_f1(probability, positive))] == pytest.approx(max(f1))
    place = every.tolist().index(best_balanced_accuracy(probability, positive))
    assert balanced[place] == pytest.approx(max(balanced))


def test_found_thresholds_are_measured_on_the_other_half() -> None:
    p, y = scored(800, np.random.default_rng(2))
    p = p.astype(np.float32).astype(float)
    context = toy_context(given_outputs_subject(p, y, threshold=0.7), analyzer="performance")
    table = table_of(analyze(context, FEW), "found_thresholds")
    first = first_half(800, context.rng("thresholds"))
    assert table.n == 400
    in_use, by_f1, by_balance = table.rows
    assert in_use[1] == 0.7
    assert by_f1[1] == best_f1(p[first], y[first] == 1)
    assert by_balance[1] == best_balanced_accuracy(p[first], y[first] == 1)
    one, two = (sklearn.f1_score(y[~first], p[~first] >= threshold) for threshold in (by_f1[1], 0.7))
    assert numbers(by_f1[5])[0] == pytest.approx(one)
    gain, low, high = numbers(by_f1[6])
    assert gain == pytest.approx(one - two)
    picks = np.random.default_rng(0).integers(0, 400, (600, 400))
    drawn = [
        sklearn.f1_score(y[~first][rows], p[~first][rows] >= by_f1[1])
        - sklearn.f1_score(y[~first][rows], p[~first][rows] >= 0.7)
        for rows in picks
    ]
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.2 * (high - low))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_temperature_is_that_of_a_plain_minimisation(classes: int) -> None:
    p, y = scored(700, np.random.default_rng(3)) if classes == 2 else several(700, np.random.default_rng(3))
    table = np.stack([1 - p, p], axis=1) if classes == 2 else p

    def loss(temperature: float) -> float:
        scaled = np.log(table) / temperature
        return -float(np.mean(scaled[np.arange(700), y] - np.log(np.exp(scaled).sum(axis=1))))

    best = optimize.minimize_scalar(loss, bounds=(0.2, 5), method="bounded", options={"xatol": 1e-9}).x
    found = fit_temperature(table, y, Sample(n=700, replicates=40))
    assert found.estimate == pytest.approx(best, rel=1e-5)
    scaled = at_temperature(table, 1.7)
    assert scaled == pytest.approx(torch.softmax(torch.log(torch.from_numpy(table)) / 1.7, dim=1).numpy())


def test_the_temperature_table_is_of_the_other_half_and_nothing_is_applied() -> None:
    q, y = several(900, np.random.default_rng(4))
    q = q.astype(np.float32).astype(float)
    options: dict[str, Any] = {"task": "multiclass-classification", "classes": tuple("abcd")}
    context = toy_context(given_outputs_subject(q, y, **options), analyzer="performance")
    result = analyze(context, FEW)
    metric = metric_of(result, "temperature")
    first = first_half(900, context.rng("temperature"))
    assert metric.n == 450
    assert metric.value is not None
    losses, errors = table_of(result, "temperature").rows
    for cell, temperature in ((1, 1.0), (2, metric.value)):
        scaled = torch.softmax(torch.log(torch.from_numpy(q[~first])) / temperature, dim=1).numpy()
        assert numbers(losses[cell])[0] == pytest.approx(sklearn.log_loss(y[~first], scaled), rel=1e-5)
        error = stats.expected_calibration_error(scaled.max(axis=1), scaled.argmax(axis=1) == y[~first])
        assert numbers(errors[cell])[0] == pytest.approx(error, rel=1e-4)
    assert numbers(losses[3])[0] == pytest.approx(numbers(losses[2])[0] - numbers(losses[1])[0])
    assert errors[3] is None
    assert metric_of(result, "log_loss").value == pytest.approx(sklearn.log_loss(y, q / q.sum(axis=1, keepdims=True)))
    check_result(auditbench_performance, result)


@pytest.mark.parametrize(
    ("p", "y"),
    [
        pytest.param([0.6, 0.7, 0.8, 0.9], [1, 1, 1, 1], id="always-right"),
        pytest.param([0.6, 0.7, 0.2, 0.1], [0, 0, 1, 1], id="always-wrong"),
        pytest.param([0.5, 0.5, 0.5, 0.5], [0, 1, 1, 0], id="no-opinion"),
        pytest.param([1.0, 0.0, 1.0, 0.0], [1, 0, 0, 0], id="decisions"),
        pytest.param([0.7], [1], id="one-row"),
    ],
)
def test_where_no_temperature_is_best_there_is_none(p: list[float], y: list[int]) -> None:
    table = np.stack([1 - np.array(p), p], axis=1)
    assert fit_temperature(table, np.array(y), Sample(n=len(y), replicates=40)).estimate is None


def test_decisions_have_neither_thresholds_nor_a_temperature() -> None:
    rng = np.random.default_rng(5)
    result = result_of(rng.integers(0, 2, 200), rng.integers(0, 2, 200))
    assert {table.name for table in result.tables} == {"brier_parts"}
    assert metric_of(result, "temperature").value is None
    check_result(auditbench_performance, result)


@settings(max_examples=50)
@given(rows=st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=40))
def test_the_parts_of_the_brier_score_are_those_of_an_isotonic_fit_and_add_up(rows: list[tuple[int, bool]]) -> None:
    probability, outcome = np.array([score for score, _ in rows]) / 12, np.array([label for _, label in rows])
    fitted = isotonic.isotonic_regression(  # rows of one probability are pooled by their mean
        [outcome[probability == level].mean() for level in np.unique(probability)],
        sample_weight=[(probability == level).sum() for level in np.unique(probability)],
    )
    best = np.mean((fitted[np.searchsorted(np.unique(probability), probability)] - outcome) ** 2)
    score, base = np.mean((probability - outcome) ** 2), outcome.mean()
    miscalibration, discrimination, uncertainty = brier_parts(probability, outcome)
    assert (miscalibration, discrimination) == pytest.approx((score - best, base * (1 - base) - best), abs=1e-12)
    assert miscalibration - discrimination + uncertainty == pytest.approx(score)
    assert min(miscalibration, discrimination) >= -1e-12


def test_the_parts_of_several_classes_add_up_to_the_score() -> None:
    q, y = several(400, np.random.default_rng(6))
    result = result_of(q, y, task="multiclass-classification", classes=tuple("abcd"))
    values = [row[1] for row in table_of(result, "brier_parts").rows]
    assert sum(values[:3]) == pytest.approx(values[3])
    assert values[3] == pytest.approx(metric_of(result, "brier").value)


def test_residuals_by_band_are_counted_by_hand() -> None:
    rng = np.random.default_rng(7)
    predicted = rng.normal(size=400).round(1).astype(np.float32).astype(float)
    labels = predicted + rng.standard_t(3, 400) * np.exp(predicted / 2)
    result = result_of(predicted, labels, task="regression", output="value")
    table, curve = table_of(result, "residuals"), result.curves[0]
    edges = [-math.inf, *np.unique(np.quantile(predicted, np.arange(1, 10) / 10)), math.inf]
    assert sum(row[1] for row in table.rows) == 400  # type: ignore[misc]
    for place, row in enumerate(table.rows):
        inside = (predicted >= edges[place]) & (predicted < edges[place + 1])
        residual = (predicted - labels)[inside]
        assert row[1] == inside.sum()
        assert numbers(row[2]) == pytest.approx((residual.mean(), *_t_interval(residual)), rel=1e-6)
        assert numbers(row[3])[0] == pytest.approx(np.median(abs(residual)))
        assert numbers(row[4]) == pytest.approx(tuple(np.quantile(residual, [0.25, 0.75])))
        assert [series.y[place] for series in curve.series] == pytest.approx(np.quantile(residual, [0.05, 0.5, 0.95]))
    check_result(auditbench_performance, result)


def _t_interval(values: Any) -> tuple[float, float]:
    low, high = scipy_stats.t.interval(0.95, len(values) - 1, values.mean(), scipy_stats.sem(values))
    return float(low), float(high)


@pytest.mark.parametrize("values", [np.zeros(200), np.arange(200) % 2, np.arange(30)])
def test_bands_have_rows_enough_to_hide_each(values: Any) -> None:
    rng = np.random.default_rng(8)
    result = result_of(values, values + rng.normal(size=len(values)), task="regression", output="value")
    sizes = [row[1] for table in result.tables for row in table.rows]
    assert all(size >= 20 for size in sizes)  # type: ignore[operator]
    assert len(sizes) == (2 if values.max() == 1 else 0)
    check_result(auditbench_performance, result)


def test_weights_are_said_not_to_count() -> None:
    p, y = scored(200, np.random.default_rng(9))
    with_weights = result_of(p, y, weights=np.ones(200))
    notes = {note.text.key for note in with_weights.notes} - {note.text.key for note in result_of(p, y).notes}
    assert notes == {"performance.limit.weights"}


def share_held(sets: int, held: Callable[[np.random.Generator], bool | None]) -> float:
    found = [held(np.random.default_rng(seed)) for seed in range(sets)]
    return float(np.mean([each for each in found if each is not None]))


def holds(interval: Any, truth: float) -> bool | None:
    return None if interval.low is None else bool(interval.low <= truth <= interval.high)


SETS = pytest.mark.parametrize(
    ("sets", "least", "most"), [(150, 0.89, 1.0), pytest.param(1500, 0.93, 0.97, marks=pytest.mark.nightly)]
)


@SETS
def test_intervals_of_f1_cover_as_stated(sets: int, least: float, most: float) -> None:
    p, y = scored(1_000_000, np.random.default_rng(10))
    truth = sklearn.f1_score(y, p >= 0.5)

    def held(rng: np.random.Generator) -> bool | None:
        score, label = scored(200, rng)
        return holds(f1_score(label == 1, score >= 0.5).interval, truth)

    assert least <= share_held(sets, held) <= most


@SETS
@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_of_the_temperature_cover_as_stated(clustered: bool, sets: int, least: float, most: float) -> None:
    """In clusters of 20 rows that share a part of what is not known, the best temperature is another one."""

    def drawn(rows: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
        ids, logit = np.arange(rows) // 20, rng.normal(-0.5, 2.0, rows)
        shared = rng.normal(0, 0.7, rows // 20 + 1)[ids] if clustered else 0.0
        labels = (rng.random(rows) < 1 / (1 + np.exp(-logit - shared))).astype(int)
        positive = 1 / (1 + np.exp(-1.5 * logit))
        return np.stack([1 - positive, positive], axis=1), labels, clusters_of(ids) if clustered else None

    p, y, _ = drawn(400_000, np.random.default_rng(11))
    truth = fit_temperature(p, y, Sample(n=400_000, replicates=40)).estimate
    assert truth is not None
    assert clustered or truth == pytest.approx(1.5, rel=0.02)

    def held(rng: np.random.Generator) -> bool | None:
        table, labels, clusters = drawn(600, rng)
        return holds(fit_temperature(table, labels, Sample(n=600, replicates=40, clusters=clusters)), truth)

    assert least <= share_held(sets, held) <= most


@given(rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=25), place=st.integers(0, 2))
def test_the_rank_correlation_is_that_of_scipy_and_moves_as_its_influence_says(
    rows: list[tuple[int, int]], place: int
) -> None:
    one, two = np.array(rows, dtype=float).T
    found, influence = rank_correlation(one, two, Sample(n=len(rows), replicates=40))
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        assert (found.estimate, influence) == (None, None)
        return
    assert found.estimate == pytest.approx(scipy_stats.spearmanr(one, two).statistic)
    times, step = 1_000_000, 20  # as many copies of each row, and a few more of one
    copies = np.full(len(rows), times)
    copies[place] += step
    moved = (_weighted_spearman(one, two, copies) - _weighted_spearman(one, two, copies * 0 + times)) * times / step
    assert influence is not None
    assert influence[place] / len(rows) == pytest.approx(moved, abs=1e-4)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


def _weighted_spearman(one: Any, two: Any, weights: Any) -> float:
    ranks = [np.array([weights[x < value].sum() + weights[x == value].sum() / 2 for value in x]) for x in (one, two)]
    return float(
        np.cov(*ranks, fweights=weights)[0, 1] / math.sqrt(np.prod([np.cov(r, fweights=weights) for r in ranks]))
    )


@SETS
def test_intervals_of_the_rank_correlation_cover_as_stated(sets: int, least: float, most: float) -> None:
    def drawn(rows: int, rng: np.random.Generator) -> tuple[Any, Any]:
        predicted = rng.normal(size=rows)
        return predicted, rng.standard_t(5, rows) * np.exp(0.3 * predicted)

    x, error = drawn(1_000_000, np.random.default_rng(12))
    truth = scipy_stats.spearmanr(x, abs(error)).statistic

    def held(rng: np.random.Generator) -> bool | None:
        predicted, residual = drawn(300, rng)
        return holds(absolute_error_correlation(predicted, residual, Sample(n=300, replicates=40)).interval, truth)

    assert least <= share_held(sets, held) <= most
