"""Metrics of a binary classifier; the second class is the positive one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.results import Curve, Metric
from auditbench.statistics import delong_interval, multinomial_replicates, percentile_intervals
from auditbench_performance.confusion import balanced_accuracy, f1_scores
from auditbench_performance.curves import precision_recall_curve, reliability_curve, roc_curve
from auditbench_performance.measures import Measured, bootstrapped, chance_calibration_error, estimated, proportion
from auditbench_performance.resampling import (
    bootstrap_weighted,
    calibration_error_by_chance,
    weighted_average_precision,
    weighted_calibration_error,
    weighted_mean,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_performance import Params

    Counts = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]


def binary_metrics(
    context: AuditContext, params: Params, probability: Numbers, y_true: npt.NDArray[Any], counts: Counts
) -> tuple[Metric, ...]:
    """All metrics of a binary classifier.

    Args:
        probability: Of the positive class, shape `(rows,)`.
        y_true: 0 or 1, shape `(rows,)`.
        counts: Confusion matrix, shape `(2, 2)`.
    """
    return (
        *_proportions(counts),
        *_count_metrics(counts, params.replicates, context.rng("confusion")),
        *_score_metrics(params, probability, y_true, context.rng("rows")),
        chance_calibration_error(
            calibration_error_by_chance(probability, params.bins, params.replicates, context.rng("calibrated")),
            len(y_true),
        ),
    )


def binary_curves(params: Params, probability: Numbers, y_true: npt.NDArray[Any], label: str) -> tuple[Curve, ...]:
    """Those curves that the labels allow: ROC needs both classes, precision-recall needs positives."""
    positives = int(y_true.sum())
    curves = []
    if 0 < positives < len(y_true):
        curves.append(roc_curve(probability, y_true, label))
    if positives:
        curves.append(precision_recall_curve(probability, y_true, label))
    if len(y_true):
        curves.append(reliability_curve(probability, y_true, params.bins, label))
    return tuple(curves)


def _proportions(counts: Counts) -> tuple[Metric, ...]:
    (tn, fp), (fn, tp) = counts.tolist()
    n = tn + fp + fn + tp
    return (
        proportion("accuracy", tp + tn, n, n=n, reason="no_rows"),
        proportion("majority_class_accuracy", max(tp + fn, tn + fp), n, n=n, reason="no_rows"),
        proportion("precision", tp, tp + fp, n=n, reason="none_predicted"),
        proportion("recall", tp, tp + fn, n=n, reason="no_positives"),
        proportion("specificity", tn, tn + fp, n=n, reason="no_negatives"),
        proportion("base_rate", tp + fn, n, n=n, reason="no_rows"),
        proportion("positive_rate", tp + fp, n, n=n, reason="no_rows"),
    )


def _count_metrics(counts: Counts, replicates: int, rng: np.random.Generator) -> tuple[Metric, ...]:
    import numpy as np

    n, occurring = int(counts.sum()), counts.sum(axis=1) > 0
    drawn = np.concatenate([counts[np.newaxis], multinomial_replicates(counts, replicates, rng)])
    values = np.stack([balanced_accuracy(drawn, occurring), f1_scores(drawn)[:, 1]], axis=1)
    estimates = percentile_intervals(values[0], values[1:])
    return (
        bootstrapped(Measured(name="balanced_accuracy", n=n), estimates, 0, reason="one_class"),
        bootstrapped(Measured(name="f1", n=n), estimates, 1, reason="no_positives_at_all"),
    )


def _score_metrics(
    params: Params, probability: Numbers, y_true: npt.NDArray[Any], rng: np.random.Generator
) -> tuple[Metric, ...]:
    import numpy as np

    n = len(y_true)
    smallest = np.finfo(np.float64).eps
    kept = np.clip(np.where(y_true == 1, probability, 1.0 - probability), smallest, 1.0 - smallest)
    statistics = {
        "average_precision": weighted_average_precision(probability, y_true),
        "log_loss": weighted_mean(-np.log(kept)),
        "brier": weighted_mean((probability - y_true) ** 2),
        "expected_calibration_error": weighted_calibration_error(probability, y_true, params.bins),
    }
    estimates = bootstrap_weighted(statistics, n, params.replicates, rng)
    reasons = {"average_precision": "no_positives"}
    metrics = [
        bootstrapped(Measured(name=name, n=n), estimates, index, reason=reasons.get(name, "no_rows"))
        for index, name in enumerate(statistics)
    ]
    return estimated(Measured(name="auc", n=n), delong_interval(probability, y_true)), *metrics
