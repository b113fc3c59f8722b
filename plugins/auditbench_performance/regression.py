"""Metrics of a regression model: errors in the unit of the target, and their percentiles."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from auditbench.results import Interval, Metric
from auditbench.statistics import mean_influence, quantile_interval, r2_influence, root_mean_influence
from auditbench_performance.measures import bootstrapped, estimated, measured
from auditbench_performance.resampling import Sample, bootstrap_weighted, weighted_mean, weighted_r2
from auditbench_performance.residuals import absolute_error_correlation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_performance.measures import RowInfluence
    from auditbench_performance.resampling import WeightedStatistic

    Numbers = npt.NDArray[np.float64]

RESIDUAL_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
ABSOLUTE_ERROR_PERCENTILES = (50, 90, 95)


def regression_metrics(
    context: AuditContext, y_pred: Numbers, y_true: npt.NDArray[Any], sample: Sample
) -> tuple[Metric, ...]:
    """All metrics of a regression model; both arrays have shape `(rows,)`, a residual is prediction - label."""
    residual = y_pred - y_true
    statistics: dict[str, WeightedStatistic] = {
        "mse": weighted_mean(residual**2),
        "mae": weighted_mean(abs(residual)),
        "mean_error": weighted_mean(residual),
        "r2": weighted_r2(y_true, y_pred),
    }
    influences: dict[str, RowInfluence] = {
        "mse": partial(mean_influence, residual**2),
        "mae": partial(mean_influence, abs(residual)),
        "mean_error": partial(mean_influence, residual),
        "r2": partial(r2_influence, y_true, y_pred),
    }
    estimates = bootstrap_weighted(statistics, sample, context.rng("rows"))
    reasons = {"r2": "constant_labels" if sample.n else "no_rows"}
    units = {"mse": "value²", "r2": "1"}
    metrics = {
        name: bootstrapped(
            measured(name, sample, unit=units.get(name, "value")),
            estimates,
            index,
            reason=reasons.get(name, "no_rows"),
            influence=influences[name],
        )
        for index, name in enumerate(statistics)
    }
    return (
        _root(metrics["mse"], partial(root_mean_influence, residual**2), sample),
        *metrics.values(),
        absolute_error_correlation(y_pred, residual, sample),
        *_percentiles("absolute_error_percentile", abs(residual), ABSOLUTE_ERROR_PERCENTILES, sample),
        *_percentiles("residual_percentile", residual, RESIDUAL_PERCENTILES, sample),
    )


def _root(mse: Metric, influence: RowInfluence, sample: Sample) -> Metric:
    """Root mean squared error; its bounds are the roots of those of the mean squared error."""
    root = measured("rmse", sample, unit="value")
    if mse.value is None:
        return root.metric(None, None, "no_rows")
    interval = None
    if mse.interval is not None:
        bounds = math.sqrt(max(0.0, mse.interval.low)), math.sqrt(mse.interval.high)
        interval = Interval(low=bounds[0], high=bounds[1], level=mse.interval.level, method=mse.interval.method)
    return root.metric(math.sqrt(mse.value), interval, "", influence, without_interval=mse.no_interval)


def _percentiles(name: str, values: Numbers, percentiles: tuple[int, ...], sample: Sample) -> tuple[Metric, ...]:
    return tuple(
        estimated(
            measured(name, sample, unit="value", where={"percentile": str(percentile)}),
            quantile_interval(values, percentile / 100, clusters=sample.clusters),
        )
        for percentile in percentiles
    )
