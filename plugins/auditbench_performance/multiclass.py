"""Metrics of a classifier of several classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.results import Curve, Metric
from auditbench.statistics import multinomial_replicates, percentile_intervals
from auditbench_performance.confusion import balanced_accuracy, macro_f1
from auditbench_performance.curves import reliability_curve
from auditbench_performance.measures import Measured, bootstrapped, chance_calibration_error, proportion
from auditbench_performance.resampling import (
    bootstrap_weighted,
    calibration_error_by_chance,
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


def multiclass_metrics(
    context: AuditContext, params: Params, probabilities: Numbers, y_true: npt.NDArray[Any], counts: Counts
) -> tuple[Metric, ...]:
    """All metrics of a classifier of several classes.

    Args:
        probabilities: Shape `(rows, classes)`.
        y_true: Class indices, shape `(rows,)`.
        counts: Confusion matrix, shape `(classes, classes)`.
    """
    n, hits = len(y_true), int(counts.trace())
    chance = calibration_error_by_chance(
        probabilities.max(axis=1), params.bins, params.replicates, context.rng("calibrated")
    )
    return (
        proportion("accuracy", hits, n, n=n, reason="no_rows"),
        proportion("majority_class_accuracy", int(counts.sum(axis=1).max()), n, n=n, reason="no_rows"),
        *_count_metrics(counts, params.replicates, context.rng("confusion")),
        *_top_k(probabilities, y_true, params.top_k),
        *_probability_metrics(params, probabilities, y_true, context.rng("rows")),
        chance_calibration_error(chance, n),
        *_class_metrics(counts, context.data.classes),
    )


def top_class_reliability(
    params: Params, probabilities: Numbers, y_true: npt.NDArray[Any], label: str
) -> tuple[Curve, ...]:
    """Share of right decisions against the probability of the most probable class; none without rows."""
    if len(y_true) == 0:
        return ()
    right = probabilities.argmax(axis=1) == y_true
    return (reliability_curve(probabilities.max(axis=1), right, params.bins, label),)


def _count_metrics(counts: Counts, replicates: int, rng: np.random.Generator) -> tuple[Metric, ...]:
    import numpy as np

    n, occurring = int(counts.sum()), counts.sum(axis=1) > 0
    involved = occurring | (counts.sum(axis=0) > 0)
    drawn = np.concatenate([counts[np.newaxis], multinomial_replicates(counts, replicates, rng)])
    values = np.stack([balanced_accuracy(drawn, occurring), macro_f1(drawn, involved)], axis=1)
    estimates = percentile_intervals(values[0], values[1:])
    return (
        bootstrapped(Measured(name="balanced_accuracy", n=n), estimates, 0, reason="one_class"),
        bootstrapped(Measured(name="macro_f1", n=n), estimates, 1, reason="no_rows"),
    )


def _top_k(probabilities: Numbers, y_true: npt.NDArray[Any], k: int) -> tuple[Metric, ...]:
    """Top-k accuracy where there are more than `k` classes; a tie with the true class counts against the model."""
    import numpy as np

    n, classes = probabilities.shape
    if classes <= k:
        return ()
    own = probabilities[np.arange(n), y_true]
    rivals = np.count_nonzero(probabilities >= own[:, np.newaxis], axis=1) - 1
    hits = int(np.count_nonzero(rivals < k))
    return (proportion("top_k_accuracy", hits, n, n=n, reason="no_rows", where={"k": str(k)}),)


def _probability_metrics(
    params: Params, probabilities: Numbers, y_true: npt.NDArray[Any], rng: np.random.Generator
) -> tuple[Metric, ...]:
    import numpy as np

    n = len(y_true)
    smallest = np.finfo(np.float64).eps
    own = np.clip(probabilities[np.arange(n), y_true], smallest, 1.0)
    observed = np.eye(probabilities.shape[1])[y_true]
    right = probabilities.argmax(axis=1) == y_true
    statistics = {
        "log_loss": weighted_mean(-np.log(own)),
        "brier": weighted_mean(((probabilities - observed) ** 2).sum(axis=1)),
        "expected_calibration_error": weighted_calibration_error(probabilities.max(axis=1), right, params.bins),
    }
    estimates = bootstrap_weighted(statistics, n, params.replicates, rng)
    return tuple(
        bootstrapped(Measured(name=name, n=n), estimates, index, reason="no_rows")
        for index, name in enumerate(statistics)
    )


def _class_metrics(counts: Counts, classes: tuple[str, ...]) -> tuple[Metric, ...]:
    n = int(counts.sum())
    metrics = []
    for index, name in enumerate(classes):
        hits, occurring, predicted = int(counts[index, index]), int(counts[index].sum()), int(counts[:, index].sum())
        where = {"class": name}
        metrics += [
            proportion("recall", hits, occurring, n=n, reason="no_rows_of_class", where=where),
            proportion("precision", hits, predicted, n=n, reason="class_never_predicted", where=where),
            proportion("base_rate", occurring, n, n=n, reason="no_rows", where=where),
        ]
    return tuple(metrics)
