"""Each group against all other rows: difference, interval, exact test, adjusted for the number of comparisons."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from auditbench.results import Cell, Column, Table
from auditbench.statistics import benjamini_hochberg
from auditbench_fairness.measures import message
from auditbench_fairness.setting import Setting

SMALLEST_P = sys.float_info.min
SAME_PROBABILITY = 1e-7
"""Relative distance within which two tables count as equally probable: they may differ by rounding."""
WINDOW = 40.0
"""Standard deviations around the mean beyond which a hypergeometric probability is not told from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One group against the rest of the rows.

    Attributes:
        measure: Name of the rate or mean.
        value: Of the group; `rest` of all other rows that the measure is defined on.
        low: Of the difference, value - rest.
        n: Rows of the group that the measure rests on.
        p_value: Two-sided, before adjustment; NaN where there is no test.
        detectable: Smallest difference that would be found with power 0.8 before adjustment; None where there is none.
    """

    where: Mapping[str, str] = field(default_factory=dict)
    measure: str
    value: float
    rest: float
    low: float | None
    high: float | None
    n: int
    p_value: float
    detectable: float | None = None


def comparison_table(comparisons: list[Comparison], setting: Setting) -> Table:
    """All comparisons, those with the smallest adjusted p-value first."""
    adjusted = benjamini_hochberg([comparison.p_value for comparison in comparisons])
    classes = any("class" in comparison.where for comparison in comparisons)
    order = np.argsort(adjusted, kind="stable")  # NaN goes last
    return Table(
        name="comparisons",
        title=setting.title("comparisons", n=len(comparisons)),
        columns=(
            Column(name="feature", label=message("column.feature")),
            Column(name="group", label=message("column.group")),
            *((Column(name="class", label=message("column.class")),) if classes else ()),
            Column(name="measure", label=message("column.measure")),
            Column(name="n", label=message("column.n"), kind="count"),
            *(
                Column(name=name, label=message(f"column.{name}"), kind="number")
                for name in ("value", "rest", "difference", "low", "high", "detectable", "p_value", "adjusted_p_value")
            ),
        ),
        rows=tuple(_row(comparisons[index], float(adjusted[index]), classes) for index in order),
    )


def fisher_exact(hits_a: int, trials_a: int, hits_b: int, trials_b: int) -> float:
    """Two-sided p-value of Fisher's exact test that two groups have one rate, in (0, 1]; 1 without hits or misses.

    Adds the probabilities of all tables of these margins that are at most as probable as the observed one; below
    `SMALLEST_P`, the smallest normal float, that is given.

    Source: Fisher (1935), The Logic of Inductive Inference.
    """
    hits, total = hits_a + hits_b, trials_a + trials_b
    low, high = max(0, hits - trials_b), min(hits, trials_a)
    if low == high:
        return 1.0
    mean = hits * trials_a / total
    spread = math.sqrt(mean * (total - hits) / total * trials_b / max(1, total - 1))
    first = max(low, min(hits_a, math.floor(mean - WINDOW * spread)))
    last = min(high, max(hits_a, math.ceil(mean + WINDOW * spread)))
    support = np.arange(first, last + 1)
    log_weights = -(
        special.gammaln(support + 1)
        + special.gammaln(trials_a - support + 1)
        + special.gammaln(hits - support + 1)
        + special.gammaln(trials_b - hits + support + 1)
    )
    own = log_weights[hits_a - first]
    extreme = special.logsumexp(log_weights[log_weights <= own + SAME_PROBABILITY])
    return positive_p_value(math.exp(min(0.0, float(extreme - special.logsumexp(log_weights)))))


def positive_p_value(value: float) -> float:
    """A p-value that is 0 by rounding alone, as the smallest normal float; NaN stays NaN."""
    return value if math.isnan(value) else max(SMALLEST_P, value)


def _row(comparison: Comparison, adjusted: float, classes: bool) -> tuple[Cell, ...]:
    where = comparison.where
    return (
        where["feature"],
        where["group"],
        *((where.get("class"),) if classes else ()),
        message(comparison.measure),
        comparison.n,
        comparison.value,
        comparison.rest,
        comparison.value - comparison.rest,
        comparison.low,
        comparison.high,
        comparison.detectable,
        None if math.isnan(comparison.p_value) else comparison.p_value,
        None if math.isnan(adjusted) else adjusted,
    )
