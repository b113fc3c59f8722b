"""Conditional parity: selection rates of groups at equal values of control features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from auditbench.findings import Finding
from auditbench.results import Cell, Column, Metric, Table
from auditbench.statistics import (
    IntervalEstimate,
    StratifiedDifference,
    benjamini_hochberg,
    contrast_intervals,
    sidak_level,
    stratified_difference,
    undefined_interval,
)
from auditbench_fairness.measures import ANALYZER, disparity_metric, message, no_common_stratum
from auditbench_fairness.questions import Question
from auditbench_fairness.rates import RATES
from auditbench_fairness.setting import Setting

if TYPE_CHECKING:
    from auditbench_fairness import Params

RATE = "selection_rate"
LARGEST = "conditional_demographic_parity_difference"
METHOD = "simultaneous-stratified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A group against all other rows, in all rows and at equal values of the control features.

    Attributes:
        plain: In all rows.
        at_equal: Over strata of the control features.
        n: Rows of the group.
    """

    where: Mapping[str, str]
    plain: IntervalEstimate
    at_equal: StratifiedDifference
    n: int

    @property
    def reverses(self) -> bool:
        """Whether both differences are told from 0 and point in opposite ways (Simpson's paradox)."""
        both = (self.plain, self.at_equal.interval())
        signs = [1 if (each.low or 0) > 0 else -1 if (each.high or 0) < 0 else 0 for each in both]
        return signs[0] * signs[1] < 0


@dataclass(slots=True, kw_only=True)
class Conditions:
    """Everything that was compared at equal values, and the largest differences of each feature."""

    conditions: list[Condition] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)


def strata_of(control: Mapping[str, npt.NDArray[np.str_]]) -> npt.NDArray[np.int64]:
    """The combination of values of all control features of each row, numbered from 0, shape `(rows,)`."""
    strata = np.zeros(len(next(iter(control.values()))), dtype=np.int64)
    for values in control.values():
        names, codes = np.unique(values, return_inverse=True)
        _, strata = np.unique(strata * len(names) + codes, return_inverse=True)
    return strata.astype(np.int64)


def measure_conditions(question: Question, strata: npt.NDArray[np.int64], params: Params) -> Conditions:
    """Each estimated group against all other rows, and the largest difference of them.

    Args:
        strata: Stratum of each row, shape `(rows,)`.
    """
    index = RATES.index(RATE)
    estimated = question.estimable(params.minimum_group, params.minimum_outcomes)[:, index]
    groups = np.flatnonzero(estimated & ~np.isnan(question.contrasts[RATE].gap))
    if int((question.sizes > 0).sum()) == 2:
        groups = groups[:1]  # the second one would be the first one mirrored
    plain = contrast_intervals(question.contrasts[RATE].among(groups))
    hit, of_row = question.places % 2 == 1, question.places // 4
    clusters = None if question.rows is None else question.rows.clusters
    found = Conditions()
    for place, group in enumerate(groups.tolist()):
        at_equal = stratified_difference(hit, of_row == group, strata, clusters=clusters, weights=question.weights)
        found.conditions.append(
            Condition(
                where=question.labels(group),
                plain=IntervalEstimate(
                    estimate=float(plain.estimate[place]),
                    low=None if np.isnan(plain.low[place]) else float(plain.low[place]),
                    high=None if np.isnan(plain.high[place]) else float(plain.high[place]),
                    level=plain.level,
                    method=plain.method,
                ),
                at_equal=at_equal,
                n=int(question.sizes[group]),
            )
        )
    found.metrics.append(_largest(question, found.conditions))
    return found


def condition_table(conditions: list[Condition], control: tuple[str, ...], setting: Setting) -> Table:
    """All groups, those with the smallest adjusted p-value first."""
    tests = [np.nan if each.at_equal.p_value is None else each.at_equal.p_value for each in conditions]
    adjusted = benjamini_hochberg(tests)
    classes = any("class" in each.where for each in conditions)
    numbers = ("plain", "at_equal", "low", "high", "p_value", "adjusted_p_value")
    return Table(
        name="conditional",
        title=setting.title("conditional", n=len(conditions), control=", ".join(control)),
        columns=(
            Column(name="feature", label=message("column.feature")),
            Column(name="group", label=message("column.group")),
            *((Column(name="class", label=message("column.class")),) if classes else ()),
            Column(name="n", label=message("column.n"), kind="count"),
            *(Column(name=name, label=message(f"column.{name}"), kind="number") for name in numbers),
            *(
                Column(name=name, label=message(f"column.{name}"), kind="count")
                for name in ("strata", "strata_left_out")
            ),
            Column(name="note", label=message("column.note")),
        ),
        rows=tuple(
            _row(conditions[index], float(adjusted[index]), classes) for index in np.argsort(adjusted, kind="stable")
        ),
    )


def reversal_findings(conditions: list[Condition], control: tuple[str, ...]) -> list[Finding]:
    """`reversal`: a difference that is told from 0 points the other way at equal values of the control features."""
    return [
        Finding(
            rule=f"{ANALYZER}.reversal",
            severity="medium",
            title=message(
                "finding.reversal",
                feature=each.where["feature"],
                group=each.where["group"],
                control=", ".join(control),
                plain=each.plain.estimate,
                at_equal=each.at_equal.estimate,
            ),
            action=message("finding.reversal.action"),
            metrics=(f"{ANALYZER}.{LARGEST}",),
            where=each.where,
        )
        for each in conditions
        if each.reverses
    ]


def _largest(question: Question, conditions: list[Condition]) -> Metric:
    """The largest difference of a group to all other rows, with bounds that hold for all groups at once."""
    known = [each for each in conditions if each.at_equal.estimate is not None]
    estimate = undefined_interval(METHOD, 0.95, "no_rows" if conditions else "one_group")
    if known:
        level = sidak_level(0.95, len(known))
        bounds = [each.at_equal.interval(level) for each in known]
        value = max(abs(each.estimate or 0.0) for each in bounds)
        missing = [each for each in bounds if each.low is None or each.high is None]
        estimate = undefined_interval(METHOD, 0.95, missing[0].reason or "no_rows", value) if missing else estimate
        if not missing:
            estimate = IntervalEstimate(
                estimate=value,
                low=max(0.0, *(max(each.low or 0.0, -(each.high or 0.0)) for each in bounds)),
                high=max(max(each.high or 0.0, -(each.low or 0.0)) for each in bounds),
                level=0.95,
                method=METHOD,
            )
    rows = max((each.at_equal.rows for each in known), default=0)
    clusters = question.clusters_among(np.ones(len(question.sizes), dtype=np.bool_)) if known else None
    return disparity_metric(LARGEST, estimate, n=rows, clusters=clusters, where=question.labels())


def _row(condition: Condition, adjusted: float, classes: bool) -> tuple[Cell, ...]:
    where, at_equal = condition.where, condition.at_equal
    interval = at_equal.interval()
    return (
        where["feature"],
        where["group"],
        *((where.get("class"),) if classes else ()),
        condition.n,
        condition.plain.estimate,
        at_equal.estimate,
        interval.low,
        interval.high,
        at_equal.p_value,
        None if np.isnan(adjusted) else adjusted,
        at_equal.strata,
        at_equal.left_out,
        no_common_stratum() if at_equal.estimate is None else None,
    )
