"""Every performance metric against scikit-learn on the same predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import softmax
from sklearn import metrics as sklearn

from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_performance import Params
from auditbench_performance.analysis import analyze
from tests.plugin_results import metric_of

FEW = Params(replicates=60)


def values(result: AnalysisResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in result.metrics if not metric.where}


def result_of(outputs: Any, y_true: Any, params: Params = FEW, **options: Any) -> AnalysisResult:
    return analyze(toy_context(given_outputs_subject(outputs, y_true, **options), analyzer="performance"), params)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_binary(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(500).round(2).astype(np.float32).astype(float)
    y = (rng.random(500) < p).astype(int)
    d = (p >= threshold).astype(int)
    result = result_of(p, y, threshold=threshold)
    wanted = {
        "accuracy": sklearn.accuracy_score(y, d),
        "balanced_accuracy": sklearn.balanced_accuracy_score(y, d),
        "precision": sklearn.precision_score(y, d),
        "recall": sklearn.recall_score(y, d),
        "specificity": sklearn.recall_score(y, d, pos_label=0),
        "f1": sklearn.f1_score(y, d),
        "auc": sklearn.roc_auc_score(y, p),
        "average_precision": sklearn.average_precision_score(y, p),
        "log_loss": sklearn.log_loss(y, p),
        "brier": sklearn.brier_score_loss(y, p),
        "majority_class_accuracy": max(y.mean(), 1 - y.mean()),
    }
    found = values(result)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert np.array(result.matrices[0].values).tolist() == sklearn.confusion_matrix(y, d).tolist()
    roc, precision_recall, _ = (curve.series[0] for curve in result.curves)
    fpr, tpr, _ = sklearn.roc_curve(y, p, drop_intermediate=False)
    assert {(round(a, 9), round(b, 9)) for a, b in zip(roc.x, roc.y, strict=True)} <= {
        (round(a, 9), round(b, 9)) for a, b in zip(fpr, tpr, strict=True)
    }
    precision, recall, _ = sklearn.precision_recall_curve(y, p)
    assert {(round(a, 9), round(b, 9)) for a, b in zip(precision_recall.x, precision_recall.y, strict=True)} <= {
        (round(a, 9), round(b, 9)) for a, b in zip(recall, precision, strict=True)
    }


@pytest.mark.parametrize("seed", range(3))
def test_multiclass(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(size=(400, 5)), axis=1).astype(np.float32).astype(float)
    y = np.array([rng.choice(5, p=row / row.sum()) for row in p])
    classes = tuple("abcde")
    result = result_of(p, y, task="multiclass-classification", classes=classes)
    d = p.argmax(axis=1)
    wanted = {
        "accuracy": sklearn.accuracy_score(y, d),
        "balanced_accuracy": sklearn.balanced_accuracy_score(y, d),
        "macro_f1": sklearn.f1_score(y, d, average="macro"),
        "log_loss": sklearn.log_loss(y, p / p.sum(axis=1, keepdims=True)),
        "brier": float(np.mean(np.sum((p - np.eye(5)[y]) ** 2, axis=1))),
    }
    found = values(result)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)
    recall, precision = sklearn.recall_score(y, d, average=None), sklearn.precision_score(y, d, average=None)
    for index, name in enumerate(classes):
        assert metric_of(result, "recall", **{"class": name}).value == pytest.approx(recall[index])
        assert metric_of(result, "precision", **{"class": name}).value == pytest.approx(precision[index])
    top = metric_of(result, "top_k_accuracy", k="3").value
    assert top == pytest.approx(sklearn.top_k_accuracy_score(y, p, k=3))


def test_regression() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(size=300).astype(np.float32).astype(float)
    y = 10 + predicted + rng.normal(size=300)
    found = values(result_of(predicted + 10, y, task="regression", output="value"))
    assert found == pytest.approx(
        {
            "mse": sklearn.mean_squared_error(y, predicted + 10),
            "rmse": sklearn.root_mean_squared_error(y, predicted + 10),
            "mae": sklearn.mean_absolute_error(y, predicted + 10),
            "mean_error": float(np.mean(predicted + 10 - y)),
            "r2": sklearn.r2_score(y, predicted + 10),
            "absolute_error_correlation": scipy_stats.spearmanr(predicted, abs(predicted + 10 - y)).statistic,
        },
        rel=1e-5,
    )


def test_bootstrap_intervals_equal_a_plain_loop_over_resampled_rows() -> None:
    rng = np.random.default_rng(4)
    p = rng.random(300).astype(np.float32).astype(float)
    y = (rng.random(300) < p).astype(int)
    result = result_of(p, y, Params(replicates=3000))
    peers = {
        "average_precision": sklearn.average_precision_score,
        "log_loss": lambda labels, scores: -np.log(np.where(labels == 1, scores, 1 - scores)).mean(),
        "brier": lambda labels, scores: np.mean((scores - labels) ** 2),
        "f1": lambda labels, scores: sklearn.f1_score(labels, scores >= 0.5),
    }
    picks = rng.integers(0, 300, (500, 300))
    for name, peer in peers.items():
        low, high = np.quantile([peer(y[rows], p[rows]) for rows in picks], [0.025, 0.975])
        interval = metric_of(result, name).interval
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.12 * (high - low)), name
