"""The limits of gates on what a figure shows, so that they are drawn where they apply."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from auditbench.findings import GateDecision
from auditbench.results import AnalysisResult, Curve, PercentileRow, Percentiles
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import ChartLimit

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?", re.IGNORECASE)


def curve_limits(draft: Draft, result: AnalysisResult, curve: Curve) -> tuple[ChartLimit, ...]:
    """Limits of gates on the metric that a curve is named after, in its unit; at one place where a label is a number on the axis."""
    found: dict[tuple[float, float | None], ChartLimit] = {}
    for decision in draft.run.gates:
        if decision.metric == f"{result.analyzer}.{curve.name}" and decision.unit in ("", curve.y.unit):
            x = _place(draft.gated_labels(decision))
            for limit in _limits(decision):
                found[limit, x] = ChartLimit(value=limit, x=x)
    return tuple(found.values())


def percentile_limits(
    draft: Draft, result: AnalysisResult, block: Percentiles, row: PercentileRow
) -> tuple[float, ...]:
    """Limits of gates on one of the three percentiles of a row, told apart from other rows by a label that is its name."""
    names = {f"{result.analyzer}.{block.name}_{name}" for name in ("p50", "p95", "p99")}
    limits = [
        limit
        for decision in draft.run.gates
        if decision.metric in names
        and decision.unit == block.unit
        and row.label in draft.gated_labels(decision).values()
        for limit in _limits(decision)
    ]
    return tuple(dict.fromkeys(limits))


def _limits(decision: GateDecision) -> Iterator[float]:
    yield from (limit for limit in (decision.minimum, decision.maximum) if limit is not None)


def _place(where: Mapping[str, str]) -> float | None:
    """The one label that is a plain finite number; None where none or several are."""
    numbers = [float(value) for value in where.values() if _NUMBER.fullmatch(value)]
    return numbers[0] if len(numbers) == 1 and math.isfinite(numbers[0]) else None
