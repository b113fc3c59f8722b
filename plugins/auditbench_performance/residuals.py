"""How residuals depend on the prediction: their percentiles and means in bands of it, none of them taken as normal."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import Axis, Cell, Column, Curve, Metric, Series, Table
from auditbench.statistics import clustered_mean_interval, mean_interval, quantile_interval
from auditbench_performance.measures import cell_of, estimated, measured, message
from auditbench_performance.rank_correlation import rank_correlation

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_performance.resampling import Sample

    Numbers = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]

MOST_BANDS, FEWEST_ROWS = 10, 20
_PERCENTILES = (5, 50, 95)


def absolute_error_correlation(y_pred: Numbers, residual: Numbers, sample: Sample) -> Metric:
    """Rank correlation of the size of errors with the prediction: away from 0, errors are not of one size everywhere."""
    estimate, influence = rank_correlation(y_pred, abs(residual), sample)
    where = measured("absolute_error_correlation", sample)
    if estimate.estimate is None:
        return where.metric(None, None, "constant_predictions" if sample.n else "no_rows")
    return estimated(where, estimate, lambda: influence)


def residual_blocks(
    y_pred: Numbers, residual: Numbers, sample: Sample, rng: np.random.Generator
) -> tuple[tuple[Table, ...], tuple[Curve, ...]]:
    """Residuals in bands of the prediction of about equally many rows, `FEWEST_ROWS` or more; nothing below two bands.

    Args:
        residual: Prediction less label, shape `(rows,)`.
    """
    bands = _bands(y_pred)
    if len(bands) < 2:
        return (), ()
    inner = [
        message("cell.band", low=low, high=high) for low, high in itertools.pairwise(edge for _, edge in bands[1:])
    ]
    names = [message("cell.under", high=bands[1][1]), *inner, message("cell.from", low=bands[-1][1])]
    title = message("residuals_by_prediction", bands=len(bands), n=sample.n)
    table = Table(
        name="residuals",
        title=title,
        columns=(
            Column(name="predictions", label=message("column.predictions")),
            Column(name="n", label=message("column.n"), kind="count"),
            Column(name="mean_error", label=message("mean_error")),
            Column(name="absolute_error", label=message("column.median_absolute_error")),
            Column(name="middle", label=message("column.middle_half")),
        ),
        rows=tuple(
            (name, *_line(residual[rows], sample.among(rows), rng))
            for name, (rows, _) in zip(names, bands, strict=True)
        ),
        n=sample.n,
    )
    curve = Curve(
        name="residual_percentiles",
        title=message("residual_percentiles", bands=len(bands), n=sample.n),
        x=Axis(label=message("axis.prediction"), unit="value"),
        y=Axis(label=message("axis.residual"), unit="value"),
        series=tuple(
            _series(percentile, y_pred, residual, [rows for rows, _ in bands], sample) for percentile in _PERCENTILES
        ),
    )
    return (table,), (curve,)


def _bands(y_pred: Numbers) -> list[tuple[Rows, float]]:
    """Rows of each band of the prediction with where it begins, which is open for the first; equal predictions share one."""
    count = min(MOST_BANDS, len(y_pred) // FEWEST_ROWS)
    if count < 2:
        return []
    edges, before = [-math.inf], 0
    for edge in np.quantile(y_pred, np.arange(1, count) / count).tolist():
        below = int(np.count_nonzero(y_pred < edge))
        if min(below - before, len(y_pred) - below) >= FEWEST_ROWS:
            edges, before = [*edges, edge], below
    place = np.searchsorted(edges, y_pred, side="right") - 1
    return [(place == number, low) for number, low in enumerate(edges)]


def _line(residual: Numbers, sample: Sample, rng: np.random.Generator) -> tuple[Cell, ...]:
    if sample.clusters is None:
        mean = mean_interval(residual)
    else:
        mean = clustered_mean_interval(residual, sample.clusters, rng=rng, replicates=sample.replicates)
    middle = quantile_interval(abs(residual), 0.5, clusters=sample.clusters)
    low, high = np.quantile(residual, [0.25, 0.75]).tolist()
    return (
        sample.n,
        cell_of(estimated(measured("mean_error", sample, unit="value"), mean), "number"),
        cell_of(estimated(measured("absolute_error_percentile", sample, unit="value"), middle), "number"),
        message("cell.span", low=low, high=high),
    )


def _series(percentile: int, y_pred: Numbers, residual: Numbers, bands: list[Rows], sample: Sample) -> Series:
    found = [
        quantile_interval(residual[rows], percentile / 100, clusters=sample.among(rows).clusters) for rows in bands
    ]
    return Series(
        label=message("percentile", percentile=percentile),
        x=tuple(float(y_pred[rows].mean()) for rows in bands),
        y=tuple(estimate.estimate for estimate in found),
        low=tuple(estimate.low for estimate in found),
        high=tuple(estimate.high for estimate in found),
        n=tuple(int(rows.sum()) for rows in bands),
    )
