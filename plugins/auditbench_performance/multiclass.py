"""Metrics of a classifier of several classes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from auditbench.results import Curve, Metric
from auditbench.statistics import (
    MOST_INFLUENCES,
    mean_influence,
)
from auditbench_performance.confusion import (
    ClassCounts,
    balanced_accuracy,
    balanced_accuracy_influence,
    bootstrap_counts,
    class_counts,
    macro_f1,
    macro_f1_influence,
)
from auditbench_performance.curves import reliability_curve
from auditbench_performance.measures import (
    bootstrapped,
    calibration_errors,
    chance_calibration_error,
    measured,
    proportion,
)
from auditbench_performance.resampling import (
    Sample,
    bootstrap_weighted,
    calibration_error_by_chance,
    weighted_mean,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.statistics import Clusters
    from auditbench_performance import Params
    from auditbench_performance.measures import RowInfluence

    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]

_CLASS_METRICS = 3


def multiclass_metrics(
    context: AuditContext, params: Params, probabilities: Numbers, y_true: Labels, y_pred: Labels, sample: Sample
) -> tuple[Metric, ...]:
    """All metrics of a classifier of several classes.

    Args:
        probabilities: Shape `(rows, classes)`.
        y_true: Class indices, shape `(rows,)`; `y_pred`, the decisions, alike.
    """
    classes = probabilities.shape[1]
    counts = class_counts(y_true, y_pred, classes)
    frequent = counts.labelled.argmax()
    chance = calibration_error_by_chance(probabilities.max(axis=1), params.bins, sample, context.rng("calibrated"))
    return (
        proportion("accuracy", y_pred == y_true, reason="no_rows", clusters=sample.clusters),
        proportion("majority_class_accuracy", y_true == frequent, reason="no_rows", clusters=sample.clusters),
        _gain_over_majority(y_pred == y_true, y_true == frequent, sample, context.rng("majority")),
        *_count_metrics(y_true, y_pred, classes, sample, context.rng("confusion")),
        *top_k_accuracy(probabilities, y_true, params.top_k, sample),
        *probability_metrics(params, probabilities, y_true, sample, context.rng("rows")),
        chance_calibration_error(chance, sample),
        *_class_metrics(y_true, y_pred, context.data.classes, _listed(counts, params.most_classes), sample.clusters),
    )


def top_class_reliability(
    params: Params, probabilities: Numbers, y_true: npt.NDArray[Any], label: str, sample: Sample
) -> tuple[Curve, ...]:
    """Share of right decisions against the probability of the most probable class; none without rows."""
    if len(y_true) == 0:
        return ()
    right = probabilities.argmax(axis=1) == y_true
    return (reliability_curve(probabilities.max(axis=1), right, params.bins, label, sample.clusters),)


def top_k_accuracy(probabilities: Numbers, y_true: Labels, k: int, sample: Sample) -> tuple[Metric, ...]:
    """Top-k accuracy where there are more than `k` classes; a tie with the true class counts against the model."""
    import numpy as np

    n, classes = probabilities.shape
    if classes <= k:
        return ()
    own = probabilities[np.arange(n), y_true]
    rivals = np.count_nonzero(probabilities >= own[:, np.newaxis], axis=1) - 1
    where = {"k": str(k)}
    return (proportion("top_k_accuracy", rivals < k, reason="no_rows", clusters=sample.clusters, where=where),)


def probability_metrics(
    params: Params, probabilities: Numbers, y_true: Labels, sample: Sample, rng: np.random.Generator
) -> tuple[Metric, ...]:
    """Log loss and Brier score with bootstrap intervals, and the calibration errors of the most probable class.

    Args:
        probabilities: Shape `(rows, classes)`.
        y_true: Class indices, shape `(rows,)`.
    """
    import numpy as np

    n = len(y_true)
    smallest = np.finfo(np.float64).eps
    own = np.clip(probabilities[np.arange(n), y_true], smallest, 1.0)
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true
    losses, squares = -np.log(own), _squared_errors(probabilities, y_true)
    statistics = {
        "log_loss": weighted_mean(losses),
        "brier": weighted_mean(squares),
    }
    influences: dict[str, RowInfluence] = {
        "log_loss": partial(mean_influence, losses),
        "brier": partial(mean_influence, squares),
    }
    estimates = bootstrap_weighted(statistics, sample, rng)
    means = [
        bootstrapped(measured(name, sample), estimates, index, reason="no_rows", influence=influences[name])
        for index, name in enumerate(statistics)
    ]
    return *means, *calibration_errors(top, right, params.bins, sample, rng)


def _gain_over_majority(
    right: npt.NDArray[np.bool_], frequent: npt.NDArray[np.bool_], sample: Sample, rng: np.random.Generator
) -> Metric:
    """Accuracy less that of always predicting the most frequent class, row by row, so that the rows' noise cancels."""
    gain = right.astype("float64") - frequent
    estimates = bootstrap_weighted({"gain": weighted_mean(gain)}, sample, rng)
    stands = measured("gain_over_majority", sample)
    return bootstrapped(stands, estimates, 0, reason="no_rows", influence=partial(mean_influence, gain))


def _count_metrics(
    y_true: Labels, y_pred: Labels, classes: int, sample: Sample, rng: np.random.Generator
) -> tuple[Metric, ...]:
    import numpy as np

    counts = class_counts(y_true, y_pred, classes)
    occurring = counts.labelled > 0
    involved = occurring | (counts.predicted > 0)

    def statistic(drawn: ClassCounts) -> Numbers:
        return np.stack([balanced_accuracy(drawn, occurring), macro_f1(drawn, involved)], axis=1)

    estimates = bootstrap_counts(statistic, y_true, y_pred, classes, sample, rng)
    balanced, f1 = measured("balanced_accuracy", sample), measured("macro_f1", sample)

    def of_balanced() -> Numbers:
        return balanced_accuracy_influence(counts, occurring, y_true, y_pred)

    def of_f1() -> Numbers:
        return macro_f1_influence(counts, involved, y_true, y_pred)

    return (
        bootstrapped(balanced, estimates, 0, reason="one_class", influence=of_balanced),
        bootstrapped(f1, estimates, 1, reason="no_rows", influence=of_f1),
    )


def _squared_errors(probabilities: Numbers, y_true: Labels) -> Numbers:
    """Sum over classes of (probability - 1 for the true class, else 0) squared, shape `(rows,)`."""
    import numpy as np

    own = probabilities[np.arange(len(y_true)), y_true]
    return np.asarray(np.square(probabilities).sum(axis=1) - own**2 + (1 - own) ** 2)


def _listed(counts: ClassCounts, most: int) -> tuple[int, ...]:
    """The classes that have metrics of their own: the most frequent ones, in the order of the classes."""
    import numpy as np

    return tuple(sorted(np.argsort(-counts.labelled, kind="stable")[:most].tolist()))


def _class_metrics(
    y_true: Labels, y_pred: Labels, classes: tuple[str, ...], listed: tuple[int, ...], clusters: Clusters | None
) -> tuple[Metric, ...]:
    """Metrics of each listed class; with very many classes and rows they do not say what each row does to them."""
    by_row = _CLASS_METRICS * len(listed) * len(y_true) <= MOST_INFLUENCES
    metrics = []
    for index in listed:
        own, found = y_true == index, y_pred == index
        share = partial(proportion, clusters=clusters, where={"class": classes[index]}, by_row=by_row)
        metrics += [
            share("recall", found, own, reason="no_rows_of_class"),
            share("precision", own, found, reason="class_never_predicted"),
            share("base_rate", own, reason="no_rows"),
        ]
    return tuple(metrics)
