"""When a metric of this plugin becomes a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.findings import Finding, Severity
from auditbench_performance.measures import ANALYZER, message

if TYPE_CHECKING:
    from auditbench.results import Metric
    from auditbench_performance import Params
    from auditbench_performance.confusion import ClassCounts

FEW_ROWS = 10
MOST_NAMED = 5


def findings(
    metrics: tuple[Metric, ...], params: Params, counts: ClassCounts | None = None, classes: tuple[str, ...] = ()
) -> tuple[Finding, ...]:
    """Findings by fixed rules on the intervals of the metrics.

    `at_baseline`: accuracy's interval does not lie above the share of the most frequent class; high where no part does.
    `no_gain_over_bigram`: the interval of a language model's gain does not lie above 0; high where all of it is below.
    `ranking_at_chance`: the interval of AUC does not lie above 0.5.
    `calibration`: the interval of the calibration error lies above `calibration_line`, and the error above what
    calibrated probabilities show by chance.
    `no_better_than_mean`: the interval of R² does not lie above 0.
    `one_class`, `few_rows`: a class has no row, or fewer than `FEW_ROWS`.
    `one_decision`: every row gets the same class.

    Args:
        counts: Of a classifier; `classes` are the names of its classes.
    """
    overall = {metric.name: metric for metric in metrics if not metric.where}
    by_class = "balanced_accuracy" in overall  # a language model has no metrics of single tokens
    found = [*(_labels(counts, classes) if by_class else ()), *_decisions(counts)] if counts is not None else []
    found += _baseline(overall) + _chance(overall) + _calibration(overall, params.calibration_line) + _mean(overall)
    found += _bigram(overall)
    return tuple(found)


def _baseline(metrics: dict[str, Metric]) -> list[Finding]:
    accuracy, majority = metrics.get("accuracy"), metrics.get("majority_class_accuracy")
    if accuracy is None or majority is None or accuracy.interval is None or majority.value is None:
        return []
    if accuracy.interval.low > majority.value or majority.value == 1.0:
        return []
    nowhere_above = accuracy.interval.high <= majority.value
    return [
        _finding(
            "at_baseline",
            "high" if nowhere_above else "medium",
            ("accuracy", "majority_class_accuracy"),
            low=accuracy.interval.low,
            high=accuracy.interval.high,
            baseline=majority.value,
        )
    ]


def _chance(metrics: dict[str, Metric]) -> list[Finding]:
    area = metrics.get("auc")
    if area is None or area.interval is None or area.interval.low > 0.5:
        return []
    return [_finding("ranking_at_chance", "high", ("auc",), low=area.interval.low, high=area.interval.high)]


def _calibration(metrics: dict[str, Metric], line: float) -> list[Finding]:
    error, chance = metrics.get("expected_calibration_error"), metrics.get("calibration_error_by_chance")
    if error is None or error.value is None or error.interval is None or error.interval.low <= line:
        return []
    if chance is None or chance.value is None or error.value <= chance.value:
        return []
    names = ("expected_calibration_error", "calibration_error_by_chance")
    low, high = error.interval.low, error.interval.high
    return [_finding("calibration", "medium", names, value=error.value, low=low, high=high, line=line)]


def _mean(metrics: dict[str, Metric]) -> list[Finding]:
    explained = metrics.get("r2")
    if explained is None or explained.interval is None or explained.interval.low > 0:
        return []
    low, high = explained.interval.low, explained.interval.high
    return [_finding("no_better_than_mean", "high", ("r2",), low=low, high=high)]


def _bigram(metrics: dict[str, Metric]) -> list[Finding]:
    gain = metrics.get("gain_over_bigram")
    if gain is None or gain.interval is None or gain.interval.low > 0:
        return []
    low, high = gain.interval.low, gain.interval.high
    severity: Severity = "high" if high < 0 else "medium"
    return [_finding("no_gain_over_bigram", severity, ("gain_over_bigram",), low=low, high=high)]


def _labels(counts: ClassCounts, classes: tuple[str, ...]) -> list[Finding]:
    rows = counts.labelled
    if (rows > 0).sum() == 1:
        return [_finding("one_class", "high", ("base_rate", "balanced_accuracy"), n=int(rows.sum()))]
    few = [place for place in rows.argsort(kind="stable").tolist() if 0 < rows[place] < FEW_ROWS]
    if not few:
        return []
    named = ", ".join(classes[place] for place in few[:MOST_NAMED])
    more = len(few) - MOST_NAMED
    key = "few_rows_more" if more > 0 else "few_rows"
    metrics = ("balanced_accuracy",)
    return [_finding("few_rows", "low", metrics, key, n=len(few), fewest=FEW_ROWS, named=named, more=max(0, more))]


def _decisions(counts: ClassCounts) -> list[Finding]:
    rows = int(counts.predicted.sum())
    if rows == 0 or (counts.predicted > 0).sum() > 1:
        return []
    return [_finding("one_decision", "high", ("accuracy",), n=rows)]


def _finding(rule: str, severity: Severity, metrics: tuple[str, ...], key: str = "", **values: float | str) -> Finding:
    """A finding of a rule; `key` is the last part of that of its title, where it is not the rule."""
    return Finding(
        rule=f"{ANALYZER}.{rule}",
        severity=severity,
        title=message(f"finding.{key or rule}", **values),
        action=message(f"finding.{rule}.action"),
        metrics=tuple(f"{ANALYZER}.{name}" for name in metrics),
    )
