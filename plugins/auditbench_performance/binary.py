"""Metrics of a binary classifier; the second class is the positive one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from auditbench.results import Curve, Metric
from auditbench.statistics import (
    auc_influence,
    average_precision_influence,
    delong_interval,
    mean_influence,
)
from auditbench_performance.confusion import (
    balanced_accuracy,
    balanced_accuracy_influence,
    bootstrap_counts,
    class_counts,
)
from auditbench_performance.curves import precision_recall_curve, reliability_curve, roc_curve
from auditbench_performance.measures import (
    bootstrapped,
    calibration_errors,
    chance_calibration_error,
    estimated,
    f1_score,
    measured,
    proportion,
)
from auditbench_performance.resampling import (
    Sample,
    bootstrap_weighted,
    calibration_error_by_chance,
    weighted_average_precision,
    weighted_mean,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.statistics import Clusters
    from auditbench_performance import Params
    from auditbench_performance.confusion import ClassCounts
    from auditbench_performance.measures import RowInfluence

    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]


def binary_metrics(
    context: AuditContext, params: Params, probability: Numbers, y_true: Labels, y_pred: Labels, sample: Sample
) -> tuple[Metric, ...]:
    """All metrics of a binary classifier.

    Args:
        probability: Of the positive class, shape `(rows,)`.
        y_true: 0 or 1, shape `(rows,)`; `y_pred`, the decisions, alike.
    """
    return (
        *_proportions(y_true == 1, y_pred == 1, sample.clusters),
        _balanced_accuracy(y_true, y_pred, sample, context.rng("confusion")),
        f1_score(y_true == 1, y_pred == 1, sample.clusters),
        *_score_metrics(probability, y_true, sample, context.rng("rows")),
        *calibration_errors(probability, y_true == 1, params.bins, sample, context.rng("calibration")),
        chance_calibration_error(
            calibration_error_by_chance(probability, params.bins, sample, context.rng("calibrated")), sample
        ),
    )


def binary_curves(
    params: Params, probability: Numbers, y_true: npt.NDArray[Any], label: str, sample: Sample
) -> tuple[Curve, ...]:
    """Those curves that the labels allow: ROC needs both classes, precision-recall needs positives."""
    positives = int(y_true.sum())
    curves = []
    if 0 < positives < len(y_true):
        curves.append(roc_curve(probability, y_true, label))
    if positives:
        curves.append(precision_recall_curve(probability, y_true, label))
    if len(y_true):
        curves.append(reliability_curve(probability, y_true, params.bins, label, sample.clusters))
    return tuple(curves)


def _proportions(
    positive: npt.NDArray[np.bool_], selected: npt.NDArray[np.bool_], clusters: Clusters | None
) -> tuple[Metric, ...]:
    majority = positive if 2 * int(positive.sum()) > len(positive) else ~positive
    return (
        proportion("accuracy", positive == selected, reason="no_rows", clusters=clusters),
        proportion("majority_class_accuracy", majority, reason="no_rows", clusters=clusters),
        proportion("precision", positive, selected, reason="none_predicted", clusters=clusters),
        proportion("recall", selected, positive, reason="no_positives", clusters=clusters),
        proportion("specificity", ~selected, ~positive, reason="no_negatives", clusters=clusters),
        proportion("base_rate", positive, reason="no_rows", clusters=clusters),
        proportion("positive_rate", selected, reason="no_rows", clusters=clusters),
    )


def _balanced_accuracy(y_true: Labels, y_pred: Labels, sample: Sample, rng: np.random.Generator) -> Metric:
    counts = class_counts(y_true, y_pred, 2)
    occurring = counts.labelled > 0

    def statistic(drawn: ClassCounts) -> Numbers:
        return balanced_accuracy(drawn, occurring)[:, None]

    def influence() -> Numbers:
        return balanced_accuracy_influence(counts, occurring, y_true, y_pred)

    estimates = bootstrap_counts(statistic, y_true, y_pred, 2, sample, rng)
    return bootstrapped(measured("balanced_accuracy", sample), estimates, 0, reason="one_class", influence=influence)


def _score_metrics(
    probability: Numbers, y_true: Labels, sample: Sample, rng: np.random.Generator
) -> tuple[Metric, ...]:
    import numpy as np

    smallest = np.finfo(np.float64).eps
    kept = np.clip(np.where(y_true == 1, probability, 1.0 - probability), smallest, 1.0 - smallest)
    losses, squares = -np.log(kept), (probability - y_true) ** 2
    statistics = {
        "average_precision": weighted_average_precision(probability, y_true),
        "log_loss": weighted_mean(losses),
        "brier": weighted_mean(squares),
    }
    influences: dict[str, RowInfluence] = {
        "average_precision": partial(average_precision_influence, probability, y_true),
        "log_loss": partial(mean_influence, losses),
        "brier": partial(mean_influence, squares),
    }
    estimates = bootstrap_weighted(statistics, sample, rng)
    reasons = {"average_precision": "no_positives"}
    metrics = [
        bootstrapped(
            measured(name, sample),
            estimates,
            index,
            reason=reasons.get(name, "no_rows"),
            influence=influences[name],
        )
        for index, name in enumerate(statistics)
    ]
    area = delong_interval(probability, y_true, clusters=sample.clusters)
    return estimated(measured("auc", sample), area, partial(auc_influence, probability, y_true)), *metrics
