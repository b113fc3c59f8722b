"""Metrics of groups with bootstrap intervals, for predictions of any source."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.masking import generator
from auditbench.statistics import multinomial_replicates, percentile_intervals
from auditbench_fairness.group_counts import MOST_COUNTS, GroupCounts, count_groups, label_values
from auditbench_fairness.rates import KNOWN_RATES, Counts, rate_values, right_and_wrong

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_fairness.groups import Level

    Numbers = npt.NDArray[np.float64]

BLOCK_NUMBERS = 1 << 19
"""Drawn counts, and replicates of metrics, that are held at a time: 4 MiB each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupMetrics:
    """Metrics of every combination of groups.

    Attributes:
        metrics: Their names.
        features: Names of the features that were crossed.
        cells: The value of each feature in each cell; `None` where it is missing.
        counts: Rows by cell, label and prediction, shape `(cells, classes, classes)`; of two classes
            [[TN, FP], [FN, TP]].
        values: Shape `(cells, metrics)`, in [0, 1]; NaN where no row of the cell is in the denominator.
        interval: Lower and upper bounds, shape `(2, cells, metrics)`; NaN where the value is, or where too few
            replicates are defined. None without replicates.
        undefined_replicates: Replicates in which no row is in the denominator, which the interval leaves out, shape
            `(cells, metrics)`. None without replicates.
        level: Nominal coverage of each interval on its own.
        n_boot: Replicates.
    """

    metrics: tuple[str, ...]
    features: tuple[str, ...]
    cells: tuple[tuple[Level, ...], ...]
    counts: Counts
    values: Numbers
    interval: Numbers | None
    undefined_replicates: npt.NDArray[np.int64] | None
    level: float
    n_boot: int


def group_metrics(
    *,
    y_true: Any,
    y_pred: Any,
    groups: object,
    metrics: Sequence[str],
    n_boot: int = 0,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> GroupMetrics:
    """Metrics of each combination of groups, from counts made in one pass over the rows.

    Args:
        y_true: Labels 0 and 1 (or booleans), shape `(rows,)`. Where `accuracy` is the only metric, whole numbers from
            0, one for each class.
        y_pred: Predicted labels alike.
        groups: Sensitive features: an array of shape `(rows, features)`, a DataFrame, or a list or mapping of columns (a list of
            lists is one of columns, not of rows); missing values as in `count_groups`.
        metrics: Among `selection_rate`, `true_positive_rate`, `false_positive_rate`, `true_negative_rate`,
            `false_negative_rate`, `precision`, `negative_predictive_value`, `accuracy` and `base_rate`.
        n_boot: Replicates of the bootstrap: 0 for no intervals.
        level: Nominal coverage.
        rng: Of the bootstrap; seeded with 0 by default, so that equal calls give equal intervals.

    Raises:
        ValueError: An unknown metric, a level outside (0, 1), or replicates too few for the level.
        DataError: See `count_groups`.

    To go through rows that do not fit into memory, add up `count_groups` and pass the sum to `metrics_of_counts`.
    """
    names = _checked(metrics)
    classes = 2
    if set(names) == {"accuracy"}:
        labels = label_values("y_true", y_true), label_values("y_pred", y_pred)
        classes = 1 + int(min(max(np.fmax.reduce(values, initial=1) for values in labels), MOST_COUNTS))
    counts = count_groups(y_true=y_true, y_pred=y_pred, groups=groups, classes=classes)
    return metrics_of_counts(counts, metrics=names, n_boot=n_boot, level=level, rng=rng)


def metrics_of_counts(
    counts: GroupCounts,
    *,
    metrics: Sequence[str],
    n_boot: int = 0,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> GroupMetrics:
    """Metrics of each cell of a table of counts; the time does not depend on the rows.

    A bootstrap that draws rows with replacement, counted, is a draw from a multinomial distribution; that is drawn.
    Bounds are percentiles of the replicates.

    Args:
        metrics: See `group_metrics`; of more than two classes, `accuracy` alone.

    Raises:
        ValueError: As `group_metrics`.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 13 and 20.
    """
    names = _checked(metrics)
    table = counts.table
    if table.shape[-1] != 2:
        if set(names) != {"accuracy"}:
            raise ValueError(f"expected `accuracy` alone for {table.shape[-1]} classes, got {names}")
        table = right_and_wrong(table)
    if n_boot < 0:
        raise ValueError(f"expected `n_boot` of at least 0, got {n_boot}")
    if not 0 < level < 1:
        raise ValueError(f"expected `level` strictly between 0 and 1, got {level}")
    values = rate_values(table, names)
    interval = undefined = None
    if n_boot:
        rng = generator(rng)
        interval, undefined = _bootstrap(table, values, names, n_boot, level, rng)
    return GroupMetrics(
        metrics=names,
        features=counts.cells.features,
        cells=counts.groups,
        counts=counts.table,
        values=values,
        interval=interval,
        undefined_replicates=undefined,
        level=level,
        n_boot=n_boot,
    )


def _checked(metrics: Sequence[str]) -> tuple[str, ...]:
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    for name in names:
        if name not in KNOWN_RATES:
            near = difflib.get_close_matches(str(name), KNOWN_RATES, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"expected `metrics` among {', '.join(KNOWN_RATES)}, got {name!r}{hint}")
    if not names:
        raise ValueError(f"expected `metrics` among {', '.join(KNOWN_RATES)}, got none")
    return names


def _bootstrap(
    table: Counts, values: Numbers, names: tuple[str, ...], n_boot: int, level: float, rng: np.random.Generator
) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Percentile intervals, shape `(2, cells, metrics)`, and undefined replicates, shape `(cells, metrics)`.

    Many cells are drawn some at a time beside one count of all other rows, which leaves the law of each as it is.
    """
    interval = np.empty((2, *values.shape))
    undefined = np.empty(values.shape, dtype=np.int64)
    total = int(table.sum())
    step = max(1, BLOCK_NUMBERS // (n_boot * len(names)))
    for start in range(0, len(table), step):
        chunk = slice(start, start + step)
        drawn = _replicates(table[chunk], total, names, n_boot, rng)
        found = percentile_intervals(values[chunk], drawn, level=level)
        interval[:, chunk] = found.low, found.high
        undefined[chunk] = found.undefined_replicates
    return interval, undefined


def _replicates(
    table: Counts, total: int, names: tuple[str, ...], n_boot: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Replicates of the rates of some cells, float32, which suffices for percentiles; `(replicates, cells, rates)`."""
    others = total - int(table.sum())
    counts = np.append(table.ravel(), others) if others else table.ravel()
    rates = np.empty((n_boot, len(table), len(names)), dtype=np.float32)
    step = max(1, BLOCK_NUMBERS // len(counts))
    for start in range(0, n_boot, step):
        drawn = multinomial_replicates(counts, min(step, n_boot - start), rng)
        rates[start : start + step] = rate_values(drawn[:, : table.size].reshape(-1, *table.shape), names)
    return rates
