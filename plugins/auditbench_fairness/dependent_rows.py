"""What is left of a measurement where rows depend on each other: the values, and nothing that takes rows as independent."""

from __future__ import annotations

from dataclasses import replace

from auditbench.results import Metric
from auditbench_fairness.summary import Measured


def without_intervals(measured: Measured) -> Measured:
    """The same values, without intervals and without tests of groups against each other.

    These would be too narrow and too sure: rows of one cluster, such as the tokens of one text, tell less than as many
    independent ones.
    """
    return Measured(
        group_metrics=[_without_interval(metric) for metric in measured.group_metrics],
        disparity_metrics=[_without_interval(metric) for metric in measured.disparity_metrics],
        summaries=[replace(summary, metric=_without_interval(summary.metric)) for summary in measured.summaries],
        lines=measured.lines,
    )


def _without_interval(metric: Metric) -> Metric:
    return metric if metric.value is None else replace(metric, interval=None, no_interval="dependent_rows")
