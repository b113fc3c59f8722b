"""What a binary model would do at other thresholds: some that are given, and some that are found on half of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.results import Cell, Column, Table
from auditbench.statistics import first_half
from auditbench_performance.measures import bootstrapped, cell_of, f1_score, measured, message, proportion
from auditbench_performance.resampling import Sample, bootstrap_weighted, weighted_ratio

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_performance.resampling import WeightedStatistic

    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]
    Judge: TypeAlias = Callable[[Rows, Rows], WeightedStatistic]

_MEASURES = ("positive_rate", "precision", "recall", "f1")


def threshold_table(
    probability: Numbers, y_true: Labels, given: tuple[float, ...], in_use: float, label: str, sample: Sample
) -> tuple[Table, ...]:
    """What all rows would be decided at each threshold, the one in use among them; none where scores are decisions.

    Args:
        probability: Of the positive class, shape `(rows,)`.
        label: Of the positive class.
    """
    if are_decisions(probability):
        return ()
    columns = (
        Column(name="threshold", label=message("column.threshold"), kind="number"),
        Column(name="in_use", label=message("column.in_use")),
        *_measure_columns(),
    )
    rows = tuple(
        (threshold, threshold == in_use, *_cells(probability, y_true, threshold, sample))
        for threshold in sorted({*given, in_use})
    )
    title = message("thresholds", label=label, n=sample.n)
    return (Table(name="thresholds", title=title, columns=columns, rows=rows, n=sample.n),)


def found_thresholds(
    probability: Numbers, y_true: Labels, in_use: float, label: str, sample: Sample, rng: np.random.Generator
) -> tuple[Table, ...]:
    """Thresholds that are best on one half of the rows, and what they do on the other; none without both classes there.

    Arguments as for `threshold_table`; the thresholds are what-if and change no decision.
    """
    first = first_half(sample.n, rng, sample.clusters)
    if are_decisions(probability) or any(len(np.unique(y_true[half])) < 2 for half in (first, ~first)):
        return ()
    second = sample.among(~first)
    score, positive = probability[~first], y_true[~first] == 1
    found = {aim: best(probability[first], y_true[first] == 1) for aim, (best, _) in _AIMS.items()}
    gains = {aim: _gain(of, positive, score >= found[aim], score >= in_use) for aim, (_, of) in _AIMS.items()}
    estimates = bootstrap_weighted(gains, second, rng)
    lines: list[tuple[Cell, ...]] = [
        (message("aim.in_use"), in_use, *_cells(score, y_true[~first], in_use, second), None)
    ]
    for place, (aim, threshold) in enumerate(found.items()):
        gain = cell_of(bootstrapped(measured("gain", second), estimates, place, reason="one_class"))
        lines.append((message(f"aim.{aim}"), threshold, *_cells(score, y_true[~first], threshold, second), gain))
    table = Table(
        name="found_thresholds",
        title=message("found_thresholds", label=label, n=second.n, searched=sample.n - second.n),
        columns=(
            Column(name="aim", label=message("column.aim")),
            Column(name="threshold", label=message("column.threshold"), kind="number"),
            *_measure_columns(),
            Column(name="gain", label=message("column.gain")),
        ),
        rows=tuple(lines),
        n=second.n,
    )
    return (table,)


def best_f1(probability: Numbers, positive: Rows) -> float:
    """The threshold of the largest F1 on these rows, of equals the highest, to three significant digits."""
    scores, found, passed = _passed(probability, positive)
    return _rounded(scores[int(np.argmax(2 * found / (passed + found[-1])))])


def best_balanced_accuracy(probability: Numbers, positive: Rows) -> float:
    """The threshold of the largest balanced accuracy on these rows, which is that of Youden's index; else as `best_f1`.

    Source: Youden (1950), Cancer 3:32.
    """
    scores, found, passed = _passed(probability, positive)
    false = passed - found
    return _rounded(scores[int(np.argmax(found / found[-1] - false / false[-1]))])


def _gain(of_decisions: Judge, positive: Rows, other: Rows, in_use: Rows) -> WeightedStatistic:
    """By how much decisions at another threshold are better than those in use, on the same rows."""
    one, two = of_decisions(positive, other), of_decisions(positive, in_use)
    return lambda weights: one(weights) - two(weights)


def _weighted_f1(positive: Rows, selected: Rows) -> WeightedStatistic:
    return weighted_ratio(2.0 * (positive & selected), 1.0 * positive + selected)


def _weighted_balanced_accuracy(positive: Rows, selected: Rows) -> WeightedStatistic:
    recall = weighted_ratio(1.0 * (positive & selected), 1.0 * positive)
    specificity = weighted_ratio(1.0 * ~(positive | selected), 1.0 * ~positive)
    return lambda weights: (recall(weights) + specificity(weights)) / 2


_AIMS: Mapping[str, tuple[Callable[[Numbers, Rows], float], Judge]] = {
    "f1": (best_f1, _weighted_f1),
    "balanced_accuracy": (best_balanced_accuracy, _weighted_balanced_accuracy),
}
"""The threshold that is best for each aim, and the aim itself for decisions of weighted rows."""


def _cells(probability: Numbers, y_true: Labels, threshold: float, sample: Sample) -> tuple[Cell, ...]:
    """The measures of decisions at a threshold, each with its interval."""
    positive, selected, clusters = y_true == 1, probability >= threshold, sample.clusters
    return (
        cell_of(proportion("positive_rate", selected, reason="no_rows", clusters=clusters, by_row=False)),
        cell_of(proportion("precision", positive, selected, reason="none_predicted", clusters=clusters, by_row=False)),
        cell_of(proportion("recall", selected, positive, reason="no_positives", clusters=clusters, by_row=False)),
        cell_of(f1_score(positive, selected, clusters)),
    )


def _measure_columns() -> tuple[Column, ...]:
    return tuple(Column(name=name, label=message(name)) for name in _MEASURES)


def _passed(probability: Numbers, positive: Rows) -> tuple[Numbers, Numbers, Numbers]:
    """Distinct scores from the highest down, and how many positives and rows have at least each."""
    scores, place = np.unique(probability, return_inverse=True)
    found = np.cumsum(np.bincount(place, weights=positive)[::-1]).astype(np.float64)
    return scores[::-1], found, np.cumsum(np.bincount(place)[::-1]).astype(np.float64)


def _rounded(threshold: float) -> float:
    return float(f"{threshold:.3g}")


def are_decisions(probability: Numbers) -> bool:
    """Whether scores are 0 and 1 alone, at which every threshold decides alike and no temperature matters."""
    return bool(np.isin(probability, (0.0, 1.0)).all())
