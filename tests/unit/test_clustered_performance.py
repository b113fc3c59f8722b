"""Performance on rows that depend on each other: plain where each row stands alone, whole clusters elsewhere."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

import auditbench_performance
from auditbench import statistics as stats
from auditbench.messages import load_messages
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_performance import Params
from auditbench_performance.analysis import analyze
from auditbench_performance.confusion import bootstrap_counts, class_counts, drawn_counts, macro_f1
from auditbench_performance.resampling import Sample
from tests.plugin_results import check_result, metric_of

PARAMS = Params(replicates=300)
TASKS = ("binary-classification", "multiclass-classification", "regression")
TEXTS = np.repeat(np.arange(15), np.arange(6, 36, 2))
NO_SAMPLING = {"calibration_error_by_chance"}
OF_A_HALF = {"temperature"}
"""Of half of the clusters, which are other rows than half of the rows."""


def result_of(task: Any, clusters: Any, *, params: Params = PARAMS, rows: int = 300) -> AnalysisResult:
    """A model whose rows are alike within each of `TEXTS`."""
    rng = np.random.default_rng(0)
    text = rng.normal(size=15)[TEXTS[:rows]]
    score = text + rng.normal(size=rows)
    options: dict[str, Any] = {"task": task}
    if task == "binary-classification":
        outputs, y_true = 1 / (1 + np.exp(-score)), (score + text + rng.normal(size=rows) > 0).astype(int)
    elif task == "regression":
        outputs, y_true = score, score + text + rng.normal(size=rows)
        options["output"] = "value"
    else:
        y_true = (3 * scipy_stats.norm.cdf(score / math.sqrt(2))).astype(int).clip(0, 2)
        outputs = rng.dirichlet(np.ones(3), rows) + np.eye(3)[y_true] * (text > 0)[:, None]
        outputs = outputs / outputs.sum(axis=1, keepdims=True)
        options["classes"] = ("a", "b", "c")
    subject = given_outputs_subject(outputs, y_true, **options)
    data = subject.data.with_rows(lambda part: dataclasses.replace(part, clusters=clusters))
    context = toy_context(dataclasses.replace(subject, data=data), analyzer="performance", params=params)
    return analyze(context, params)


@pytest.mark.parametrize("task", TASKS)
def test_one_row_a_cluster_is_the_plain_result(task: str) -> None:
    assert result_of(task, np.arange(300)[::-1]) == result_of(task, None)


@pytest.mark.parametrize("task", TASKS)
def test_every_interval_is_of_clusters_and_most_are_wider(task: str) -> None:
    plain, found = result_of(task, None), result_of(task, TEXTS)
    check_result(auditbench_performance, found)
    wider = []
    for one, other in zip(plain.metrics, found.metrics, strict=True):
        if other.value is None or other.name in NO_SAMPLING | OF_A_HALF:
            continue
        assert other.value == pytest.approx(one.value)
        assert one.clusters is None
        assert other.clusters is not None
        assert 2 <= other.clusters <= 15
        if one.interval is not None and other.interval is not None:
            wider.append(other.interval.high - other.interval.low > one.interval.high - one.interval.low)
    assert len(wider) >= 9
    assert np.mean(wider) > 0.8
    note = next(note.text for note in found.notes if note.text.key.endswith("_clusters"))
    assert (note.values["rows"], note.values["clusters"]) == (300, 15)
    if task != "regression":
        reason = metric_of(found, "calibration_error_by_chance").reason
        assert reason is not None
        assert reason.key == "performance.undefined.clustered"


@pytest.mark.parametrize("task", TASKS)
def test_too_few_clusters_give_no_interval_and_say_so(task: str) -> None:
    few = TEXTS % (stats.FEWEST_CLUSTERS - 1)
    found = result_of(task, few)
    check_result(auditbench_performance, found)
    for metric in found.metrics:
        assert metric.interval is None
        if metric.value is not None and metric.name not in NO_SAMPLING | OF_A_HALF:
            assert (metric.no_interval, metric.clusters) == ("few_clusters", stats.FEWEST_CLUSTERS - 1)
    for curve in found.curves:
        assert set(curve.series[0].low) <= {None}
    limit = next(note.text for note in found.notes if note.text.key == "performance.limit.few_clusters")
    assert limit.values == {"rows": 300, "clusters": 6, "fewest": 7}


@pytest.mark.parametrize("task", TASKS)
def test_too_few_replicates_for_few_clusters_give_no_interval_and_the_number_needed(task: str) -> None:
    few, needed = TEXTS % 7, 244
    for replicates in (200, needed):
        found = result_of(task, few, params=Params(replicates=replicates))
        check_result(auditbench_performance, found)
        without = {metric.no_interval for metric in found.metrics if metric.value is not None}
        bootstrapped = {"mse", "rmse", "r2"} if task == "regression" else {"log_loss", "balanced_accuracy"}
        assert ("few_replicates" in without) == (replicates < needed)
        for name in bootstrapped:
            metric = metric_of(found, name)
            assert (metric.interval is None, metric.no_interval) == (
                (True, "few_replicates") if replicates < needed else (False, "")
            )
        limits = [note.text for note in found.notes if note.text.key == "performance.limit.few_replicates"]
        assert [text.values["fewest"] for text in limits] == ([needed] if replicates < needed else [])


@pytest.mark.parametrize("reason", ["few_clusters", "few_replicates", "dependent_rows"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_report_has_words_for_each_reason_without_an_interval(reason: str, language: str) -> None:
    words = load_messages("auditbench_html")[language]
    assert words[f"no_interval.{reason}"] != words["no_interval.not_estimated"]


def test_squared_error_and_r2_equal_a_plain_loop_over_resampled_clusters() -> None:
    rng = np.random.default_rng(1)
    y_true = rng.normal(size=300) + rng.normal(size=15)[TEXTS]
    y_pred = np.round(y_true + rng.normal(size=300) + rng.normal(size=15)[TEXTS], 3).astype(np.float32).astype(float)
    subject = given_outputs_subject(y_pred, y_true, task="regression", output="value")
    data = subject.data.with_rows(lambda part: dataclasses.replace(part, clusters=TEXTS))
    context = toy_context(dataclasses.replace(subject, data=data), analyzer="performance", params=PARAMS)
    result, draws = analyze(context, PARAMS), context.rng("rows")
    squares, explained = [], []
    for _ in range(300):
        chosen = np.concatenate([np.flatnonzero(text == TEXTS) for text in draws.integers(0, 15, 15)])
        errors, labels = (y_true - y_pred)[chosen] ** 2, y_true[chosen]
        squares.append(errors.mean())
        explained.append(1 - errors.mean() / labels.var())
    out = scipy_stats.norm.cdf(-math.sqrt(15 / 14) * scipy_stats.t.ppf(0.975, 14))
    for name, drawn in (("mse", squares), ("r2", explained)):
        interval = metric_of(result, name).interval
        assert interval is not None
        assert interval.method == "cluster-bootstrap-percentile"
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, [out, 1 - out])), rel=1e-5)


def all_at_once(y_true: Any, y_pred: Any, classes: int, replicates: int, rng: np.random.Generator) -> Any:
    """Counts of hits, labels and decisions of every replicate, from one draw of all of them."""
    pairs, counts = np.unique(y_true * classes + y_pred, return_counts=True)
    labels, decisions = np.divmod(pairs, classes)
    drawn = [counts, *stats.multinomial_replicates(counts, replicates, rng)]
    return [
        np.stack([np.bincount(of[kept], times[kept], classes) for times in drawn])
        for of, kept in ((labels, labels == decisions), (labels, labels >= 0), (decisions, labels >= 0))
    ]


@pytest.mark.parametrize("block", [1, 500, 1 << 22])
def test_blocks_change_no_bit_and_bound_what_is_held(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    rng = np.random.default_rng(2)
    y_true, y_pred = rng.integers(0, 9, 200), rng.integers(0, 9, 200)
    monkeypatch.setattr("auditbench_performance.confusion.BLOCK_COUNTS", block)
    sample = Sample(n=200, replicates=50)
    blocks = list(drawn_counts(y_true, y_pred, 9, sample, np.random.default_rng(3)))
    assert max(3 * part.hits.size for part in blocks) <= max(block, 3 * 9) + 3 * 9
    expected = all_at_once(y_true, y_pred, 9, 50, np.random.default_rng(3))
    for name, counts in zip(("hits", "labelled", "predicted"), expected, strict=True):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in blocks]), counts)


def test_counts_of_drawn_clusters_are_those_of_their_rows() -> None:
    rng = np.random.default_rng(4)
    y_true, y_pred, clusters = rng.integers(0, 4, 300), rng.integers(0, 4, 300), stats.clusters_of(TEXTS)
    sample = Sample(n=300, replicates=200, clusters=clusters)
    involved = np.ones(4, dtype=bool)
    found = bootstrap_counts(
        lambda drawn: macro_f1(drawn, involved)[:, None], y_true, y_pred, 4, sample, np.random.default_rng(5)
    )
    picks = np.random.default_rng(5).integers(0, 15, (200, 15))
    chosen = [np.concatenate([np.flatnonzero(text == TEXTS) for text in pick]) for pick in picks]
    drawn = [macro_f1(class_counts(y_true[rows], y_pred[rows], 4), involved) for rows in chosen]
    expected = stats.percentile_intervals(found.estimate[0], drawn, clusters=clusters)
    assert found.estimate[0] == macro_f1(class_counts(y_true, y_pred, 4), involved)
    assert (found.low[0], found.high[0]) == pytest.approx((float(expected.low), float(expected.high)))
