"""What another temperature would do: fitted on one half of the rows, measured on the other, never applied."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import special

from auditbench.results import Column, Metric, Table
from auditbench.statistics import IntervalEstimate, first_half, jackknife_error
from auditbench_performance.measures import bootstrapped, calibration_errors, cell_of, estimated, measured, message
from auditbench_performance.resampling import Sample, bootstrap_weighted, weighted_mean
from auditbench_performance.thresholds import are_decisions

if TYPE_CHECKING:
    import numpy.typing as npt

    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Judged: TypeAlias = Callable[[Numbers, Labels], tuple[Numbers, npt.NDArray[np.bool_]]]

LEVEL = 0.95
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures that are looked at; a best one beyond them is undefined."""
_BLOCK_NUMBERS = 1 << 22
_SMALLEST = float(np.finfo(np.float64).eps)


def temperature_what_if(
    probabilities: Numbers, y_true: Labels, bins: int, label: str, sample: Sample, rng: np.random.Generator
) -> tuple[Metric, tuple[Table, ...]]:
    """The temperature that fits one half of the rows best, and what it would do to the other half.

    Args:
        probabilities: Shape `(rows, classes)`.
        bins: Of equal width, of the calibration error.
        label: Of the positive class of two classes, whose probability is judged; of more, empty: the largest one is.
    """
    first = first_half(sample.n, rng, sample.clusters)
    where, second = measured("temperature", sample.among(first), unit="times"), sample.among(~first)
    fitted = fit_temperature(probabilities[first], y_true[first], sample.among(first))
    if fitted.estimate is None:
        return where.metric(None, None, "no_temperature"), ()
    metric = estimated(where, fitted)
    judged = _of_positive if label else _of_largest
    before, after = (
        _judged(probabilities[~first], y_true[~first], temperature, judged) for temperature in (1.0, fitted.estimate)
    )
    return metric, (_table(before, after, metric, bins, label, second, rng),)


def fit_temperature(probabilities: Numbers, y_true: Labels, sample: Sample) -> IntervalEstimate:
    """The temperature of least log loss, with an interval on its logarithm that does not trust the model.

    Logits divided by T are the powers 1 / T of probabilities, up to their sum; the log loss is convex in 1 / T. Its error is
    that of an estimating equation (the sandwich), summed by cluster where rows depend on each other. Undefined
    (`undefined_statistic`) where no temperature from `COLDEST` to `HOTTEST` is best, as when all labels have the largest
    probability, none depends on it, or probabilities are decisions.

    Args:
        probabilities: Shape `(rows, classes)`.
        y_true: Class indices, shape `(rows,)`.

    Source: Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599, section 4.2; Huber (1967), Fifth Berkeley Symposium 1:221
    (the error where the model is wrong).
    """
    undefined = IntervalEstimate(
        estimate=None, low=None, high=None, level=LEVEL, method="sandwich-log", reason="undefined_statistic"
    )
    low, high = 1 / HOTTEST, 1 / COLDEST
    if sample.n < 2 or are_decisions(probabilities):
        return undefined
    if _slopes(probabilities, y_true, low)[0].mean() >= 0 or _slopes(probabilities, y_true, high)[0].mean() <= 0:
        return undefined
    inverse = 1.0
    for _ in range(100):
        slopes, curvature = _slopes(probabilities, y_true, inverse)
        low, high = (inverse, high) if slopes.mean() < 0 else (low, inverse)
        step = inverse - float(slopes.mean()) / curvature
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) < 1e-10 * inverse:
            break
        inverse = following
    slopes, curvature = _slopes(probabilities, y_true, inverse)
    influence = slopes / curvature
    if sample.clusters is None:
        error, freedom = float(influence.std(ddof=1)) / math.sqrt(sample.n), sample.n - 1
    elif sample.clusters.are_enough:
        error, freedom = jackknife_error(influence - influence.mean(), sample.clusters), sample.clusters.count - 1
    else:
        return IntervalEstimate(
            estimate=1 / inverse, low=None, high=None, level=LEVEL, method="sandwich-log", reason="too_few_clusters"
        )
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error / inverse
    return IntervalEstimate(
        estimate=1 / inverse,
        low=math.exp(-half) / inverse,
        high=math.exp(half) / inverse,
        level=LEVEL,
        method="sandwich-log" if sample.clusters is None else "cluster-sandwich-log",
    )


def at_temperature(probabilities: Numbers, temperature: float) -> Numbers:
    """Probabilities whose logits are divided by a temperature, shape `(rows, classes)`."""
    logits = np.log(np.clip(probabilities, _SMALLEST, 1.0)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    return np.asarray(logits / logits.sum(axis=1, keepdims=True), dtype=np.float64)


def _slopes(probabilities: Numbers, y_true: Labels, inverse: float) -> tuple[Numbers, float]:
    """Derivative of each row's log loss by the inverse temperature, shape `(rows,)`, and the mean second derivative."""
    slopes, curvature = np.empty(len(y_true)), 0.0
    for rows in _blocks(probabilities):
        scaled = at_temperature(probabilities[rows], 1 / inverse)
        logits = np.log(np.clip(probabilities[rows], _SMALLEST, 1.0))
        mean = np.einsum("rc,rc->r", scaled, logits)
        curvature += float(np.einsum("rc,rc->", scaled, (logits - mean[:, None]) ** 2))
        slopes[rows] = mean - logits[np.arange(len(mean)), y_true[rows]]
    return slopes, curvature / len(y_true)


def _judged(
    probabilities: Numbers, y_true: Labels, temperature: float, judged: Judged
) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """Log loss of each row, the probability whose calibration counts, and whether it came true; shape `(rows,)` each."""
    losses, chosen = np.empty(len(y_true)), np.empty(len(y_true))
    right = np.empty(len(y_true), dtype=np.bool_)
    for rows in _blocks(probabilities):
        scaled = at_temperature(probabilities[rows], temperature)
        own = scaled[np.arange(len(scaled)), y_true[rows]]
        losses[rows] = -np.log(np.clip(own, _SMALLEST, 1.0))
        chosen[rows], right[rows] = judged(scaled, y_true[rows])
    return losses, np.minimum(chosen, 1.0), right


def _of_positive(probabilities: Numbers, y_true: Labels) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    return probabilities[:, 1], y_true == 1


def _of_largest(probabilities: Numbers, y_true: Labels) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true


def _blocks(probabilities: Numbers) -> Iterator[slice]:
    """Slices of rows that hold a bounded number of probabilities."""
    size = max(1, _BLOCK_NUMBERS // max(1, probabilities.shape[1]))
    for start in range(0, len(probabilities), size):
        yield slice(start, start + size)


def _table(
    before: tuple[Numbers, Numbers, npt.NDArray[np.bool_]],
    after: tuple[Numbers, Numbers, npt.NDArray[np.bool_]],
    temperature: Metric,
    bins: int,
    label: str,
    sample: Sample,
    rng: np.random.Generator,
) -> Table:
    """Log loss and calibration error of both; the change of the latter has no interval, for noise raises both unequally."""
    losses = {"before": before[0], "after": after[0], "change": after[0] - before[0]}
    found = bootstrap_weighted({name: weighted_mean(each) for name, each in losses.items()}, sample, rng)
    stands = measured("log_loss", sample)
    means = [bootstrapped(stands, found, place, reason="no_rows") for place in range(len(losses))]
    errors = [calibration_errors(part[1], part[2], bins, sample, rng)[0] for part in (before, after)]
    title = message("temperature_what_if", temperature=temperature.value, n=sample.n, fitted=temperature.n, bins=bins)
    return Table(
        name="temperature",
        title=title,
        columns=(
            Column(name="measure", label=message("column.measure")),
            Column(name="before", label=message("column.before")),
            Column(name="after", label=message("column.after")),
            Column(name="change", label=message("column.change")),
        ),
        rows=(
            (message("log_loss"), *(cell_of(each, "fine") for each in means)),
            (message("expected_calibration_error"), *(cell_of(each, "fine") for each in errors), None),
        ),
        n=sample.n,
    )
